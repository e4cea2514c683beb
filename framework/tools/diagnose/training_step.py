"""Checks of one training step: exceptions, a loss that is not finite, and the returned dy."""

from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import Batch, batch_parts, is_float, standard_normal
from firstlight.tools.diagnose.backward import Search
from firstlight.tools.diagnose.findings import Finding, Report
from firstlight.tools.diagnose.loss_view import LossView
from firstlight.tools.diagnose.module_state import ModuleState, detached_copy
from firstlight.tools.diagnose.recorded_calls import Call, all_calls, recorded_step
from firstlight.tools.diagnose.shape_errors import source_line
from firstlight.tools.diagnose.units import TINY
from firstlight.tools.diagnose.verdict import Verdict


def exception(model: Module, batch: Batch, error: Exception) -> Finding:
    """Return the finding about a training step that raises."""
    line = source_line(error)
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text += f" at `{line}`" if line else ""
    kind, where, name = "raises", "training_step", type(model).__name__
    calls = all_calls(recorded_step(model, batch, may_fail=True)[2])
    if "label" in text or "target" in text or "index" in text and "bounds" in text:
        kind = "labels"
    elif calls and calls[-1].output is None and calls[-1].name:  # the innermost unfinished forward
        where, name = calls[-1].name, calls[-1].type
        if "BatchNorm" in name and len(batch_parts(batch)[0]) <= TINY:
            kind = "small-batch"
    return Finding(kind, where, name, text[:300], "the message, and the shapes of the batch")


def not_finite(tops: list[Call]) -> Finding:
    """Return the finding about a loss that is NaN or infinite, from the recorded calls."""
    for top in tops:
        for call in sorted(all_calls([top]), key=lambda call: bool(call.parts)):
            finite = all(not hasattr(x, "dtype") or np.isfinite(x).all() for x in call.inputs)
            if is_float(call.output) and not np.isfinite(call.output).all() and finite:
                message = "its forward is the first whose result has NaN or infinity"
                look = "a log or division of 0, an exp of large numbers"
                return Finding.of_call(call, "not-finite", message, look)
    look = "log(0), and an exp of large numbers: subtract the largest first"
    return Finding("not-finite", "loss", "", "the loss is NaN or infinite", look)


def uses_labels(model: Module, batch: Any) -> bool:
    """Return whether the loss of a batch (x, y) changes with the order of y."""
    if type(model).training_step is Module.training_step:
        return True
    twin = detached_copy(model).train()
    state, losses = ModuleState(twin), []
    rolled = (batch[0], *(np.roll(part, 1, axis=0) for part in batch[1:2]), *batch[2:])
    for each in (batch, rolled):
        state.restore()
        losses.append(float(twin.train().training_step(each).loss))
    return len(batch) > 1 and losses[0] != losses[1]


def check_dy(model: Module, batch: Batch, report: Report) -> None:
    """Compare the dy of training_step with differences of its loss; add a line to the report."""
    view, subject = LossView(model, batch), "dy of training_step"
    view.step()  # what is kept from a first forward must not make the others differ
    output = view.step()
    if output.dy is None:
        report.skip("loss", subject, "training_step returns no dy")
        return
    dy = np.asarray(output.dy)
    if dy.size != np.size(view.output):
        y = batch_parts(view.batch)[1]
        words = f"it has shape {dy.shape}, the output {np.shape(view.output)}"
        if hasattr(y, "shape") and y.shape != np.shape(view.output):
            words += f", the targets {y.shape}: their difference was broadcast"
        look = "the shapes of prediction and targets, one beside the other"
        report.add("loss", subject, [_wrong_dy(model, "shape", words, look)])
        return
    rng, pairs, h = np.random.default_rng(7), [], 1e-6
    for _ in range(3):
        v = standard_normal(rng, dy)
        try:
            up, down = (
                float(view.step(lambda y, change=sign * h * v: y + change).loss) for sign in (1, -1)
            )
        except ValueError:  # another shape than the output's
            up = down = float("nan")
        pairs.append((float((dy * v).sum()), (up - down) / (2 * h)))
    claimed, numeric = np.array(pairs).T
    size = max(float(np.sqrt(np.square(dy).sum())), float(np.abs(numeric).max()))
    error = np.abs(claimed - numeric)
    findings = []
    if not (error <= 1e-5 * size + 1e-9 * (1 + abs(float(output.loss)))).all():  # also for NaN
        findings = _of_loss_module(model, batch) or [_of_step(model, claimed, numeric, dy)]
    findings.append(_ignores_mask(model, batch, dy))
    report.add("loss", subject, findings, f"error {error.max() / size:.0e}")


