"""Communicators over real MPI, and the numbers they send."""

import subprocess
import sys

import numpy as np
import pytest

import firstlight as fl
from firstlight.checkpoints.fingerprints import fingerprint
from firstlight.distributed import bfloat16
from firstlight.distributed.mpi import MPICommunicator
from firstlight.testing import tiny_trainer


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_exchange_arrays_and_objects(mpirun, ranks):
    assert mpirun(ranks, "exchange.py") == "all right\n" * ranks


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


def test_bfloat16_rounds_to_nearest_even_as_others_do():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype="uint32")
    x = bits.view("float32")
    edges = np.array([0.0, -0.0, np.inf, -np.inf, 3.4e38, 1e-45, 1.00390625], "float32")
    x = np.concatenate([x[~np.isnan(x)], edges])
    with np.errstate(over="ignore"):
        expected = x.astype(ml_dtypes.bfloat16).astype("float32")
    np.testing.assert_array_equal(bfloat16.widened(bfloat16.rounded(x)), expected)
    nan = np.array([np.nan, 1.0], "float32")
    assert np.isnan(bfloat16.widened(bfloat16.rounded(nan))).tolist() == [True, False]


def test_a_strategy_may_be_an_object():
    class Mine(fl.distributed.Communicator):
        name = "mine"

    trainer = fl.Trainer(strategy=Mine(), runs_dir=None)
    assert trainer.communicator.name == "mine"
