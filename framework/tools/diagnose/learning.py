"""Does it learn? A few samples learned by heart with the model's own optimizer."""

import math
import time

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.bench import is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.parts import mapped, parts_of
from firstlight.tools.diagnose.step import uses_labels

STEPS, SECONDS = 150, 4.0
LEARNED, WELL = 0.5, 0.25  # of the loss of guessing, or of the first one


def without_dropout(model):
    """Return a copy of a model whose dropout drops nothing."""
    twin = unburdened(model).train()
    for part in twin.modules():
        for name in ("p", "dropout"):
            own = vars(part).get(name)
            if isinstance(own, float) and (name == "dropout" or "Dropout" in type(part).__name__):
                setattr(part, name, 0.0)
    return twin


def trial(model, batches, factor=1.0, steps=STEPS, seconds=SECONDS, goal=0.0):
    """Train a copy on batches in turn, with all learning rates times ``factor``.

    Returns
    -------
    losses : list of float
        One a step; ends early at NaN, below the goal, or when time is up.
    ratio : float
        Median over the weight matrices of |update| / |weight| in the fifth step.
    shrunk : float
        Norm of the last gradient over that of the first.
    untrained : list of str
        Parameters that got a gradient and did not move.
    """
    twin = without_dropout(model)
    held = {id(value) for part in twin.modules() for value in vars(part).values()}
    optimizer = twin.configure_optimizer()
    if id(optimizer) in held:
        raise LookupError("the model keeps an optimizer made before, which serves no copy of it")
    own = {id(p) for p in twin.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise LookupError("configure_optimizer of a copy gives an optimizer of other parameters")
    optimizer.zero_grad()
    for group in optimizer.param_groups:
        group["lr"] *= factor
    start = {name: p.data.copy() for name, p in twin.named_parameters() if p.requires_grad}
    losses, norms, ratio, touched, begun = [], [], math.nan, set(), time.perf_counter()
    parameters = dict(twin.named_parameters())
    with np.errstate(all="ignore"):
        for step in range(steps):
            output = twin.training_step(batches[step % len(batches)])
            twin.backward(output.dy)
            losses.append(float(output.loss))
            norms.append(
                math.sqrt(sum(float(np.square(p.grad).sum()) for p in parameters.values()))
            )
            touched |= {name for name in start if parameters[name].grad.any()}
            before = {n: p.data.copy() for n, p in parameters.items()} if step == 4 else None
            optimizer.step()
            twin.zero_grad()
            if before:
                moved = [
                    float(np.linalg.norm(p.data - before[n]) / (np.linalg.norm(before[n]) + 1e-12))
                    for n, p in parameters.items()
                    if p.data.ndim > 1
                ]
                ratio = float(np.median(moved)) if moved else math.nan
            recent = np.mean(losses[-3:])
            if not math.isfinite(recent) or (step > 5 and recent < goal):
                break
            if time.perf_counter() - begun > seconds:
                break
    still = [n for n in start if n in touched and np.array_equal(parameters[n].data, start[n])]
    return losses, ratio, norms[-1] / (norms[0] or 1.0), still


def learns(model, batch, report):
    """Add lines about learning a few samples by heart, and about the learning rate."""
    x, y, _ = parts_of(batch)
    few = [mapped(batch, lambda array: array[: 2 if not is_float(x) and x.ndim > 1 else 8])]
    guessing = guessed(model, few[0])
    run = trial(model, few, goal=0.1 * guessing if guessing else 0.0)
    losses, ratio, shrunk, still = run
    end, start = float(np.mean(losses[-3:])), losses[0]
    if len(losses) < 30 and math.isfinite(end) and end > LEARNED * start:
        report.skip(
            "training", "one batch by heart", f"too slow: {len(losses)} steps in {SECONDS} s"
        )
        return
    detail = f"loss {start:.3g} to {end:.2g} in {len(losses)} steps"
    report.add("training", "one batch by heart", verdict(model, few, run, guessing), detail)
    report.add("training", "update to weight", [], f"{ratio:.1e} a step")
    findings = []
    if still:
        findings.append(
            Finding(
                "not-trained",
                still[0],
                "",
                f"{', '.join(still)} got a gradient and did not move: the "
                "optimizer does not have it",
                "configure_optimizer: self.parameters() gives all",
            )
        )
    report.add("training", "all parameters move", findings)


def guessed(model, batch):
    """Return the loss of the best constant prediction, None where it is not known."""
    _, y, _ = parts_of(batch)
    loss = getattr(model, "loss", None)
    if y is None or not hasattr(y, "dtype") or not isinstance(batch, tuple):
        return None
    if not uses_labels(model, batch):
        return None
    if not is_float(y):
        outputs = unburdened(model).eval().predict_step(batch)
        if getattr(outputs, "ndim", 0) == y.ndim + 1:
            return math.log(max(outputs.shape[-1], 2))
        return None
    if callable(loss) and type(model).training_step is Module.training_step:
        return float(unburdened(loss)(np.broadcast_to(y.mean(axis=0), y.shape).copy(), y))
    return float(y.var())


def verdict(model, few, run, guessing):
    """Return the findings about a trial: none, or what about the learning rate."""
    losses, _, shrunk, _ = run
    start, end = losses[0], float(np.mean(losses[-3:]))
    scale = max(guessing or 0.0, start)
    finite = math.isfinite(end)
    if finite and end < WELL * scale and max(losses) < 5 * scale:
        return []
    went = f"the loss of one batch goes from {start:.3g} to {end:.3g}"
    if finite and max(losses) >= 5 * scale:
        went += f", by way of {max(losses):.3g}"

    def other(factor):
        """Return what the loss becomes with another rate, and what it rises to."""
        found = trial(model, few, factor, steps=80, seconds=2.0)[0]
        after = float(np.mean(found[-3:]))
        return (after, max(found)) if math.isfinite(after) else (math.inf, math.inf)

    wild = not finite or max(losses) >= 5 * scale
    if not wild and end < LEARNED * scale and len(losses) < STEPS:
        return []  # well on its way when time was up
    for factor in (0.1, 0.01, 1e-3, 1e-4, 1e-5) if wild else (0.1, 0.01, 1e-3):
        after, top = other(factor)
        bumpy = finite and max(losses) >= 5 * scale and after < LEARNED * scale
        if (after < 0.4 * end or not finite or bumpy) and after < LEARNED * scale > top / 4:
            words = f"{went}, with {factor:g} times the learning rate to {after:.2g}"
            look = f"a learning rate {1 / factor:,.0f} times smaller; the callback lr_finder"
            return [Finding("lr-high", "optimizer", "", words, look)]
    if finite and (end < LEARNED * (guessing or start) or end < LEARNED * start):
        return []
    if finite and end < start and shrunk < 0.05:
        return []  # it has arrived at what it can do
    for factor in (10, 100, 1000, 10_000, 100_000) if finite else ():
        after, _ = other(factor)
        if after < LEARNED * min(scale, end):
            if end < 0.9 * start:
                return []  # slow, but on its way
            words = (
                f"in {len(losses)} steps {went} only, with {factor} times the learning rate to "
                f"{after:.2g}"
            )
            look = f"a learning rate {factor} times larger; the callback lr_finder"
            return [Finding("lr-low", "optimizer", "", words, look)]
    uphill = np.diff(trial(model, few, 1e-3, steps=12)[0])
    if len(uphill) > 5 and (uphill > 0).all():
        words = f"{went}, and it rises in each step with a thousandth of the learning rate too"
        look = "the sign of the step: w -= lr * gradient goes downhill"
        return [Finding("sign", "optimizer", "", f"the optimizer goes uphill: {words}", look)]
    words = f"it does not learn a few samples by heart: {went}, and no other learning rate cures it"
    look = "whether the labels belong to the inputs, the loss, and the network's size"
    unsure = guessing is None  # it may have learned them before
    return [Finding("overfit", "", type(model).__name__, words, look, note=unsure)]
