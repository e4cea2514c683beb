"""One training step, looked at: inputs, outputs, loss, and the dy that goes back."""

import contextlib

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.backward import Descent
from firstlight.tools.diagnose.bench import as_float64, normal, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.lossview import LossView
from firstlight.tools.diagnose.moment import Moment
from firstlight.tools.diagnose.parts import mapped, parts_of
from firstlight.tools.diagnose.recording import recording
from firstlight.tools.diagnose.verdict import Verdict


def recorded_step(model, batch):
    """Run a training step on a copy; return ``(copy, StepOutput, outermost calls)``."""
    twin = unburdened(model).train()
    with recording(twin) as tops, np.errstate(all="ignore"):
        output = twin.training_step(batch)
    return twin, output, tops


def unfinished(model, batch):
    """Return the innermost `Call` that a training step which raises does not come back from."""
    twin = unburdened(model).train()
    with recording(twin) as tops, contextlib.suppress(Exception):
        twin.training_step(batch)
    calls = [call for top in tops for _, call in top.walk()]
    return calls[-1] if calls and calls[-1].output is None else None


def uses_labels(model, batch):
    """Return whether the loss of a batch (x, y) changes with the order of y."""
    if type(model).training_step is Module.training_step:
        return True
    twin, losses = unburdened(model).train(), []
    moment = Moment(twin)
    turned = (batch[0], *(np.roll(part, 1, axis=0) for part in batch[1:2]), *batch[2:])
    for each in (batch, turned):
        moment.restore()
        losses.append(float(twin.train().training_step(each).loss))
    return len(batch) > 1 and losses[0] != losses[1]


def loss_gradient(model, batch, report):
    """Compare the dy of training_step with differences of its loss; add what is found."""
    view, subject = LossView(model, batch), "dy of training_step"
    view.step()  # what is kept from a first forward must not make the others differ
    output = view.step()
    dy = None if output.dy is None else np.asarray(output.dy)
    if dy is None:
        report.skip("loss", subject, "training_step returns no dy")
        return
    if dy.size != np.size(view.output):
        report.add("loss", subject, [of_shape(dy, view.output, view.batch, model)])
        return
    rng, pairs = np.random.default_rng(7), []
    for _ in range(3):
        v, h = normal(rng, dy), 1e-6
        try:
            sides = [
                float(view.step(lambda y, change=sign * h * v: y + change).loss) for sign in (1, -1)
            ]
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


def of_shape(dy, output, batch, model):
    """Return the finding about a dy of another size than the model's output."""
    y = parts_of(batch)[1]
    words = f"it has shape {dy.shape}, the output {np.shape(output)}"
    if hasattr(y, "shape") and y.shape != np.shape(output):
        words += f", the targets {y.shape}: their difference was broadcast"
    return Finding(
        "shape",
        "training_step",
        type(model).__name__,
        f"the dy that training_step returns is not the loss's gradient: {words}",
        "the shapes of prediction and targets, one beside the other",
        "dy",
    )


def of_loss_module(model, batch):
    """Return the findings about the model's own loss module, if it is the one that is wrong."""
    twin = unburdened(model).to(dtype="float64").train()
    with recording(twin) as tops, contextlib.suppress(Exception):
        twin.training_step(mapped(batch, as_float64))
    for call in tops:
        if call.name and call.module is getattr(twin, "loss", None):
            descent = Descent(call)
            descent.verdicts[call.name] = Verdict(call.module, call.inputs, without_dloss)
            return descent.leaf_findings(call)
    return []


def without_dloss(loss):
    """Have a loss's backward called as `training_step` calls it: without an argument, for 1."""
    own = loss.backward

    def backward(dloss):
        dx = own()
        return tuple(dloss * part for part in dx) if isinstance(dx, tuple) else dloss * dx

    loss.backward = backward


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
    elif fits and abs(c - 1) > 0.02:
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
