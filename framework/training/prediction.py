"""Prediction: one pass over data, and what the module says about each sample, joined."""

import numpy as np

from firstlight.distributed.sharding import weight_of
from firstlight.support.backend import to_host
from firstlight.support.batches import sample_count
from firstlight.training.evaluation import limited_batches


def predict(trainer, loader):
    """Return the module's predictions for all batches, joined, as NumPy arrays.

    Parameters
    ----------
    trainer : Trainer
    loader : iterable of batches

    Returns
    -------
    array, or dict or tuple of arrays
        As ``predict_step`` returns them, with all samples along the first axis.

    Raises
    ------
    TypeError, ValueError
        There is nothing to predict; ``predict_step`` returned something else, not one value for
        each sample, or arrays that do not fit together.
    """
    module, parts = trainer.module, []
    who = f"{type(module).__name__}.predict_step"
    module.eval()
    for batch in limited_batches(trainer, loader, "predict"):
        parts.append(_checked(who, module.predict_step(batch), batch))
    shares = zip(*trainer.communicator.gather(parts), strict=True)  # of each batch, by rank
    parts = [part for batch in shares for part in batch]
    if not parts:
        raise ValueError(
            "predict: there is no batch to predict; the data are empty, or limit_predict_batches "
            "leaves nothing of them"
        )
    return _join(who, parts)


def _checked(who, said, batch):
    """Return what a predict_step said as NumPy arrays, with one entry for each sample."""
    if isinstance(said, dict) and said:
        return {name: _checked(f"{who}[{name!r}]", one, batch) for name, one in said.items()}
    if isinstance(said, (tuple, list)) and said:
        return tuple(_checked(f"{who}[{i}]", one, batch) for i, one in enumerate(said))
    if not hasattr(said, "dtype"):
        raise TypeError(
            f"{who} returned {type(said).__name__}; end it with: return y, an array with one entry "
            "for each sample, or a dict or tuple of such arrays"
        )
    count = sample_count(batch)
    if said.shape[:1] != (count,):
        raise ValueError(
            f"{who}: expected {count} entries along the first axis, one for each sample of the "
            f"batch, got shape {said.shape}; reshape it, e.g. y.reshape({count}, ...)"
        )
    return to_host(said)[: weight_of(batch)]


def _join(who, parts):
    """Return the parts of all batches as one array, dict or tuple."""
    first = parts[0]
    kinds = {_kind(part) for part in parts}
    if len(kinds) > 1:
        raise ValueError(
            f"{who}: expected the same for each batch, got {' and '.join(sorted(kinds))}; to join "
            "arrays of different widths, pad them to one width there, or predict with one batch"
        )
    if isinstance(first, dict):
        return {name: _join(f"{who}[{name!r}]", [part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_join(f"{who}[{i}]", [p[i] for p in parts]) for i in range(len(first)))
    return np.concatenate(parts)


def _kind(part):
    """Return in words what parts must have in common to be joined."""
    if isinstance(part, dict):
        return f"a dict of {', '.join(map(str, part))}"
    if isinstance(part, tuple):
        return f"a tuple of {len(part)}"
    return f"arrays of shape (N{''.join(f', {n}' for n in part.shape[1:])})"
