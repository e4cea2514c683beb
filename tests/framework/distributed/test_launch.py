"""Who started this process, what a strategy gives, and what is said when it cannot be had."""

import pytest

import firstlight as fl
from firstlight.distributed import Communicator, communicator
from firstlight.distributed.launch import device_of_rank, launched

OPENMPI = {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}
MPICH = {"PMI_RANK": "0", "PMI_SIZE": "2"}
SLURM = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_ID": "0"}


@pytest.fixture(autouse=True)
def _by_itself(monkeypatch):
    for name in (*OPENMPI, *MPICH, *SLURM):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, None),
        (OPENMPI, ("Open MPI's mpiexec", 2, 4)),
        (MPICH, ("mpiexec", 0, 2)),
        (SLURM, ("srun", 3, 8)),
        (SLURM | {"SLURM_STEP_ID": "batch"}, None),
        (SLURM | {"SLURM_STEP_ID": ""}, None),
        (OPENMPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
        (MPICH | {"PMI_RANK": "x"}, None),
    ],
)
def test_the_launcher_is_seen(monkeypatch, told, expected):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert launched() == expected


def test_alone_there_is_one_rank_without_mpi():
    for strategy in ("auto", "single"):
        found = communicator(strategy)
        assert type(found) is Communicator
        assert (found.rank, found.size) == (0, 1)
    trainer = fl.Trainer(runs_dir=None)
    assert trainer.is_global_zero
    assert device_of_rank("cuda:1", trainer.communicator) == "cuda:1"
    with pytest.raises(SystemExit):
        found.abort(3)


@pytest.mark.parametrize("strategy", ["ddp", "mpi:float16", "nccl:bfloat16", "single:bfloat16", 3])
def test_an_unknown_strategy_is_an_error(strategy):
    with pytest.raises(ValueError, match='expected "auto", "single", "mpi", "mpi:bfloat16"'):
        fl.Trainer(strategy=strategy)


def test_nccl_needs_a_gpu():
    with pytest.raises(ValueError, match='"nccl" is for GPUs, got device \'cpu\'; use "mpi"'):
        fl.Trainer(strategy="nccl")


def test_processes_that_do_not_know_each_other_are_an_error(monkeypatch, mpi_words):
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match="srun started 8 processes .* srun --mpi=pmix"):
        fl.Trainer()


def test_without_mpi4py_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mpi4py", None)
    with pytest.raises(RuntimeError, match=r"pip install 'firstlight\[mpi\]'"):
        fl.Trainer(strategy="mpi")
