"""Who started this process, what a strategy gives, and what is said when it cannot be had."""

import pytest

import firstlight as fl
from firstlight.distributed import Communicator, communicator, tcp
from firstlight.distributed.launch import device_of_rank, launched
from firstlight.distributed.rendezvous import Meeting

OPENMPI = {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}
MPICH = {"PMI_RANK": "0", "PMI_SIZE": "2"}
TORCHRUN = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
    "LOCAL_RANK": "0",
}
SLURM = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_ID": "0"}


@pytest.fixture(autouse=True)
def _by_itself(monkeypatch):
    for name in (*OPENMPI, *MPICH, *SLURM, *TORCHRUN, "PMIX_RANK", "SLURM_LOCALID"):
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
        (TORCHRUN, ("torchrun", 1, 2)),
        (TORCHRUN | SLURM, ("torchrun", 1, 2)),  # srun torchrun
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
    with pytest.raises(ValueError, match='expected "auto", "single", "mpi", "mpi:bfloat16", "tcp"'):
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


@pytest.mark.parametrize(
    ("strategy", "told", "expected"),
    [
        ("auto", TORCHRUN, Meeting(1, 2, 0, "node1", 29500)),
        ("tcp", TORCHRUN | OPENMPI, Meeting(1, 2, 0, "node1", 29500)),
        ("auto", TORCHRUN | {"TORCHELASTIC_USE_AGENT_STORE": "True"},
         Meeting(1, 2, 0, "node1", 29501)),
        ("auto", SLURM | {"MASTER_ADDR": "a", "MASTER_PORT": "9", "SLURM_LOCALID": "1"},
         Meeting(3, 8, 1, "a", 9)),
    ],
)  # fmt: skip
def test_ranks_of_torchrun_connect_by_tcp(monkeypatch, strategy, told, expected):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tcp, "TCPCommunicator", lambda meeting: meeting)
    assert communicator(strategy) == expected


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"RANK": "1"}, "^WORLD_SIZE, MASTER_ADDR, MASTER_PORT: missing .*given: RANK=1"),
        (TORCHRUN | {"MASTER_PORT": ""}, "^MASTER_PORT: missing"),
        (TORCHRUN | {"RANK": "2"}, "a rank below the number of ranks, and a port, got RANK=2"),
        (TORCHRUN | {"MASTER_PORT": "http"}, "MASTER_PORT=http"),
        (TORCHRUN | OPENMPI, "rank 1 of 2, but Open MPI's mpiexec says rank 2 of 4; choose one"),
        (TORCHRUN | MPICH, "rank 1 of 2, but mpiexec says rank 0 of 2"),
    ],
)
def test_variables_that_are_incomplete_or_contradict_mpi_are_an_error(monkeypatch, told, said):
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match=said):
        fl.Trainer(runs_dir=None)
    assert fl.Trainer(runs_dir=None, strategy="single").communicator.size == 1


def test_one_rank_of_torchrun_is_alone(monkeypatch):
    for name, value in (TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1"}).items():
        monkeypatch.setenv(name, value)
    for strategy in ("auto", "tcp"):
        assert type(communicator(strategy)) is Communicator


def test_tcp_without_variables_says_which(monkeypatch):
    with pytest.raises(RuntimeError, match="^RANK, WORLD_SIZE, .*: missing .*given: none"):
        fl.Trainer(strategy="tcp")