def _of_loss_module(model, batch):
    """Return the findings about the model's own loss module, if it is the one that is wrong."""
    twin, _, tops = recorded_step(model, batch, float64=True, may_fail=True)
    for call in tops:
        if call.name and call.module is getattr(twin, "loss", None):
            search = Search(call)
            search.verdicts[call.name] = Verdict(call.module, call.inputs, _without_dloss)
            return search.leaf_findings(call)
    return []


def _without_dloss(loss):
    """Call a loss's backward as `training_step` does: without an argument, for dloss = 1."""
    own = loss.backward

    def backward(dloss):
        dx = own()
        return tuple(dloss * part for part in dx) if isinstance(dx, tuple) else dloss * dx

    loss.backward = backward


def _of_step(model, claimed, numeric, dy):
    """Return the finding about a dy that does not fit the loss."""
    c = float(claimed @ numeric / max(claimed @ claimed, 1e-300))
    fits = np.abs(c * claimed - numeric).max() <= 1e-3 * np.abs(numeric).max()
    kind, words = "term", "its terms do not fit the loss"
    if not np.isfinite(numeric).all():
        kind, words = "shape", f"it has shape {dy.shape}, not that of the output"
    elif not dy.any():
        kind, words = "zero", "it is zero"
    elif fits and abs(c + 1) < 1e-3:
        kind, words = "sign", "it has the wrong sign"
    elif fits and abs(c - 1) > 0.02:
        ratio = abs(c) if abs(c) > 1 else 1 / abs(c)
        counts = [len(dy), dy.size, dy.size // dy.shape[-1]] if dy.ndim else [dy.size]
        batch = any(abs(ratio / count - 1) < 1e-3 for count in counts if count > 1)
        kind = "batch-factor" if batch else "factor"
        words = f"it is {ratio:.4g} times too {'small' if abs(c) > 1 else 'large'}"
    look = "the loss's formula, the division by N, and p - onehot for a softmax"
    return _wrong_dy(model, kind, words, look)


def _wrong_dy(model, kind, words, look):
    message = f"the dy that training_step returns is not the loss's gradient: {words}"
    return Finding(kind, "training_step", type(model).__name__, message, look, "dy")


def _ignores_mask(model: Module, batch: Batch, dy: Array) -> Finding | None:
    """Return a finding if dy is not zero where the target is masked, or None."""
    _, y, mask = batch_parts(batch)

    def fits(array):
        return hasattr(array, "dtype") and array.shape == dy.shape[: array.ndim]

    if fits(mask) and np.isin(mask, (0, 1)).all():
        hidden = mask == 0
    elif fits(y) and y.dtype.kind in "iu":
        ignore = getattr(getattr(model, "loss", None), "ignore_index", -100)
        hidden = (y == ignore) | (y < 0)
    else:
        return None
    if not hidden.any() or not np.abs(dy[hidden]).max() > 0:
        return None
    message = (
        f"{int(hidden.sum())} of {hidden.size} targets are masked, and yet the loss has a gradient "
        "there"
    )
    look = "ignore_index, or multiply the losses by the mask before the mean"
    return Finding("mask", "loss", "", message, look)
