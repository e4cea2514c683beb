"""Launch: detect the launcher of this process, and create the communicator to the other ranks."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from firstlight.distributed.communicator import Communicator

if TYPE_CHECKING:
    from firstlight.distributed.rendezvous import Meeting

STRATEGIES = ("auto", "single", "mpi", "tcp", "nccl")
# Environment variables of rank and number of ranks, by launcher.
TORCHRUN = "torchrun"
MPI_LAUNCHERS = {
    "Open MPI's mpiexec": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "mpiexec": ("PMI_RANK", "PMI_SIZE"),
}
SRUN = "srun"
LAUNCHERS = {
    TORCHRUN: ("RANK", "WORLD_SIZE"),
    **MPI_LAUNCHERS,
    SRUN: ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
}
ADDRESS = ("MASTER_ADDR", "MASTER_PORT")  # where rank 0 listens


class Start(NamedTuple):
    """Launcher, rank and number of ranks of a process."""

    launcher: str
    rank: int
    size: int


def launched() -> Start | None:
    """Return the `Start` of a process that was started as one of several, or None."""
    return next(filter(None, map(_start, LAUNCHERS)), None)


def _start(launcher):
    """Return the `Start` by one launcher, None if it did not start several processes.

    ``srun`` counts only within a job step: a batch script itself is one process.
    """
    rank, size = (os.environ.get(name, "") for name in LAUNCHERS[launcher])
    if not (rank.isdigit() and size.isdigit() and int(size) > 1):
        return None
    if launcher == SRUN and not os.environ.get("SLURM_STEP_ID", "").isdigit():
        return None
    return Start(launcher, int(rank), int(size))


def communicator(strategy: str | Communicator = "auto", device: str = "cpu") -> Communicator:
    """Return the `Communicator` of a strategy.

    Parameters
    ----------
    strategy : str or Communicator
        "single", "mpi", "tcp", "nccl", or "auto": if several processes were started, by MPI, or by
        TCP where only the variables of ``torchrun`` name them; with NCCL between GPUs if CuPy has
        it. "mpi:bfloat16" sends gradients in 16 bits.
    device : str
        Device of the training; NCCL needs a GPU.

    Raises
    ------
    ValueError
        An unknown strategy, or one that the device does not support.
    RuntimeError
        There is no MPI, or it does not connect the processes that were started. The variables of
        ``torchrun`` are incomplete, or contradict those of MPI.
    ConnectionError
        The processes do not connect by TCP.
    """
    if isinstance(strategy, Communicator):
        return strategy
    name, _, wire = str(strategy).partition(":")
    if name not in STRATEGIES or (wire and (name, wire) != ("mpi", "bfloat16")):
        raise ValueError(
            'strategy: expected "auto", "single", "mpi", "mpi:bfloat16", "tcp" or "nccl", got '
            f"{strategy!r}"
        )
    if name == "single":
        return Communicator()
    if name == "nccl" and not device.startswith(("cuda", "auto")):
        raise ValueError(f'strategy "nccl" is for GPUs, got device {device!r}; use "mpi"')
    if name == "tcp" or (name != "mpi" and _has_only_addresses()):
        world = _over_tcp()
    elif name == "auto" and launched() is None:
        return Communicator()
    else:
        world = _over_mpi(wire or None)
    if name == "nccl" or (name == "auto" and device != "cpu" and world.size > 1):
        from firstlight.distributed.nccl import NCCLCommunicator, nccl_problem

        problem = nccl_problem()
        if problem is None:
            return NCCLCommunicator(world)
        if name == "nccl":
            raise RuntimeError(f'strategy "nccl" cannot be used: {problem}')
    return world


def _over_mpi(wire):
    """Return MPI's communicator, which must connect all processes that were started."""
    from firstlight.distributed.mpi import MPICommunicator

    start = next(filter(None, map(_start, [*MPI_LAUNCHERS, SRUN])), None)
    world = MPICommunicator(wire)
    if start is not None and world.size != start.size:
        raise RuntimeError(
            f"{start.launcher} started {start.size} processes (this is number {start.rank}), but "
            f"MPI connects {world.size}: they belong to different MPIs; under Slurm use srun "
            "--mpi=pmix (or what srun --mpi=list offers), else the mpiexec of the MPI library that "
            "mpi4py loads"
        )
    return world


