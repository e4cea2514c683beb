"""Setup: ranks start a training from the same state, or not at all."""

from firstlight.distributed import sharding
from firstlight.support import rng
from firstlight.support.state import named_leaves


def start_alike(trainer):
    """Check that all ranks are about to train the same, and give them rank 0's state.

    Parameters, buffers and random streams become rank 0's, so that it does not matter whether a
    script has seeded them.

    Raises
    ------
    RuntimeError
        Ranks have other parameters, data or settings than rank 0; the message names one.
    """
    sharding.set_current(None)
    communicator = trainer.communicator
    if communicator.size == 1:
        return
    leaves = named_leaves(trainer.module)
    mine = {
        "parameters": {
            name: (leaf.data.shape, str(leaf.data.dtype)) for name, leaf in leaves.items()
        },
        "optimizer": repr(trainer.optimizer),
        "training data": _described(trainer.train_loader),
        "validation data": _described(trainer.val_loader),
        "max_epochs and max_steps": (trainer.max_epochs, trainer.max_steps),
        "accumulate_grad_batches": trainer.accumulation.schedule,
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


def shared_place(communicator, find):
    """Return the place to resume from that rank 0 finds; its files need not be seen by others."""
    return communicator.gather(find() if communicator.rank == 0 else None)[0]


def _described(loader):
    if loader is None:
        return None
    place = loader.state_dict() if hasattr(loader, "state_dict") else None
    return type(loader).__name__, len(loader), place
