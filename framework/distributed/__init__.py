"""Training on several processes at once, by data parallelism.

Each process, a *rank*, computes its shard of every batch; the gradient is summed over all of them,
so that N ranks compute what one does. Started by ``mpiexec`` or ``srun``, a script needs no change:
``Trainer(strategy="auto")`` finds the other ranks. See the page "On a cluster".

=================  ===============================================================================
`communicator`     what ranks can do together; by itself, one process alone
`mpi`, `nccl`      the same over MPI (NumPy arrays) and over NCCL (arrays on GPUs)
`launch`           which launcher started this process, and as which rank
`synchronization`  checks that all ranks train the same, and gives them rank 0's state
`sharding`         each rank's samples of a batch, and random numbers and statistics for them
`failure`          an exception on one rank ends all of them
=================  ===============================================================================
"""

from firstlight.distributed.communicator import Communicator
from firstlight.distributed.launch import communicator

__all__ = ["Communicator", "communicator"]
