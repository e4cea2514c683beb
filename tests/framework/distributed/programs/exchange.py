"""What communicators promise, asked of MPI or TCP itself; an AssertionError ends the job.

exchange.py STRATEGY
"""

import sys

import numpy as np

from firstlight.distributed import communicator
from firstlight.distributed.mpi import MPICommunicator

world = communicator(sys.argv[1])
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

# longer than a message, and than a socket's buffer: the sum in the order of the ranks
draws = [np.random.default_rng(r).normal(size=1_000_003).astype("float32") for r in range(size)]
x, total = draws[rank].copy(), draws[0].copy()
for other in draws[1:]:
    total += other
world.allreduce_(x)
assert len(set(world.gather(x.tobytes()))) == 1
assert np.allclose(x, total, rtol=1e-5, atol=1e-6)
if world.name == "tcp" or size == 2:
    assert x.tobytes() == total.tobytes()
assert world.gather("r" * 10**6 * rank) == ["r" * 10**6 * r for r in range(size)]
if world.name == "tcp":
    print("all right")
    sys.exit()

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
