"""Scores of classes and their labels, as metrics of classifications take them."""

from firstlight.support.array import Array


def check_classes(who: str, prediction: Array, target: Array) -> None:
    """Raise an error unless predictions are scores (N, ..., C) of labels (N, ...)."""
    if target.dtype.kind not in "biu":
        raise TypeError(
            f"{who}: expected integer class labels, got {target.dtype}; it is a metric of "
            "classifications: for numbers use mae, mse, rmse or r2"
        )
    if prediction.ndim != target.ndim + 1 or prediction.shape[:-1] != target.shape:
        raise ValueError(
            f"{who}: expected scores (N, ..., C) for labels (N, ...), got shapes "
            f"{prediction.shape} and {target.shape}; give one score for each class, or the logit "
            "of a BCEWithLogitsLoss"
        )


def counted(target: Array) -> Array:
    """Return which labels count: all but -1."""
    return target >= 0


def by_sample(values: Array) -> Array:
    """Return sums over all positions of a sample, (N, ..., D) -> (N, D), in float64."""
    axes = tuple(range(1, values.ndim - 1))
    return values.sum(axis=axes, dtype="float64")
