"""Training on several processes at once, by data parallelism.

Each process, a *rank*, computes its shard of every batch. The gradient is summed over all ranks, so
that N ranks compute the same step as one. A script needs no change for ``mpiexec``, ``srun`` or
``torchrun``: ``Trainer(strategy="auto")`` finds the other ranks. See the page "On a cluster".

=================  ===============================================================================
`communicator`     operations across ranks; the base class is a single rank
`mpi`, `nccl`      communicators over MPI (NumPy arrays) and over NCCL (arrays on GPUs)
`tcp`              a communicator over TCP, where there is no MPI
`rendezvous`       connects its ranks, and checks that they belong together
`launch`           detects the launcher and the rank of this process
`synchronization`  checks that all ranks train the same, and copies rank 0's state to them
`sharding`         each rank's samples of a batch, with their random numbers and statistics
`failure`          ends all ranks after an exception on one
=================  ===============================================================================
"""

from firstlight.distributed.communicator import Communicator
from firstlight.distributed.launch import communicator

__all__ = ["Communicator", "communicator"]
