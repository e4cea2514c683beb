"""Forward, loss and backward of a batch, launch by launch, as a CUDA graph or by hand.

A network's forward and backward make about fifty launches on a GPU. In small networks a launch
costs the host more time than the GPU needs for the kernel. A CUDA graph launches all kernels at
once. A graph repeats the same work each time: the batch is copied into fixed arrays, the means are
summed on the device, and dropout depends on the number of the step, which is also on the device.
The optimizer's step is one kernel that takes learning rate and step by value. It runs outside the
graph, after the callbacks.

`firstlight.training.captures` says when a graph is valid. If several ranks share a batch, each has
its graph, and gradients are summed over the ranks after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from firstlight.distributed.sharding import weight_of
from firstlight.optim.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks, optimizer_checks
from firstlight.training.captures import Captures, log, objection
from firstlight.training.means import on_device

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.optim.optimizers import Optimizers
    from firstlight.support.step_output import StepOutput
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.graph import Graph
    from firstlight.training.hook_manager import HookManager
    from firstlight.training.means import TrainingMeans
    from firstlight.training.progress import Progress


@dataclass
class EagerStep:
    """Forward, loss and backward of a batch; gradients and means are accumulated.

    ``hook`` has the hooks; see `firstlight.training.hook_manager.HookManager.bind`.
    """

    module: Module
    optimizer: Optimizer | Optimizers
    accumulation: Accumulation
    means: TrainingMeans
    hook: SimpleNamespace

    def __call__(self, batch: Any, ends_window: bool) -> StepOutput:
        """Return the batch's `StepOutput`; if it ``ends_window``, the optimizer steps next."""
        module, optimizer, hook = self.module, self.optimizer, self.hook
        logged = LoggedValues()
        with logged:
            output = module.training_step(batch)
        checks.training_output(module, output)
        hook.on_before_backward(loss=output.loss)
        dy = scaled(optimizer, output.dy)
        with logged:
            self.accumulation.backward(module, optimizer, dy, output, batch, ends_window)
        logged.add_to(output, module)
        self._unscale(ends_window)
        hook.on_after_backward()
        self.means.add(output, weight_of(batch))
        return output

    def _unscale(self, ends_window):
        if ends_window and self.optimizer.loss_scale is not None:
            self.optimizer.loss_scale.unscale(self.optimizer.flat.grad)


@dataclass
class CapturedStep(EagerStep):
    """Step on a GPU: the first batch of each kind runs launch by launch, later ones as a graph.

    The next step overwrites the returned output.

    Attributes
    ----------
    captures : Captures
    """

    captures: Captures

    @property
    def graphs(self) -> dict[tuple[Any, ...], Graph]:
        """The captured steps."""
        return self.captures.graphs

    @property
    def reason(self) -> str | None:
        """Reason why no (further) step is captured."""
        return self.captures.reason

    def __call__(self, batch: Any, ends_window: bool) -> StepOutput:
        """Return the batch's `StepOutput`; if it ``ends_window``, the optimizer steps next."""
        rng.begin_pass()
        alone = self.accumulation.is_alone(ends_window)
        output = self.captures.replay(
            batch, lambda fixed: self._work(fixed, alone), {"window of one batch": alone}
        )
        if output is None:
            return super().__call__(batch, ends_window)
        samples = weight_of(batch)
        self.accumulation.count(self.optimizer, output, samples, ends_window)
        self._unscale(ends_window)
        self.hook.on_after_backward()
        self.means.count(output, samples)
        return output

    def _work(self, batch, alone):
        """Run forward and backward; a batch that is not ``alone`` counts by its denominator."""
        samples = weight_of(batch)
        logged = LoggedValues()
        with logged:
            output = self.module.training_step(batch)
            dy = scaled(self.optimizer, output.dy)
            self.module.backward(dy if alone else self.accumulation.weighted(dy, output, samples))
        logged.add_to(output, self.module)
        self.means.add_values(output, samples)
        return output


@dataclass
class HandStep(EagerStep):
    """Call ``training_step``, in which each optimizer's ``step`` first calls the callbacks.

    If a callback requests to skip the step, that optimizer and those that follow in the batch do
    not step. The batch counts as a training step unless its first one is skipped.
    """

    optimizer: Optimizers
    progress: Progress

    def __call__(self, batch: Any, ends_window: bool = True) -> StepOutput:
        """Return the batch's `StepOutput`, which has no dy."""
        module, optimizers = self.module, self.optimizer
        if on_device(optimizers.flat.grad):
            rng.begin_pass()
        optimizers.stepped = False
        logged = LoggedValues()
        with logged, self._calling_back():
            output = module.training_step(batch)
        checks.training_output(module, output)
        if not (optimizers.stepped or self.progress.skips_step):
            optimizer_checks.nothing_lost(module, optimizers)
            optimizers.steps += 1
        logged.add_to(output, module)
        self.means.add(output, weight_of(batch))
        return output

    @contextmanager
    def _calling_back(self) -> Iterator[None]:
        """Call the callbacks before each step of an optimizer until the context ends."""
        optimizers = self.optimizer.values()
        before = [vars(one).get("step") for one in optimizers]  # a clock of a profiler
        for one in optimizers:
            vars(one)["step"] = partial(self._step, one, one.step)
        try:
            yield
        finally:
            for one, step in zip(optimizers, before, strict=True):
                if step is None:
                    del vars(one)["step"]
                else:
                    vars(one)["step"] = step

    def _step(self, optimizer: Optimizer, step: Callable[[], None]) -> None:
        if not self.progress.skips_step:
            self.hook.on_before_optimizer_step(optimizer=optimizer)
        if self.progress.skips_step:
            return
        if not self.optimizer.stepped:
            self.optimizer.stepped = True
            self.optimizer.steps += 1
        step()


def make_step(
    module: Module,
    optimizer: Optimizer | Optimizers,
    accumulation: Accumulation,
    progress: Progress,
    hooks: HookManager,
    *,
    device: str,
    capture: bool,
) -> EagerStep:
    """Return the step of a training: on a GPU a captured one, unless an objection is found."""
    collaborators = module, optimizer, accumulation, progress.means, hooks.calls
    if module.steps_by_hand:
        if device != "cpu" and capture:
            log.warning("steps are not captured: %s has steps_by_hand", type(module).__name__)
        return HandStep(*collaborators, progress)
    if device == "cpu":
        return EagerStep(*collaborators)
    reason = objection(module, "training_step", capture=capture) or _obstacle(hooks)
    return CapturedStep(*collaborators, Captures("steps", module, reason))


def _obstacle(hooks):
    """Return which callback runs between forward and backward, or None."""
    callbacks = hooks.implementers("on_before_backward")
    return (
        callbacks[0] + " has on_before_backward, which cannot run inside a graph"
        if callbacks
        else None
    )
