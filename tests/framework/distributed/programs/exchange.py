"""What communicators promise, asked of MPI itself; an AssertionError ends the job."""

import numpy as np

from firstlight.distributed import communicator
from firstlight.distributed.mpi import MPICommunicator

world = communicator("mpi")
rank, size = world.rank, world.size
assert world.local_rank == rank
assert world.gather({"rank": rank}) == [{"rank": r} for r in range(size)]

for dtype in ("float32", "float64", "int64"):
    x = np.arange(12, dtype=dtype).reshape(3, 4) + rank
    world.allreduce_(x)
    assert (x == size * np.arange(12).reshape(3, 4) + sum(range(size))).all()
x = np.full((4, 3), float(rank)).T  # not contiguous
world.allreduce_(x, "max")
assert (x == size - 1).all()
world.allreduce_(np.zeros(0))
x = np.full(5, rank + 1.0)
world.bcast_(x)
assert (x == 1).all()
world.barrier()

# 16 bits on the wire: the same bytes on all ranks, and near the sum
draw = np.random.default_rng(rank).normal
half = MPICommunicator(wire_dtype="bfloat16")
for count in (1, 3, 1000, 100_001):
    mine = draw(size=count).astype("float32")
    exact, short, double = mine.copy(), mine.copy(), mine.astype("float64")
    world.allreduce_(exact)
    half.allreduce_gradient_(short)
    assert len(set(world.gather(short.tobytes()))) == 1
    largest = np.abs(np.stack(world.gather(mine))).sum(axis=0)
    assert (np.abs(short - exact) <= largest * 2**-8 + np.abs(exact) * 2**-8).all()
    assert count < 100 or (short != exact).any()  # it was 16 bits indeed
    half.allreduce_gradient_(double)  # other dtypes as they are
    np.testing.assert_allclose(double, exact, rtol=1e-4, atol=1e-5)
print("all right")
