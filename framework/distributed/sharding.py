"""Sharding: batches, of which each rank gets its share.

A `DataLoader` of ours makes the share only: other samples are not read. Of any other loader each
rank makes the whole batch and cuts its share out, so such a loader must give the same batches on
every rank.
"""

from firstlight.distributed import share as sharing
from firstlight.distributed.share import Share
from firstlight.support.batches import sample_count


def shares(loader, communicator):
    """Yield each batch, or this rank's part of it; meanwhile `share.current` tells which.

    Parameters
    ----------
    loader : iterable of batches
    communicator : Communicator
    """
    if communicator.size == 1:
        yield from loader
        return
    ours = hasattr(loader, "shared_by")
    if ours:
        loader.shared_by = communicator
    try:
        for batch in loader:
            whole = loader.samples(loader.batch - 1) if ours else sample_count(batch)
            share = Share.of(whole, communicator)
            sharing.take(share)
            yield batch if ours else cut(batch, share)
    finally:
        sharing.take(None)
        if ours:
            loader.shared_by = None


def cut(batch, share):
    """Return a rank's part of a batch: the rows of every array that has one for each sample."""
    if isinstance(batch, (tuple, list)):
        return tuple(cut(part, share) for part in batch)
    if isinstance(batch, dict):
        return {name: cut(part, share) for name, part in batch.items()}
    is_by_sample = getattr(batch, "ndim", 0) and len(batch) == share.whole
    return batch[share.rows] if is_by_sample else batch


def whole_of(batch):
    """Return how many samples the whole batch has, of which this may be a rank's part."""
    share = sharing.current()
    return sample_count(batch) if share is None else share.whole


def weight_of(batch):
    """Return how many samples a batch, or this rank's part of one, counts."""
    share = sharing.current()
    return sample_count(batch) if share is None else share.weight
