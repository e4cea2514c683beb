"""Synchronization: start a training from the same state on all ranks, or raise an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firstlight.distributed import sharding
from firstlight.support import rng
from firstlight.support.state import named_leaves

if TYPE_CHECKING:
    from firstlight.distributed.communicator import Communicator
    from firstlight.module import Module


def synchronize(
    communicator: Communicator, module: Module, compared: dict[str, Any], *loaders: Any
) -> None:
    """Check that all ranks train the same, and copy rank 0's state to them.

    Parameters, buffers and random streams are copied from rank 0, so that a script need not seed
    them.

    Parameters
    ----------
    communicator : Communicator
    module : Module
    compared : dict
        Settings by name.
    *loaders : loader or None
        Loaders of the training and validation data.

    Raises
    ------
    RuntimeError
        Ranks have other parameters, data or settings than rank 0; the message names one.
    """
    sharding.set_current(None)
    if communicator.size == 1:
        return
    leaves = named_leaves(module)
    mine = {
        "parameters": {
            name: (leaf.data.shape, str(leaf.data.dtype)) for name, leaf in leaves.items()
        },
        **dict(zip(("training data", "validation data"), map(_described, loaders), strict=True)),
        **compared,
    }
    for rank, theirs in enumerate(communicator.gather(mine)):
        for what, value in mine.items():
            if theirs[what] != value:
                raise RuntimeError(
                    f"the ranks of a training differ in their {what}: rank {communicator.rank} has "
                    f"{str(value)[:200]}, rank {rank} has {str(theirs[what])[:200]}; start the "
                    "same script with the same data, settings and seeds everywhere"
                )
    for leaf in leaves.values():
        communicator.bcast_(leaf.data)
    rng.load_state_dict(communicator.gather(rng.state_dict())[0])


def _described(loader: Any) -> tuple[str, int, Any] | None:
    if loader is None:
        return None
    place = loader.state_dict() if hasattr(loader, "state_dict") else None
    return type(loader).__name__, len(loader), place
