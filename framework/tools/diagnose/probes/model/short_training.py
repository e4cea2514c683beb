"""Short training: whether a model overfits few samples with its own optimizer, and with others."""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.arrays import (
    Batch,
    batch_parts,
    first_samples,
    flattened,
    is_float,
)
from firstlight.tools.diagnose.probes.model.first_step import uses_labels
from firstlight.tools.diagnose.probes.module_state import (
    configured_optimizer,
    detached_copy,
    disable_dropout,
)

STEPS, SECONDS = 150, 4.0
RETRY_STEPS, RETRY_SECONDS = 80, 2.0
LEARNED, WELL = 0.5, 0.25  # of the loss of guessing, or of the first loss
SLOWER, FASTER = (0.1, 0.01, 1e-3, 1e-4, 1e-5), (10, 100, 1000, 10_000, 100_000)


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
    still : list of str
        Those of them that the optimizer holds, with a learning rate of 0.
    shrunk : float
        Norm of all weight matrices at the end, relative to the start.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    update_ratio: float = math.nan
    untrained: list[str] = field(default_factory=list)
    still: list[str] = field(default_factory=list)
    shrunk: float = 1.0

    @property
    def end(self) -> float:
        """The mean of the last three losses; infinite if they are not finite."""
        end = float(np.mean(self.losses[-3:]))
        return end if math.isfinite(end) else math.inf


def run_trial(
    model: Module,
    batch: Batch,
    factor: float = 1.0,
    *,
    decay: float = 1.0,
    steps: int = RETRY_STEPS,
    seconds: float = RETRY_SECONDS,
    goal: float = 0.0,
) -> Trial:
    """Train a copy without dropout on one batch.

    All learning rates are multiplied by ``factor``, and all weight decays by ``decay``.

    Raises
    ------
    LookupError
        The optimizer does not train the copy.
    """
    twin = disable_dropout(detached_copy(model).train())
    held = {id(value) for part in twin.modules() for value in vars(part).values()}
    optimizer = configured_optimizer(twin)
    if id(optimizer) in held:
        raise LookupError("the model keeps an optimizer made earlier, which trains no copy of it")
    parameters = dict(twin.named_parameters())
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in rates for p in parameters.values()):
        raise LookupError("configure_optimizer of a copy returns an optimizer of other parameters")
    optimizer.zero_grad()
    for group in optimizer.param_groups:
        group["lr"] *= factor
        if "weight_decay" in group:
            group["weight_decay"] *= decay
    start = {name: p.data.copy() for name, p in parameters.items()}
    trial, touched, began = Trial(), set(), time.thread_time()
    for step in range(steps):
        output = twin.training_step(batch)
        twin.backward(output.dy)
        trial.losses.append(float(output.loss))
        squares = sum(float(np.square(p.grad).sum()) for p in parameters.values())
        trial.norms.append(math.sqrt(squares))
        touched |= {n for n, p in parameters.items() if p.requires_grad and p.grad.any()}
        before = {n: p.data.copy() for n, p in parameters.items()} if step == 4 else None
        try:
            optimizer.step()
        except Exception as error:  # the script ran its steps: it is the copy that fails
            raise LookupError("the optimizer cannot train a copy of the model") from error
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
        if time.thread_time() - began > seconds:
            break
    same = [n for n, p in parameters.items() if np.array_equal(p.data, start[n])]
    trial.untrained = [n for n in same if n in touched]
    trial.still = [n for n in trial.untrained if rates.get(id(parameters[n]), 1) == 0]
    trial.shrunk = _size(p.data for p in parameters.values()) / (_size(start.values()) or 1.0)
    return trial


def _size(arrays):
    """Return the norm of the matrices among some arrays."""
    return math.sqrt(sum(float(np.square(a, dtype="f8").sum()) for a in arrays if a.ndim > 1))


