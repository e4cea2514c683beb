"""Communicators over real MPI, and the numbers they send."""

import subprocess
import sys

import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.checkpoints.fingerprints import fingerprint
from firstlight.distributed.mpi import MPICommunicator, allreduce_bfloat16_
from firstlight.testing import tiny_trainer


@pytest.mark.parametrize("ranks", slow_but([1, 2, 3], 3))
def test_ranks_exchange_arrays_and_objects(mpirun, ranks):
    assert mpirun(ranks, "exchange.py", "mpi") == "all right\n" * ranks


def test_one_rank_of_mpi_trains_the_same_bytes_as_no_mpi(mpi_words, tmp_path):
    code = (
        "import firstlight as fl\nfrom firstlight.checkpoints.fingerprints import fingerprint\n"
        "from firstlight.testing import tiny_trainer\n"
        "print(fingerprint(tiny_trainer().module))\n"
        "trainer = fl.Trainer(strategy='mpi', runs_dir=None, default_callbacks=False)\n"
        "print(trainer.communicator)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    prints, world = done.stdout.splitlines()
    assert prints == str(fingerprint(tiny_trainer().module))
    assert world == "MPICommunicator(rank 0 of 1)"


def test_another_wire_dtype_is_an_error(mpi_words):
    with pytest.raises(ValueError, match='expected wire_dtype "bfloat16" or None'):
        MPICommunicator(wire_dtype="int8")


class Echo:
    """MPI's world of one rank, which gets what it sends."""

    size = 1

    def Alltoall(self, sent, got):  # noqa: N802 - MPI's name
        got[...] = sent

    Allgather = Alltoall


def test_bfloat16_rounds_every_pattern_to_nearest_even():
    upper = np.arange(2**16, dtype="uint32") << 16
    lower = np.array([0, 1, 0x1234, 0x7FFF, 0x8000, 0x8001, 0xFFFF], "uint32")
    bits = (upper[:, None] | lower).ravel()
    x = bits.view("float32").copy()
    nan = np.isnan(x)
    allreduce_bfloat16_(Echo(), x)
    nearest = (bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF0000  # of numbers, not of NaN
    nearest[nearest == 1 << 31] = 0  # the sum of 0 and -0 is 0
    np.testing.assert_array_equal(x.view("uint32")[~nan], nearest[~nan])
    assert np.isnan(x[nan]).all()
    assert nan.sum() > 1000


def test_16_bits_need_a_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"bfloat16.* needs the package ml_dtypes.*\[mpi\]"):
        MPICommunicator("bfloat16")


def test_a_strategy_may_be_an_object():
    class Mine(fl.distributed.Communicator):
        name = "mine"

    trainer = fl.Trainer(strategy=Mine(), runs_dir=None)
    assert trainer.communicator.name == "mine"
