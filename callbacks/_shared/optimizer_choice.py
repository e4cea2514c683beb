"""The optimizers of a training that a callback is for."""

import difflib

from firstlight.optim import Optimizer
from firstlight.trainer import Trainer


def chosen(who: str, trainer: Trainer, name: str | None) -> list[Optimizer]:
    """Return the optimizer of a name, in a list; for None all of them.

    Parameters
    ----------
    who : str
        Name of the callback, for messages.
    trainer : Trainer
        With its optimizer.
    name : str or None

    Raises
    ------
    ValueError
        There is no optimizer of this name.
    """
    found = trainer.optimizer.by_name()
    if name is None:
        return list(found.values())
    if name and name in found:
        return [found[name]]
    if "" in found:
        raise ValueError(
            f"{who}: optimizer={name!r}, but {type(trainer.module).__name__}.configure_optimizer "
            "returned one optimizer without a name; leave optimizer out, or return a dict"
        )
    close = difflib.get_close_matches(name, found, n=1)
    raise ValueError(
        f"{who}: found no optimizer {name!r}; "
        + (f"did you mean {close[0]!r}? There" if close else "there")
        + f" are {', '.join(map(repr, found))}"
    )