def _has_only_addresses():
    """Return whether environment variables name the ranks, and MPI did not start them.

    Raises
    ------
    RuntimeError
        Variables are missing, or contradict each other.
    """
    mpi = next(filter(None, map(_start, MPI_LAUNCHERS)), None)
    if not any(os.environ.get(name) for name in LAUNCHERS[TORCHRUN]):
        by_srun = _start(SRUN) is not None and "PMIX_RANK" not in os.environ
        return mpi is None and by_srun and all(os.environ.get(name) for name in ADDRESS)
    if os.environ.get("WORLD_SIZE") == "1":
        return False
    found = meeting()
    if mpi is not None and (found.rank, found.size) != (mpi.rank, mpi.size):
        raise RuntimeError(
            f"RANK and WORLD_SIZE say rank {found.rank} of {found.size}, but {mpi.launcher} says "
            f'rank {mpi.rank} of {mpi.size}; choose one: strategy="tcp" uses RANK and WORLD_SIZE, '
            'strategy="mpi" ignores them'
        )
    return mpi is None


def meeting() -> Meeting:
    """Return this process's place among the ranks, by the environment variables of ``torchrun``.

    Under ``srun``, Slurm's rank and number of tasks are used if there are none.

    Raises
    ------
    RuntimeError
        Variables are missing or wrong.
    """
    from firstlight.distributed.rendezvous import Meeting

    names = LAUNCHERS[TORCHRUN]
    if not any(os.environ.get(name) for name in names) and _start(SRUN) is not None:
        names = LAUNCHERS[SRUN]
    texts = {name: os.environ.get(name, "") for name in (*names, *ADDRESS)}
    rank, size, address, port = texts.values()
    missing = [name for name, text in texts.items() if not text]
    if missing:
        given = ", ".join(f"{name}={text}" for name, text in texts.items() if text) or "none"
        raise RuntimeError(
            f"{', '.join(missing)}: missing in the environment (given: {given}); set RANK, "
            "WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as torchrun does, for several processes, or "
            'use strategy="single"'
        )
    sound = all(text.isdigit() for text in (rank, size, port))
    if not (sound and int(rank) < int(size) and 0 < int(port) < 65536):
        raise RuntimeError(
            "expected a rank below the number of ranks, and a port, got "
            + ", ".join(f"{name}={text}" for name, text in texts.items())
        )
    # torchrun itself may listen at MASTER_PORT.
    taken = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    local = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or ""
    return Meeting(
        int(rank), int(size), int(local) if local.isdigit() else None, address, int(port) + taken
    )


def _over_tcp():
    """Return the communicator over TCP, or a single rank's."""
    found = meeting()
    return Communicator() if found.size == 1 else _connected(found)


@cache
def _connected(found):
    """Return the process's one communicator over TCP: a script may make several Trainers."""
    from firstlight.distributed.tcp import TCPCommunicator

    return TCPCommunicator(found)


def device_of_rank(device: str, communicator: Communicator) -> str:
    """Return the device of a rank: the ranks of a machine use its GPUs in turn.

    Examples
    --------
    >>> from firstlight.distributed import Communicator
    >>> from firstlight.distributed.launch import device_of_rank
    >>> device_of_rank("cpu", Communicator())
    'cpu'
    """
    if communicator.size == 1 or not device.startswith("cuda"):
        return device
    from firstlight.support.backend import gpu_count, use_device

    chosen = f"cuda:{communicator.local_rank % gpu_count()}"
    use_device(chosen)
    return chosen
