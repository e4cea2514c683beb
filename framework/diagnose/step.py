"""One training step, looked at: inputs, outputs, loss, and the dy that goes back."""

import contextlib
import math

import numpy as np

from firstlight import rng as randomness
from firstlight.diagnose.backward import Descent
from firstlight.diagnose.bench import as_float64, is_float, normal, unburdened
from firstlight.diagnose.findings import Finding
from firstlight.diagnose.recording import recording


def mapped(batch, function):
    """Return a batch with a function applied to each array."""
    if isinstance(batch, (tuple, list)):
        return tuple(mapped(part, function) for part in batch)
    if isinstance(batch, dict):
        return {name: mapped(part, function) for name, part in batch.items()}
    return function(batch)


def parts_of(batch):
    """Return ``(x, y, mask)`` of a batch, None for what it has not."""
    if isinstance(batch, dict):
        y = next(
            (batch[k] for k in ("y", "target", "targets", "label", "labels") if k in batch), None
        )
        return next(iter(batch.values())), y, batch.get("mask")
    parts = batch if isinstance(batch, tuple) else (batch,)
    y = parts[1] if len(parts) > 1 else None
    return parts[0], y, parts[2] if len(parts) > 2 else None


def recorded_step(model, batch):
    """Run a training step on a copy; return ``(copy, StepOutput, outermost calls)``."""
    twin = unburdened(model).train()
    with recording(twin) as tops, np.errstate(all="ignore"):
        output = twin.training_step(batch)
    return twin, output, tops


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
    guessing = math.log(max(prediction.shape[-1], 2))
    loss, n = float(loss), len(y)
    if loss <= 1.5 * guessing + 1:
        return None
    half = float(unburdened(model).training_step(mapped(batch, lambda a: a[: n // 2])).loss)
    if n > 4 and 0.4 < half / loss < 0.6 and loss / n < 1.5 * guessing + 1:
        message = (
            f"the loss of {n} samples is {loss:.4g}, of half of them {half:.4g}: a sum over the "
            "batch, where the trainer expects the mean"
        )
        return Finding("initial-loss", "loss", "", message, "reduction, or the division by N")
    message = (
        f"the loss is {loss:.4g}, far above ln {prediction.shape[-1]} = {guessing:.3g}, that of "
        "guessing: the network is sure of wrong answers before it has learned anything"
    )
    look = "the scale of the initial weights (1/sqrt of the inputs), and of the inputs"
    return Finding("initial-loss", "loss", "", message, look)


def activation_before_loss(model, prediction, y):
    """Return a `Finding` about a softmax, sigmoid or ReLU before a loss that takes logits."""
    loss = getattr(model, "loss", None)
    if prediction is None or loss is None or prediction.ndim < 2 or prediction.size < 12:
        return None
    if np.ptp(prediction, axis=-1).max() < 1e-6:  # all alike: nothing to tell from
        return None
    logits_loss = type(loss).__name__
    look = "leave it out of forward: the loss applies its own, and takes logits"
    if "BCEWithLogits" in logits_loss:
        if prediction.min() >= 0 and prediction.max() <= 1:
            return Finding(
                "softmax",
                "",
                type(model).__name__,
                "all outputs are between 0 and 1, as after a sigmoid, but "
                f"{logits_loss} takes logits",
                look,
            )
        return None
    if "CrossEntropy" not in logits_loss:
        return None
    if prediction.min() >= 0:
        if np.abs(prediction.sum(axis=-1) - 1).max() < 1e-3:
            how = "a softmax"
        elif prediction.max() <= 1:
            how = "a sigmoid"
        elif (prediction == 0).any():
            how = "a ReLU"
        else:
            return None
        return Finding(
            "softmax",
            "",
            type(model).__name__,
            f"no output is negative, as after {how}, but {logits_loss} takes logits",
            look,
        )
    return None


def loss_gradient(model, batch, report):
    """Compare the dy of training_step with differences of its loss; add what is found."""
    twin = unburdened(model).to(dtype="float64").train()
    batch = mapped(batch, as_float64)
    streams, forward = randomness.state_dict(), twin.forward
    delta = []

    def shifted(*inputs, **named):
        y = forward(*inputs, **named)
        return y + delta[0] if delta else y

    def step(change=None):
        delta[:] = [] if change is None else [change]
        randomness.load_state_dict(streams)
        twin.train()
        return twin.training_step(batch)

    twin.forward = shifted
    step()  # what is kept from a first forward must not make the others differ
    output = step()
    dy = None if output.dy is None else np.asarray(output.dy)
    subject = "dy of training_step"
    if dy is None:
        report.skip("loss", subject, "training_step returns no dy")
        return
    rng, pairs = np.random.default_rng(7), []
    for _ in range(3):
        v, h = normal(rng, dy), 1e-6
        try:
            sides = [float(step(sign * h * v).loss) for sign in (1, -1)]
        except ValueError:  # another shape than the output's
            sides = [float("nan")] * 2
        pairs.append((float((dy * v).sum()), (sides[0] - sides[1]) / (2 * h)))
    claimed, numeric = np.array(pairs).T
    size = max(float(np.sqrt(np.square(dy).sum())), float(np.abs(numeric).max()))
    wrong = not (
        np.abs(claimed - numeric) <= 1e-5 * size + 1e-9 * (1 + abs(float(output.loss)))
    ).all()
    findings = []
    if wrong:
        findings = [*of_loss_module(model, batch)] or [of_step(claimed, numeric, dy, model)]
    masked = ignored_places(model, batch, dy)
    if masked is not None:
        findings.append(masked)
    report.add("loss", subject, findings, f"error {np.abs(claimed - numeric).max() / size:.0e}")


def of_loss_module(model, batch):
    """Return the findings about the model's own loss module, if it is the one that is wrong."""
    twin = unburdened(model).to(dtype="float64").train()
    with recording(twin) as tops, contextlib.suppress(Exception):
        twin.training_step(batch)
    for call in tops:
        if call.name and call.module is getattr(twin, "loss", None):
            descent = Descent(call)
            return descent.leaf_findings(call)
    return []


def of_step(claimed, numeric, dy, model):
    """Return the finding about a training_step whose dy is wrong."""
    c = float(claimed @ numeric / max(claimed @ claimed, 1e-300))
    fits = np.abs(c * claimed - numeric).max() <= 1e-3 * np.abs(numeric).max()
    n = len(dy) if dy.ndim else 1
    kind, words = "term", "its terms do not fit the loss"
    if not np.isfinite(numeric).all():
        kind, words = "shape", f"it has shape {dy.shape}, not that of the output"
    elif not dy.any():
        kind, words = "zero", "it is zero"
    elif fits and abs(c + 1) < 1e-3:
        kind, words = "sign", "it has the wrong sign"
    elif fits:
        ratio = abs(c) if abs(c) > 1 else 1 / abs(c)
        counts = [n, dy.size, dy.size // dy.shape[-1] if dy.ndim else 1]
        kind = (
            "batch-factor" if any(abs(ratio / k - 1) < 1e-3 for k in counts if k > 1) else "factor"
        )
        words = f"it is {ratio:.4g} times too {'small' if abs(c) > 1 else 'large'}"
    return Finding(
        kind,
        "training_step",
        type(model).__name__,
        f"the dy that training_step returns is not the loss's gradient: {words}",
        "the loss's formula, the division by N, and p - onehot for a softmax",
        "dy",
    )


def ignored_places(model, batch, dy):
    """Return a `Finding` if dy is not zero where the target is masked."""
    _, y, mask = parts_of(batch)
    hidden = None
    ignore = getattr(getattr(model, "loss", None), "ignore_index", -100)
    if (
        hasattr(mask, "dtype")
        and np.isin(mask, (0, 1)).all()
        and mask.shape == dy.shape[: mask.ndim]
    ):
        hidden = mask == 0
    elif hasattr(y, "dtype") and y.dtype.kind in "iu" and y.shape == dy.shape[: y.ndim]:
        hidden = (y == ignore) | (y < 0)
    if hidden is None or not hidden.any() or not np.abs(dy[hidden]).max() > 0:
        return None
    return Finding(
        "mask",
        "loss",
        "",
        f"{int(hidden.sum())} of {hidden.size} targets are masked, and yet the loss has "
        "a gradient there",
        "ignore_index, or multiply the losses by the mask before the mean",
    )
