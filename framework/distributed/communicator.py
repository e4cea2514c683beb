"""Communicator: what the processes of a training can do together; by itself, one that is alone."""


class Communicator:
    """The processes of a training, its *ranks*, seen from one of them; here there is only one.

    Every rank must make the same calls in the same order: each waits for all others.

    Attributes
    ----------
    name : str
        "single", "mpi" or "nccl".
    rank, size : int
        Which one this is, from 0, and how many there are.
    local_rank : int
        Which one on this machine; chooses the GPU.
    check_every : int
        Steps between two comparisons of the ranks' parameters.

    Examples
    --------
    >>> from firstlight.distributed import Communicator
    >>> alone = Communicator()
    >>> alone.rank, alone.size, alone.gather("here")
    (0, 1, ['here'])
    """

    name = "single"
    rank, size, local_rank = 0, 1, 0
    check_every = 200

    def allreduce_(self, array, op="sum"):
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""

    def allreduce_gradient_(self, array):
        """Replace the gradient by the sum over all ranks', in place, in 16 bits if so chosen."""
        self.allreduce_(array)

    def bcast_(self, array):
        """Replace an array by that of rank 0, in place."""

    def gather(self, value):
        """Return a list of every rank's value, any Python object, on every rank."""
        return [value]

    def barrier(self):
        """Wait until every rank has come here."""

    def abort(self, code=1):
        """End the processes of all ranks at once, with an exit code."""
        raise SystemExit(code)

    def __repr__(self):
        return f"{type(self).__name__}(rank {self.rank} of {self.size})"
