"""Sanity of what goes in and comes out: inputs, outputs against labels, the loss at the start."""

import math

import numpy as np

from firstlight.tools.diagnose import lossview
from firstlight.tools.diagnose.bench import is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.lossview import LossView
from firstlight.tools.diagnose.parts import mapped, parts_of


def scale(x):
    """Return a `Finding` about inputs that are too large, too small or not finite, or None."""
    if not is_float(x):
        return None
    look = "the data's transform: standardise each feature, (x - mean) / std of the training data"
    if not np.isfinite(x).all():
        return Finding(
            "not-finite",
            "data",
            "",
            "the inputs hold NaN or infinite values",
            "where the data come from, and a division by zero in a transform",
        )
    largest, spread = float(np.abs(x).max()), float(x.std())
    if largest > 50 or spread > 10:
        return Finding(
            "input-scale",
            "data",
            "",
            f"the inputs are large, up to {largest:.3g} with a spread of {spread:.3g}: "
            "networks learn best from mean 0 and spread 1",
            look,
        )
    if largest > 0 and spread < 0.01 and len(x) > 1:
        return Finding(
            "input-scale",
            "data",
            "",
            f"the inputs hardly differ, their spread is {spread:.3g}: networks learn best from "
            "mean 0 and spread 1",
            look,
        )
    return None


def outputs(prediction, y, classes):
    """Return a `Finding` about outputs that the labels do not fit, or None."""
    if prediction is None or y is None or not hasattr(y, "dtype"):
        return None
    look = "the size of the last layer, and the shape of y"
    if is_float(y):
        if y.shape != prediction.shape and y.size == prediction.size:
            return Finding(
                "labels",
                "data",
                "",
                f"y has shape {y.shape} and the prediction {prediction.shape}: their "
                "difference has yet another, by broadcasting",
                look,
            )
        return None
    if prediction.ndim != y.ndim + 1:
        return None
    count = prediction.shape[-1]
    high, low = int(y.max()), int(y[y >= 0].min()) if (y >= 0).any() else 0
    if high >= count:
        return Finding(
            "labels",
            "data",
            "",
            f"labels go up to {high}, the model has outputs for 0 to {count - 1}",
            look,
        )
    if classes is not None and count != classes:
        return Finding(
            "labels", "data", "", f"the model has {count} outputs, the data {classes} classes", look
        )
    if classes is None and low == 1 and high == count - 1 and count > 2 and y.size > 20 * count:
        return Finding(
            "labels",
            "data",
            "",
            f"label 0 never occurs, labels go from 1 to {high}: they are numbered from 1",
            "number the classes from 0",
            note=True,
        )
    return None


def initial(model, batch, loss, prediction):
    """Return a `Finding` about a loss far above that of guessing, or None."""
    _, y, _ = parts_of(batch)
    if prediction is None or y is None or is_float(y) or prediction.ndim != np.ndim(y) + 1:
        return None
    even = math.log(max(prediction.shape[-1], 2))
    loss, n = float(loss), len(y)
    if loss <= 1.5 * even + 1:
        return None
    half = float(unburdened(model).training_step(mapped(batch, lambda a: a[: n // 2])).loss)
    if n > 4 and 0.4 < half / loss < 0.6 and loss / n < 1.5 * even + 1:
        message = (
            f"the loss of {n} samples is {loss:.4g}, of half of them {half:.4g}: a sum over the "
            "batch, where the trainer expects the mean"
        )
        return Finding("initial-loss", "loss", "", message, "reduction, or the division by N")
    guessing = lossview.of_guessing(LossView(model, batch))
    if math.isfinite(guessing) and loss <= 1.5 * guessing + 1:
        return None  # another loss than cross-entropy
    message = (
        f"the loss is {loss:.4g}, far above ln {prediction.shape[-1]} = {even:.3g}, that of "
        "guessing: the network is sure of wrong answers before it has learned anything"
    )
    look = "the scale of the initial weights (1/sqrt of the inputs), and of the inputs"
    return Finding("initial-loss", "loss", "", message, look)


def target_scale(y, loss):
    """Return a `Finding` about targets of a regression that are large, or hardly differ, or None.

    Where the loss is small all the same, the step brings them to scale itself.
    """
    if not is_float(y) or y.size < 4:
        return None
    size, spread = float(np.sqrt(np.square(y.astype("float64")).mean())), float(y.std())
    look = "(y - mean) / std of the training data as the target, and back again for predictions"
    if (size > 50 or spread > 15) and float(loss) > 50:
        message = (
            f"the targets are large, {y.mean():.3g} on average with a spread of {spread:.3g}, the "
            f"loss therefore {float(loss):.3g}: a fresh network gives numbers near 1, and has far "
            "to go"
        )
        return Finding("target-scale", "data", "", message, look)
    if 0 < spread < 0.003:
        message = f"the targets hardly differ, their spread is {spread:.3g}"
        return Finding("target-scale", "data", "", message, look, note=True)
    return None