@dataclass
class ShortTraining(Evidence):
    """Short trainings of a model on a few samples of a batch.

    Attributes
    ----------
    model : Module
    whole : batch
        Of which a few samples are used.
    """

    model: Module
    whole: Batch
    group = "training"
    where = "optimizer"
    subject = "overfit one batch"

    @cached_property
    def batch(self) -> Batch:
        """The samples."""
        x = flattened(batch_parts(self.whole)[0])[0]
        return first_samples(self.whole, 2 if not is_float(x) and x.ndim > 1 else 8)

    @cached_property
    def guessing(self) -> float | None:
        """The loss of the best constant prediction, None if it is unknown."""
        batch, model = self.batch, self.model
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
            if np.shape(detached_copy(model).eval().predict_step(batch)) != y.shape:
                return None  # the outputs are no predictions, but parameters of a density
            mean = np.broadcast_to(y.mean(axis=0), y.shape).copy()
            return float(detached_copy(loss)(mean, y))
        return float(y.var())

    @cached_property
    def trial(self) -> Trial:
        """The training with the model's own optimizer."""
        goal = 0.1 * self.guessing if self.guessing else 0.0
        return run_trial(self.model, self.batch, steps=STEPS, seconds=SECONDS, goal=goal)

    @property
    def too_slow(self) -> bool:
        """Whether the training made too few steps to be judged."""
        trial = self.trial
        short = len(trial.losses) < 30 and math.isfinite(trial.end)
        return short and trial.end > LEARNED * trial.losses[0]

    @property
    def detail(self) -> str:
        """The first and last loss, for the table."""
        trial = self.trial
        steps = len(trial.losses)
        if self.too_slow:
            return f"too slow: {steps} steps in {SECONDS} s"
        update = f", update to weight {trial.update_ratio:.1e} a step"
        return f"loss {trial.losses[0]:.3g} to {trial.end:.2g} in {steps} steps{update}"

    @property
    def scale(self) -> float:
        """The loss that a training has to fall from."""
        return max(self.guessing or 0.0, self.trial.losses[0])

    @property
    def peak(self) -> float:
        """The highest loss, if it is far above the scale; 0 otherwise."""
        highest = max(self.trial.losses)
        return highest if highest >= 5 * self.scale else 0.0

    @property
    def wild(self) -> bool:
        """Whether the loss grows far above its start, or becomes NaN."""
        return bool(self.peak) or not math.isfinite(self.trial.end)

    @cached_property
    def stuck(self) -> bool:
        """Whether the training did not learn the samples, and was not about to."""
        trial, scale = self.trial, self.scale
        if self.too_slow or (trial.end < WELL * scale and not self.wild):
            return False
        improving = trial.end < LEARNED * scale and len(trial.losses) < STEPS
        return self.wild or not improving

    @cached_property
    def slower(self) -> tuple[float, float] | None:
        """The factor below 1 of the learning rate with which it learns, and its last loss."""
        end, finite = self.trial.end, math.isfinite(self.trial.end)
        for factor in SLOWER if self.wild else SLOWER[:3]:
            found = run_trial(self.model, self.batch, factor)
            top = max(found.losses) if math.isfinite(found.end) else math.inf
            bumpy = finite and self.wild and found.end < LEARNED * self.scale
            clear = found.end < 0.4 * end or not finite or bumpy
            if clear and found.end < LEARNED * self.scale > top / 4:
                return factor, found.end
        return None

    @cached_property
    def settled(self) -> bool:
        """Whether it learned about half, or converged to the best that it can reach."""
        trial, start = self.trial, self.trial.losses[0]
        if not math.isfinite(trial.end):
            return False
        if trial.end < LEARNED * (self.guessing or start) or trial.end < LEARNED * start:
            return True
        return trial.end < start and trial.norms[-1] < 0.05 * (trial.norms[0] or 1.0)

    @cached_property
    def without_decay(self) -> Trial | None:
        """The training without weight decay, if that learns and the other's weights vanish."""
        if self.trial.shrunk > 0.2:
            return None
        found = run_trial(self.model, self.batch, decay=0.0)
        learned = found.end < min(LEARNED * self.scale, 0.6 * self.trial.end)
        return found if learned else None

    @cached_property
    def faster(self) -> tuple[float, float] | None:
        """The factor above 1 of the learning rate with which it learns, and its last loss."""
        for factor in FASTER if math.isfinite(self.trial.end) else ():
            end = run_trial(self.model, self.batch, factor).end
            if end < LEARNED * min(self.scale, self.trial.end):
                return factor, end
        return None

    @cached_property
    def uphill(self) -> bool:
        """Whether the loss rises in each step with a thousandth of the learning rate."""
        rises = np.diff(run_trial(self.model, self.batch, 1e-3, steps=12).losses)
        return len(rises) > 5 and bool((rises > 0).all())

    @property
    def course(self) -> dict[str, float]:
        """Values of a sentence: the first and the last loss."""
        return {"start": self.trial.losses[0], "end": self.trial.end, "peak": self.peak}
