"""Arguments of a model that are taken from the data unless the user sets them."""

import math
from typing import Any

import numpy as np

from firstlight.data.splits import DataSplits

FROM_DATA: dict[str, tuple[Any, str]] = {  # by name: type and help
    "in_features": (int, "Values in one sample"),
    "input_shape": (tuple[int, ...], "Shape of one sample"),
    "in_channels": (int, "Last axis of one sample"),
    "out_features": (int, "Classes, or targets of a regression"),
    "num_classes": (int, "Classes, or targets of a regression"),
    "task": (str, "classification or regression"),
    "vocab_size": (int, "Different tokens"),
    "block_size": (int, "Tokens in one sample"),
}


def arguments_from_data(splits: DataSplits) -> dict[str, Any]:
    """Return the arguments of `FROM_DATA` that the data determine.

    For a regression the outputs are the width of y, otherwise the classes. Text has tokens.
    """
    if splits.is_nested:  # a model of several inputs knows their shapes
        count = len(splits.classes or ())
        return {"out_features": count, "num_classes": count} if count else {}
    shape = tuple(int(n) for n in splits.input_shape)
    if splits.tokenizer is not None:
        vocab_size = splits.tokenizer.vocab_size
        return {"input_shape": shape, "vocab_size": vocab_size, "block_size": shape[0]}
    facts = {"in_features": math.prod(shape), "input_shape": shape}
    if shape:
        facts["in_channels"] = shape[-1]
    facts["task"] = "regression" if splits.classes is None else "classification"
    sample = splits.train[np.arange(1)]
    if splits.classes is not None:
        facts["out_features"] = facts["num_classes"] = len(splits.classes)
    elif len(sample) > 1:
        facts["out_features"] = facts["num_classes"] = math.prod(sample[1].shape[1:])
    return facts
