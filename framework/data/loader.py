"""DataLoader: decides order and batches, and knows its place.

Nothing here has hidden random state: the order of an epoch follows from (seed, epoch), a random
transform from (seed, epoch, batch). So a loader's place is three numbers, and any batch of any
epoch can be made again alone.
"""

from numbers import Integral

import numpy as np

from firstlight.data.dataset import as_dataset, transform_of
from firstlight.data.prefetch import prefetched
from firstlight.data.resident import resident
from firstlight.distributed.share import Share
from firstlight.support import rng as randomness
from firstlight.support.arguments import plain_number


class DataLoader:
    """Iterate over a data set in batches; each iteration is one epoch, the next one.

    Leaving an iteration early ends that epoch: iterating again starts the next one. To go on in
    the middle instead, hand `state_dict` to `load_state_dict`.

    Parameters
    ----------
    data : data set, array, or tuple of arrays
    batch_size : int
    shuffle : bool
        A new order each epoch; of a data set that can ``draw``, new samples.
    drop_last : bool
        Leave out a last batch that is not full.
    transform : callable, optional
        ``f(batch, rng) -> batch``, applied to each batch, e.g. random changes of images. What
        the data set applies to its samples by itself, their scaling, goes before.
    prefetch : int
        Batches made ahead by a second thread; worth it for slow transforms.
    seed : int, optional
        Fixes order and transforms; the current seed of `firstlight.seed_everything` by default.

    Attributes
    ----------
    epoch : int
        The epoch under way, or the next one.
    batch : int
        Batches of it that were handed out.

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

    def __init__(
        self,
        data,
        batch_size=32,
        *,
        shuffle=False,
        drop_last=False,
        transform=None,
        prefetch=0,
        seed=None,
    ):
        self.data = as_dataset(data)
        if len(self.data) == 0:
            raise ValueError(f"DataLoader: {self._name} is empty; expected at least one sample")
        batch_size = plain_number(batch_size)
        if not (isinstance(batch_size, Integral) and 1 <= batch_size <= len(self.data)):
            raise ValueError(
                f"DataLoader: expected a batch_size from 1 to {len(self.data)}, the number of "
                f"samples in {self._name}, got {batch_size}"
            )
        if transform is not None and not callable(transform):
            raise TypeError(
                f"DataLoader: expected transform to be f(batch, rng) -> batch, got {transform!r}"
            )
        if transform is not None and transform is transform_of(self.data):
            raise ValueError(
                f"DataLoader: samples of {self._name} go through {transform!r} already; leave out "
                "transform"
            )
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.transform, self.prefetch = transform, prefetch
        self.seed = randomness.current_seed() if seed is None else seed
        self.epoch = self.batch = 0
        self.shared_by = None  # a Communicator: batches are then its rank's shares of batches
        self._resident = None  # the samples on a GPU
        self._begun = False  # whether the epoch named above is, or was, under way

    def __len__(self):
        full, rest = divmod(len(self.data), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def samples(self, index):
        """Return how many samples the batch with an index (from 0) has."""
        return min(self.batch_size, len(self.data) - index * self.batch_size)

    def __iter__(self):
        """Hand out the batches of the next epoch; after `load_state_dict`, those still left."""
        if self._begun:
            self.epoch, self.batch = self.epoch + 1, 0
        self._begun = True
        batches = self._batches(self.epoch, self.batch)
        for batch in prefetched(batches, 0 if self._resident else self.prefetch):
            self.batch += 1
            yield batch

    def keep_on(self, device):
        """Keep the samples on a device from now on, if they fit and no transform needs the host.

        Batches then come from there; the Trainer calls this.
        """
        self._resident = resident(self.data, self.transform, device)

    def state_dict(self):
        """Return the place inside the epoch as a JSON-able dict: what is needed to go on here."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "batch": self.batch,
            "batch_size": self.batch_size,
            "samples": len(self.data),
        }

    def load_state_dict(self, state):
        """Go to a place that `state_dict` returned; the next iteration starts there.

        Raises
        ------
        ValueError
            The place is in the middle of an epoch of other data, or of another batch size.
        """
        mine = (self.batch_size, len(self.data))
        saved = (state["batch_size"], state["samples"])
        if state["batch"] > 0 and mine != saved:
            raise ValueError(
                f"DataLoader: the saved place is after batch {state['batch']} of batches of "
                f"{saved[0]} from {saved[1]} samples, but this loader makes batches of {mine[0]} "
                f"from {mine[1]}; use the same data and batch_size"
            )
        self.seed, self.epoch, self.batch = state["seed"], state["epoch"], state["batch"]
        self._begun = self.batch >= len(self)

    def __repr__(self):
        return f"DataLoader({self._name}, {len(self)} batches of {self.batch_size})"

    @property
    def _name(self):
        return getattr(self.data, "name", type(self.data).__name__)

    def _share_of(self, places):
        """Return which samples of a batch are made here: this rank's, or all."""
        if self.shared_by is None:
            return slice(None)
        return Share.of(len(places), self.shared_by).rows

    def _batches(self, epoch, first):
        order = np.arange(len(self.data))
        if self.shuffle:
            randomness.derived("order", self.seed, epoch).shuffle(order)
        if self._resident is not None:
            order = self._resident.order(order)
        draws = self.shuffle and hasattr(self.data, "draw")
        for index in range(first, len(self)):
            places = order[index * self.batch_size : (index + 1) * self.batch_size]
            share, numbers = self._share_of(places), (self.seed, epoch, index)
            if self._resident is not None:
                yield self._resident.batch(places[share])
                continue
            if draws:
                batch = self.data.draw(len(places), randomness.derived("draw", *numbers))
                batch = tuple(array[share] for array in batch)
            else:
                batch = self.data[places[share]]
            if self.transform is not None:
                by_rank = () if self.shared_by is None else (self.shared_by.rank,)
                batch = self.transform(batch, randomness.derived("augment", *numbers, *by_rank))
                if batch is None:
                    raise TypeError(
                        f"DataLoader: transform {self.transform!r} returned None; "
                        "end it with: return batch"
                    )
            yield batch
