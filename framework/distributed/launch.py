"""Launch: find out who started this process, and connect it to the other ranks."""

import os
from typing import NamedTuple

from firstlight.distributed.communicator import Communicator

STRATEGIES = ("auto", "single", "mpi", "nccl")
# What Open MPI, MPICH and its kin, and Slurm tell a process they start: its rank, and how many.
LAUNCHERS = {
    "Open MPI's mpiexec": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "mpiexec": ("PMI_RANK", "PMI_SIZE"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
}


class Start(NamedTuple):
    """How a process was started as one of several."""

    launcher: str
    rank: int
    size: int


def launched():
    """Return the `Start` of a process that was started as one of several, or None.

    Of ``srun`` only within a step: a batch script, and what it calls by itself, is one process.
    """
    for launcher, names in LAUNCHERS.items():
        told = [os.environ.get(name, "") for name in names]
        if all(number.isdigit() for number in told) and int(told[1]) > 1:
            if launcher == "srun" and not os.environ.get("SLURM_STEP_ID", "").isdigit():
                continue
            return Start(launcher, *map(int, told))
    return None


def communicator(strategy="auto", device="cpu"):
    """Return the `Communicator` of a strategy.

    Parameters
    ----------
    strategy : str or Communicator
        "single", "mpi", "nccl", or "auto": MPI where several processes were started, with NCCL
        between GPUs where CuPy has it. "mpi:bfloat16" sends gradients in 16 bits.
    device : str
        Where the training computes; NCCL needs a GPU.

    Raises
    ------
    ValueError
        An unknown strategy, or one that the device cannot have.
    RuntimeError
        No MPI; several processes were started, and MPI knows of one only.
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
    _check_connected(world, start)
    if name == "nccl" or (name == "auto" and device != "cpu" and world.size > 1):
        from firstlight.distributed.nccl import NCCLCommunicator, nccl_problem

        problem = nccl_problem()
        if problem is None:
            return NCCLCommunicator(world)
        if name == "nccl":
            raise RuntimeError(f'strategy "nccl" cannot be used: {problem}')
    return world


def _check_connected(world, start):
    """Raise a RuntimeError where each of several processes would train all by itself."""
    if start is None or world.size == start.size:
        return
    raise RuntimeError(
        f"{start.launcher} started {start.size} processes (this is number {start.rank}), but MPI "
        f"knows of {world.size}: they belong to different MPIs; under Slurm use srun --mpi=pmix "
        "(or what srun --mpi=list offers), else the mpiexec of the MPI library that mpi4py loads"
    )


def device_of_rank(device, communicator):
    """Return the device for a rank: each rank of a machine takes the next of its GPUs.

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
