"""DataLoader: batches of a data set, in an order that can be resumed.

There is no hidden random state: the order of an epoch depends on (seed, epoch), a random transform
on (seed, epoch, batch). The state of a loader is these three numbers, and any batch of any epoch
can be reproduced alone.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

from firstlight.data._batches import BatchMaker, Task
from firstlight.data._prefetch import prefetched
from firstlight.data._resident import resident
from firstlight.data.dataset import as_dataset, transform_of
from firstlight.data.order import order_of
from firstlight.data.transforms import Transform
from firstlight.distributed.sharding import Shard
from firstlight.support import rng as randomness
from firstlight.support.arguments import parse_choice, parse_count, plain_number

if TYPE_CHECKING:
    from firstlight.distributed.communicator import Communicator


@dataclass(eq=False, repr=False)
class DataLoader:
    """Iterate over a data set in batches; each iteration is the next epoch.

    Leaving an iteration early ends that epoch: iterating again starts the next one. To resume
    within an epoch, pass `state_dict` to `load_state_dict`.

    Parameters
    ----------
    data : data set, array, or tuple of arrays
    batch_size : int
    shuffle : bool
        A new order each epoch; new samples if the data set has a method ``draw``.
    drop_last : bool
        Drop a last batch that is not full.
    transform : callable, optional
        ``f(batch, rng) -> batch``, applied to each batch, e.g. random changes of images. The
        data set's own transform, such as scaling, is applied first.
    prefetch : int
        Batches created in advance, by a thread if there are no workers; useful for slow transforms.
        Workers create at least two each in advance.
    num_workers : int
        Threads or processes that create batches. The batches are the same whatever the number.
    workers : {"threads", "processes"}
        Threads start at once and share memory; they run at the same time where NumPy or Pillow
        work, which release the GIL. The data set is then indexed by several threads at once.
        Processes are for transforms in plain Python. They are spawned, once for a loader, so data
        set and transform must be importable from a module, and a script must be guarded by
        ``if __name__ == "__main__":``.
    seed : int, optional
        Seed of order and transforms; the current seed of `firstlight.seed_everything` by default.

    Attributes
    ----------
    epoch : int
        The current epoch, or the next one.
    batch : int
        Number of its batches returned so far.
    shared_by : Communicator or None
        If set, batches are the shards of its rank.

    Raises
    ------
    ValueError
        A batch size below 1, or above the data's length.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import DataLoader
    >>> loader = DataLoader((np.arange(10.0), np.arange(10)), batch_size=4)
    >>> [len(x) for x, y in loader]
    [4, 4, 2]
    """

    data: Any
    batch_size: int = 32
    _: KW_ONLY
    shuffle: bool = False
    drop_last: bool = False
    transform: Transform | None = None
    prefetch: int = 0
    num_workers: int = 0
    workers: str = "threads"
    seed: int | None = None
    epoch: int = field(default=0, init=False)
    batch: int = field(default=0, init=False)
    shared_by: "Communicator | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Turn the data into a data set, and check the settings."""
        self.data, self.batch_size = as_dataset(self.data), plain_number(self.batch_size)
        if len(self.data) == 0:
            raise ValueError(f"DataLoader: {self._name} is empty; expected at least one sample")
        if not (isinstance(self.batch_size, Integral) and 1 <= self.batch_size <= len(self.data)):
            raise ValueError(
                f"DataLoader: expected a batch_size from 1 to {len(self.data)}, the number of "
                f"samples in {self._name}, got {self.batch_size}"
            )
        transform = self.transform
        if transform is not None and not callable(transform):
            raise TypeError(
                f"DataLoader: expected transform to be f(batch, rng) -> batch, got {transform!r}"
            )
        if transform is not None and transform is transform_of(self.data):
            raise ValueError(
                f"DataLoader: samples of {self._name} go through {transform!r} already; leave out "
                "transform"
            )
        self.num_workers = parse_count("DataLoader: num_workers", self.num_workers, 0)
        parse_choice("DataLoader: workers", self.workers, ("threads", "processes"))
        self.seed = randomness.current_seed() if self.seed is None else self.seed
        self._resident = None  # the samples on a GPU
        self._processes = None  # those of the last iteration
        self._begun = False  # whether `epoch` has begun

    def __len__(self) -> int:
        full, rest = divmod(len(self.data), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def samples(self, index: int) -> int:
        """Return the number of samples in a batch, by its index (from 0)."""
        return min(self.batch_size, len(self.data) - index * self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of the next epoch; after `load_state_dict`, the remaining ones."""
        if self._begun:
            self.epoch, self.batch = self.epoch + 1, 0
        self._begun = True
        for batch in self._batches(self.epoch, self.batch):
            self.batch += 1
            yield batch

    def keep_on(self, device: str) -> None:
        """Keep the samples on a device, if they fit and no transform needs the host.

        The Trainer calls this. Batches are then created on the device.
        """
        self._resident = resident(self.data, self.transform, device)

    def state_dict(self) -> dict[str, int]:
        """Return the position in the epoch as a JSON-able dict, to resume from."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "batch": self.batch,
            "batch_size": self.batch_size,
            "samples": len(self.data),
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore a position of `state_dict`; the next iteration starts there.

        Raises
        ------
        ValueError
            The position is within an epoch of other data or of another batch size.
        """
        mine = (self.batch_size, len(self.data))
        saved = (state["batch_size"], state["samples"])
        if state["batch"] > 0 and mine != saved:
            raise ValueError(
                f"DataLoader: the saved position is after batch {state['batch']} of batches of "
                f"{saved[0]} from {saved[1]} samples, but this loader makes batches of {mine[0]} "
                f"from {mine[1]}; use the same data and batch_size"
            )
        self.seed, self.epoch, self.batch = state["seed"], state["epoch"], state["batch"]
        self._begun = self.batch >= len(self)

    def __repr__(self) -> str:
        return f"DataLoader({self._name}, {len(self)} batches of {self.batch_size})"

    @property
    def _name(self):
        return getattr(self.data, "name", type(self.data).__name__)

    def _batches(self, epoch, first):
        """Return an iterator over the batches of an epoch, from ``first`` on."""
        if self._resident is not None:
            return self._resident_batches(epoch, first)
        draws = self.shuffle and hasattr(self.data, "draw")
        make = BatchMaker(self.data, self.transform, draws)
        if self.num_workers and self.workers == "processes":
            make = self._in_processes(make)
        order = order_of(len(self.data), self.seed, epoch, self.shuffle and not draws)
        ahead, threads = max(self.prefetch, 2 * self.num_workers), max(1, self.num_workers)
        return prefetched(make, self._tasks(order, epoch, first), ahead, threads)

    def _tasks(self, order, epoch, first):
        by_rank = () if self.shared_by is None else (self.shared_by.rank,)
        for index in range(first, len(self)):
            places = order[index * self.batch_size : (index + 1) * self.batch_size]
            yield Task(places, (self.seed, epoch, index), self._share_of(places), by_rank)

    def _resident_batches(self, epoch, first):
        order = order_of(len(self.data), self.seed, epoch, self.shuffle)
        order = self._resident.order(order[0 : len(self.data)])
        for index in range(first, len(self)):
            places = order[index * self.batch_size : (index + 1) * self.batch_size]
            yield self._resident.batch(places[self._share_of(places)])

    def _in_processes(self, make):
        """Return what calls ``make`` in processes, which are kept for the next epochs."""
        kept = self._processes
        if kept is None or not kept.serve(make, self.num_workers):
            from firstlight.data._workers import WorkerProcesses

            self._processes = WorkerProcesses(make, self.num_workers)
        return self._processes

    def _share_of(self, places):
        """Return the slice of a batch's samples that belongs to this rank."""
        if self.shared_by is None:
            return slice(None)
        return Shard.of(len(places), self.shared_by).rows
