"""Training on several processes at once, by data parallelism.

Each process, a *rank*, computes its part of every batch; the gradient is the sum over all of
them, so that N ranks compute what one does. Started by ``mpiexec`` or ``srun``, a script needs no
change: ``Trainer(strategy="auto")`` sees it. The page "On a cluster" tells how.

=================  ===============================================================================
`communicator`     what ranks can do together, and the one process that is alone
`mpi`, `nccl`      the same over MPI (NumPy arrays) and over NCCL (arrays on GPUs)
`launch`           who started this process, and as which rank
`sharding`         the samples of a batch that each rank computes, their random numbers and statistics
`reduction`        the gradient summed over ranks
`agreement`        stopping, saving and comparing at a step's boundary, all ranks alike
`failure`          one rank that fails ends them all
=================  ===============================================================================
"""

from firstlight.distributed.communicator import Communicator
from firstlight.distributed.launch import communicator

__all__ = ["Communicator", "communicator"]
