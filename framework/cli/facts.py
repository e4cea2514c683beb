"""Facts: what a data set tells about the model that fits it."""

import math

import numpy as np

FACTS = (
    "in_features",
    "input_shape",
    "in_channels",
    "out_features",
    "num_classes",
    "task",
)


def facts_of(splits):
    """Return values for the model arguments in `FACTS`, as far as the data tell them.

    Parameters
    ----------
    splits : DataSplits

    Returns
    -------
    dict
        ``in_features`` (product of the input shape), ``input_shape``, ``in_channels`` (its last
        axis), ``task`` ("classification" or "regression"), and as ``out_features`` and
        ``num_classes`` the number of classes; for a regression the width of y.
    """
    shape = tuple(int(n) for n in splits.input_shape)
    facts = {"in_features": math.prod(shape), "input_shape": shape}
    if shape:
        facts["in_channels"] = shape[-1]
    facts["task"] = "regression" if splits.classes is None else "classification"
    outputs = _width(splits) if splits.classes is None else len(splits.classes)
    if outputs is not None:
        facts["out_features"] = facts["num_classes"] = outputs
    return facts


def _width(splits):
    """Return how many values one target has, or None for data without targets."""
    sample = splits.train[np.arange(1)]
    return None if len(sample) < 2 else math.prod(sample[1].shape[1:])
