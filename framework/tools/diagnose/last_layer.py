"""The last layer against the loss: an activation too much, or one that cannot reach the targets."""

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.tools.diagnose.bench import is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.lossview import wants

MANY = 64  # different values, for what they have in common to be no chance
BEYOND = 0.05  # share of the targets that no output can reach


def fits_loss(model, prediction, y, last, view):
    """Return a `Finding` about a last layer that does not go with the loss, or None.

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
        return None  # all alike: nothing to tell from
    taken = wants(view)
    if taken == "log-probabilities":
        return not_logarithms(model, prediction)
    if taken == "logits":
        how = activation(prediction, "" if last is None else last.type)
        return None if how is None else before_logits(model, how)
    if type(model).training_step is Module.training_step and last is not None:
        return out_of_reach(last, prediction, y)
    return None


def name_of_loss(model):
    """Return how the model's loss is called."""
    loss = getattr(model, "loss", None)
    return "the loss in training_step" if loss is None else type(loss).__name__


def before_logits(model, how):
    """Return the finding about an activation before a loss that has one itself."""
    return Finding(
        "softmax",
        "",
        type(model).__name__,
        f"no output is negative, as after a {how}, but {name_of_loss(model)} takes logits",
        "leave it out of forward: the loss applies its own, and takes logits",
    )


def not_logarithms(model, prediction):
    """Return a finding if outputs are no log-probabilities, though the loss takes such."""
    with np.errstate(over="ignore"):
        sums = np.exp(prediction.astype("float64")).sum(axis=-1)
    if np.abs(sums - 1).max() < 1e-3:
        return None
    return Finding(
        "softmax",
        "",
        type(model).__name__,
        f"{name_of_loss(model)} takes log-probabilities, but the exp of a sample's outputs adds up "
        f"to {np.median(sums):.3g}, not to 1",
        "a log-softmax at the end of forward, or a cross-entropy that takes logits",
    )


def out_of_reach(last, prediction, y):
    """Return a finding if many targets lie where the last layer, an activation, never gets."""
    if not is_float(y) or y.shape != prediction.shape:
        return None
    low, high = reach(last)
    beyond = (y < low - 1e-3) | (y > high + 1e-3)
    if beyond.mean() < BEYOND:
        return None
    return Finding(
        "softmax",
        last.name,
        last.type,
        f"{last.type}, the last layer, gives numbers from {low:.3g} to {high:.3g}, but "
        f"{beyond.mean():.0%} of the targets lie outside",
        "a regression ends with a linear layer; or bring the targets into that range",
    )


def reach(last):
    """Return ``(lowest, highest)`` output of a layer without parameters; infinite for others."""
    x, free = last.inputs[0] if last.inputs else None, (-np.inf, np.inf)
    own = vars(last.module).values()
    if any(isinstance(value, Parameter) for value in own) or not is_float(x):
        return free
    if np.shape(last.output) != x.shape:
        return free
    try:
        ramp = np.linspace(-1e3, 1e3, x.size, dtype=x.dtype).reshape(x.shape)
        y = unburdened(last.module).eval()(ramp)
    except Exception:
        return free
    low, high = float(y.min()), float(y.max())
    return -np.inf if low < -100 else low, np.inf if high > 100 else high


def activation(prediction, last):
    """Name the activation that a prediction has clearly gone through, None without evidence."""
    if prediction.min() < 0:
        return None
    if last in ("Softmax", "Sigmoid", "ReLU"):
        return last if last == "ReLU" else last.lower()
    if prediction.shape[-1] > 1 and np.abs(prediction.sum(axis=-1) - 1).max() < 1e-3:
        return "softmax"
    # a few logits may all be positive by chance, and samples that resemble each other
    if prediction.shape[-1] < 4 or len(np.unique(prediction)) < MANY:
        return None
    if np.mean(prediction == 0) > 0.1:
        return "ReLU"
    return "sigmoid" if prediction.max() <= 1 else None
