"""Checks of the model's output against the labels and the loss."""

import math

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import Batch, batch_parts, is_float, map_arrays
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.loss_view import LossView
from firstlight.tools.diagnose.module_state import detached_copy
from firstlight.tools.diagnose.recorded_calls import Call

MANY = 64  # distinct values; of fewer, common properties may be a coincidence
BEYOND = 0.05  # share of the targets that no output can reach


def labels(prediction: Array | None, y: Array | None, classes: int | None) -> Finding | None:
    """Return a finding about labels that do not fit the outputs, or None."""
    if prediction is None or not hasattr(y, "dtype"):
        return None
    look, note, message = "the size of the last layer, and the shape of y", False, ""
    if is_float(y):
        if y.shape != prediction.shape and y.size == prediction.size:
            message = (
                f"y has shape {y.shape} and the prediction {prediction.shape}: their difference "
                "has yet another, by broadcasting"
            )
    elif prediction.ndim == y.ndim + 1:
        count, high = prediction.shape[-1], int(y.max())
        low = int(y[y >= 0].min()) if (y >= 0).any() else 0
        from_one = classes is None and low == 1 and high == count - 1
        if high >= count:
            message = f"labels go up to {high}, the model has outputs for 0 to {count - 1}"
        elif classes is not None and count != classes:
            message = f"the model has {count} outputs, the data {classes} classes"
        elif from_one and count > 2 and y.size > 20 * count:
            message = f"label 0 never occurs, labels go from 1 to {high}: they are numbered from 1"
            look, note = "number the classes from 0", True
    return Finding("labels", "data", "", message, look, note=note) if message else None


def initial_loss(
    model: Module, batch: Batch, loss: float, prediction: Array | None
) -> Finding | None:
    """Return a finding about a loss far above that of guessing, or None."""
    _, y, _ = batch_parts(batch)
    if prediction is None or y is None or is_float(y) or prediction.ndim != np.ndim(y) + 1:
        return None
    even = math.log(max(prediction.shape[-1], 2))
    loss, n = float(loss), len(y)
    if loss <= 1.5 * even + 1:
        return None
    half = map_arrays(batch, lambda array: array[: n // 2])
    half = float(detached_copy(model).training_step(half).loss)
    if n > 4 and 0.4 < half / loss < 0.6 and loss / n < 1.5 * even + 1:
        message = (
            f"the loss of {n} samples is {loss:.4g}, of half of them {half:.4g}: a sum over the "
            "batch, where the trainer expects the mean"
        )
        return Finding("initial-loss", "loss", "", message, "reduction, or the division by N")
    guessing = LossView(model, batch).loss_of_zeros()
    if math.isfinite(guessing) and loss <= 1.5 * guessing + 1:
        return None  # another loss than cross-entropy
    message = (
        f"the loss is {loss:.4g}, far above ln {prediction.shape[-1]} = {even:.3g}, that of "
        "guessing: the network is sure of wrong answers before it has learned anything"
    )
    look = "the scale of the initial weights (1/sqrt of the inputs), and of the inputs"
    return Finding("initial-loss", "loss", "", message, look)


def last_layer(
    model: Module, prediction: Array | None, y: Array | None, last: Call | None, view: LossView
) -> Finding | None:
    """Return a finding about a last layer that does not fit the loss, or None.

    Parameters
    ----------
    model : Module
    prediction, y : array or None
    last : Call or None
        Of the module that made the prediction.
    view : LossView
    """
    if prediction is None or prediction.ndim < 2 or prediction.size < 12:
        return None
    if np.ptp(prediction, axis=-1).max() < 1e-6 and prediction.shape[-1] > 1:
        return None  # all outputs are alike
    loss = getattr(model, "loss", None)
    loss_name = "the loss in training_step" if loss is None else type(loss).__name__
    expected = view.expected_output()
    if expected == "log-probabilities":
        sums = np.exp(prediction.astype("float64")).sum(axis=-1)
        if np.abs(sums - 1).max() < 1e-3:
            return None
        message = (
            f"{loss_name} takes log-probabilities, but the exp of a sample's outputs adds up to "
            f"{np.median(sums):.3g}, not to 1"
        )
        look = "a log-softmax at the end of forward, or a cross-entropy that takes logits"
        return Finding("softmax", "", type(model).__name__, message, look)
    if expected == "logits":
        name = activation(prediction, "" if last is None else last.type)
        if name is None:
            return None
        message = f"no output is negative, as after a {name}, but {loss_name} takes logits"
        look = "leave it out of forward: the loss applies its own, and takes logits"
        return Finding("softmax", "", type(model).__name__, message, look)
    if type(model).training_step is Module.training_step and last is not None:
        return out_of_reach(last, prediction, y)
    return None


def activation(prediction: Array, last: str) -> str | None:
    """Name the activation that a prediction has clearly gone through, None without evidence.

    ``last`` is the class of the last layer.
    """
    if prediction.min() < 0:
        return None
    if last in ("Softmax", "Sigmoid", "ReLU"):
        return last if last == "ReLU" else last.lower()
    if prediction.shape[-1] > 1 and np.abs(prediction.sum(axis=-1) - 1).max() < 1e-3:
        return "softmax"
    # A few logits may all be positive by chance, and so may samples that resemble each other.
    if prediction.shape[-1] < 4 or len(np.unique(prediction)) < MANY:
        return None
    if np.mean(prediction == 0) > 0.1:
        return "ReLU"
    return "sigmoid" if prediction.max() <= 1 else None


def out_of_reach(last: Call, prediction: Array, y: Array | None) -> Finding | None:
    """Return a finding if many targets are outside the range of the last layer, or None."""
    if not is_float(y) or y.shape != prediction.shape:
        return None
    low, high = output_range(last)
    beyond = (y < low - 1e-3) | (y > high + 1e-3)
    if beyond.mean() < BEYOND:
        return None
    message = (
        f"{last.type}, the last layer, gives numbers from {low:.3g} to {high:.3g}, but "
        f"{beyond.mean():.0%} of the targets lie outside"
    )
    look = "a regression ends with a linear layer; or bring the targets into that range"
    return Finding.of_call(last, "softmax", message, look)


def output_range(last: Call) -> tuple[float, float]:
    """Return ``(lowest, highest)`` output of a layer without parameters; infinite for others."""
    x = last.inputs[0] if last.inputs else None
    unbounded = -math.inf, math.inf
    if last.has_parameters or not is_float(x) or np.shape(last.output) != x.shape:
        return unbounded
    try:
        ramp = np.linspace(-1e3, 1e3, x.size, dtype=x.dtype).reshape(x.shape)
        y = detached_copy(last.module).eval()(ramp)
    except Exception:
        return unbounded
    low, high = float(y.min()), float(y.max())
    return -math.inf if low < -100 else low, math.inf if high > 100 else high
