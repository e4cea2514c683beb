"""Whether a model overfits a few samples with its own optimizer, and at which learning rate."""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.arrays import Batch, batch_parts, first_samples, is_float
from firstlight.tools.diagnose.findings import Finding, Report
from firstlight.tools.diagnose.module_state import detached_copy, disable_dropout
from firstlight.tools.diagnose.training_step import uses_labels

SUBJECT = "overfit one batch"  # in the report
STEPS, SECONDS = 150, 4.0
LEARNED, WELL = 0.5, 0.25  # of the loss of guessing, or of the first loss


@dataclass
class Trial:
    """A short training on one batch.

    Attributes
    ----------
    losses : list of float
        One a step; ends early at NaN, below the goal, or when time is up.
    norms : list of float
        Norm of the gradient in each step.
    update_ratio : float
        Median over the weight matrices of |update| / |weight| in the fifth step.
    untrained : list of str
        Parameters that got a gradient and did not move.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    update_ratio: float = math.nan
    untrained: list[str] = field(default_factory=list)

    @property
    def end(self) -> float:
        """The mean of the last three losses."""
        return float(np.mean(self.losses[-3:]))


def run_trial(
    model: Module,
    batch: Batch,
    factor: float = 1.0,
    *,
    steps: int = STEPS,
    seconds: float = SECONDS,
    goal: float = 0.0,
) -> Trial:
    """Train a copy without dropout on one batch, with all learning rates times ``factor``.

    Raises
    ------
    LookupError
        The optimizer does not train the copy.
    """
    twin = disable_dropout(detached_copy(model).train())
    held = {id(value) for part in twin.modules() for value in vars(part).values()}
    optimizer = twin.configure_optimizer()
    if id(optimizer) in held:
        raise LookupError("the model keeps an optimizer made earlier, which trains no copy of it")
    own = {id(p) for p in twin.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise LookupError("configure_optimizer of a copy returns an optimizer of other parameters")
    optimizer.zero_grad()
    for group in optimizer.param_groups:
        group["lr"] *= factor
    parameters = dict(twin.named_parameters())
    start = {name: p.data.copy() for name, p in parameters.items()}
    trial, touched, began = Trial(), set(), time.perf_counter()
    for step in range(steps):
        output = twin.training_step(batch)
        twin.backward(output.dy)
        trial.losses.append(float(output.loss))
        squares = sum(float(np.square(p.grad).sum()) for p in parameters.values())
        trial.norms.append(math.sqrt(squares))
        touched |= {n for n, p in parameters.items() if p.requires_grad and p.grad.any()}
        before = {n: p.data.copy() for n, p in parameters.items()} if step == 4 else None
        optimizer.step()
        twin.zero_grad()
        if before:
            moved = [
                float(np.linalg.norm(p.data - before[n]) / (np.linalg.norm(before[n]) + 1e-12))
                for n, p in parameters.items()
                if p.data.ndim > 1
            ]
            trial.update_ratio = float(np.median(moved)) if moved else math.nan
        if not math.isfinite(trial.end) or (step > 5 and trial.end < goal):
            break
        if time.perf_counter() - began > seconds:
            break
    trial.untrained = [
        n for n, p in parameters.items() if n in touched and np.array_equal(p.data, start[n])
    ]
    return trial


def check_overfitting(model: Module, batch: Batch, report: Report) -> None:
    """Add lines about overfitting a few samples, and about the learning rate."""
    x = batch_parts(batch)[0]
    batch = first_samples(batch, 2 if not is_float(x) and x.ndim > 1 else 8)
    guessing = loss_of_guessing(model, batch)
    trial = run_trial(model, batch, goal=0.1 * guessing if guessing else 0.0)
    start, end, steps = trial.losses[0], trial.end, len(trial.losses)
    if steps < 30 and math.isfinite(end) and end > LEARNED * start:
        report.skip("training", SUBJECT, f"too slow: {steps} steps in {SECONDS} s")
        return
    detail = f"loss {start:.3g} to {end:.2g} in {steps} steps"
    report.add("training", SUBJECT, [overfit_finding(model, batch, trial, guessing)], detail)
    report.add("training", "update to weight", [], f"{trial.update_ratio:.1e} a step")
    findings = []
    if names := trial.untrained:
        message = f"{', '.join(names)} got a gradient and did not move: not in the optimizer"
        look = "configure_optimizer: self.parameters() gives all"
        findings = [Finding("not-trained", names[0], "", message, look)]
    report.add("training", "all parameters move", findings)


def loss_of_guessing(model: Module, batch: Batch) -> float | None:
    """Return the loss of the best constant prediction, None if it is unknown."""
    _, y, _ = batch_parts(batch)
    if not hasattr(y, "dtype") or not isinstance(batch, tuple) or not uses_labels(model, batch):
        return None
    if not is_float(y):
        outputs = detached_copy(model).eval().predict_step(batch)
        if getattr(outputs, "ndim", 0) == y.ndim + 1:
            return math.log(max(outputs.shape[-1], 2))
        return None
    loss = getattr(model, "loss", None)
    if callable(loss) and type(model).training_step is Module.training_step:
        mean = np.broadcast_to(y.mean(axis=0), y.shape).copy()
        return float(detached_copy(loss)(mean, y))
    return float(y.var())


def overfit_finding(
    model: Module, batch: Batch, trial: Trial, guessing: float | None
) -> Finding | None:
    """Return the finding about a trial that did not overfit, or None."""
    start, end, highest = trial.losses[0], trial.end, max(trial.losses)
    scale = max(guessing or 0.0, start)
    finite, high = math.isfinite(end), highest >= 5 * scale
    if finite and end < WELL * scale and highest < 5 * scale:
        return None
    went = f"the loss of one batch goes from {start:.3g} to {end:.3g}"
    if finite and high:
        went += f", with a peak of {highest:.3g}"

    def other(factor):
        """Return the final and the highest loss with another learning rate."""
        found = run_trial(model, batch, factor, steps=80, seconds=2.0)
        finite = math.isfinite(found.end)
        return (found.end, max(found.losses)) if finite else (math.inf, math.inf)

    wild = not finite or high
    if not wild and end < LEARNED * scale and len(trial.losses) < STEPS:
        return None  # well on its way when time was up
    for factor in (0.1, 0.01, 1e-3, 1e-4, 1e-5) if wild else (0.1, 0.01, 1e-3):
        after, top = other(factor)
        bumpy = finite and high and after < LEARNED * scale
        if (after < 0.4 * end or not finite or bumpy) and after < LEARNED * scale > top / 4:
            message = f"{went}, with {factor:g} times the learning rate to {after:.2g}"
            look = f"a learning rate {1 / factor:,.0f} times smaller; the callback lr_finder"
            return Finding("lr-high", "optimizer", "", message, look)
    if finite and (end < LEARNED * (guessing or start) or end < LEARNED * start):
        return None
    if finite and end < start and trial.norms[-1] < 0.05 * (trial.norms[0] or 1.0):
        return None  # converged to the best that it can reach
    for factor in (10, 100, 1000, 10_000, 100_000) if finite else ():
        after, _ = other(factor)
        if after < LEARNED * min(scale, end):
            if end < 0.9 * start:
                return None  # slow, but on its way
            message = (
                f"in {len(trial.losses)} steps {went} only, with {factor} times the learning rate "
                f"to {after:.2g}"
            )
            look = f"a learning rate {factor} times larger; the callback lr_finder"
            return Finding("lr-low", "optimizer", "", message, look)
    uphill = np.diff(run_trial(model, batch, 1e-3, steps=12).losses)
    if len(uphill) > 5 and (uphill > 0).all():
        message = (
            f"the optimizer goes uphill: {went}, and it also rises in each step with a thousandth "
            "of the learning rate"
        )
        look = "the sign of the step: w -= lr * gradient goes downhill"
        return Finding("sign", "optimizer", "", message, look)
    message = f"it does not overfit a few samples: {went}, and no other learning rate helps"
    look = "whether the labels belong to the inputs, the loss, and the network's size"
    unsure = guessing is None  # it may have learned them before
    return Finding("overfit", "", type(model).__name__, message, look, note=unsure)
