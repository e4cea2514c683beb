"""Launch: detect the launcher of this process, and create the communicator to the other ranks."""

from __future__ import annotations

import os
from typing import NamedTuple

from firstlight.distributed.communicator import Communicator

STRATEGIES = ("auto", "single", "mpi", "nccl")
# Environment variables of rank and number of ranks, by launcher.
LAUNCHERS = {
    "Open MPI's mpiexec": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "mpiexec": ("PMI_RANK", "PMI_SIZE"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
}


class Start(NamedTuple):
    """Launcher, rank and number of ranks of a process."""

    launcher: str
    rank: int
    size: int


def launched() -> Start | None:
    """Return the `Start` of a process that was started as one of several, or None.

    ``srun`` counts only within a job step: a batch script itself is one process.
    """
    for launcher, names in LAUNCHERS.items():
        rank, size = (os.environ.get(name, "") for name in names)
        if not (rank.isdigit() and size.isdigit() and int(size) > 1):
            continue
        if launcher != "srun" or os.environ.get("SLURM_STEP_ID", "").isdigit():
            return Start(launcher, int(rank), int(size))
    return None


def communicator(strategy: str | Communicator = "auto", device: str = "cpu") -> Communicator:
    """Return the `Communicator` of a strategy.

    Parameters
    ----------
    strategy : str or Communicator
        "single", "mpi", "nccl", or "auto": MPI if several processes were started, with NCCL
        between GPUs if CuPy has it. "mpi:bfloat16" sends gradients in 16 bits.
    device : str
        Device of the training; NCCL needs a GPU.

    Raises
    ------
    ValueError
        An unknown strategy, or one that the device does not support.
    RuntimeError
        There is no MPI, or it does not connect the processes that were started.
    """
    if isinstance(strategy, Communicator):
        return strategy
    name, _, wire = str(strategy).partition(":")
    if name not in STRATEGIES or (wire and (name, wire) != ("mpi", "bfloat16")):
        raise ValueError(
            'strategy: expected "auto", "single", "mpi", "mpi:bfloat16" or "nccl", got '
            f"{strategy!r}"
        )
    start = launched()
    if name == "single" or (name == "auto" and start is None):
        return Communicator()
    from firstlight.distributed.mpi import MPICommunicator

    if name == "nccl" and not device.startswith(("cuda", "auto")):
        raise ValueError(f'strategy "nccl" is for GPUs, got device {device!r}; use "mpi"')
    world = MPICommunicator(wire or None)
    if start is not None and world.size != start.size:
        raise RuntimeError(
            f"{start.launcher} started {start.size} processes (this is number {start.rank}), but "
            f"MPI connects {world.size}: they belong to different MPIs; under Slurm use srun "
            "--mpi=pmix (or what srun --mpi=list offers), else the mpiexec of the MPI library that "
            "mpi4py loads"
        )
    if name == "nccl" or (name == "auto" and device != "cpu" and world.size > 1):
        from firstlight.distributed.nccl import NCCLCommunicator, nccl_problem

        problem = nccl_problem()
        if problem is None:
            return NCCLCommunicator(world)
        if name == "nccl":
            raise RuntimeError(f'strategy "nccl" cannot be used: {problem}')
    return world


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
