"""Forward, loss and backward of a batch, launch by launch or as a CUDA graph.

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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstlight.distributed.sharding import weight_of
from firstlight.optim.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks
from firstlight.training.captures import Captures, objection

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.module import Module
    from firstlight.optim import Optimizer
    from firstlight.support.step_output import StepOutput
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.graph import Graph
    from firstlight.training.hook_manager import HookManager
    from firstlight.training.means import TrainingMeans


@dataclass
class EagerStep:
    """Forward, loss and backward of a batch; gradients and means are accumulated.

    ``hook`` has the hooks; see `firstlight.training.hook_manager.HookManager.bind`.
    """

    module: Module
    optimizer: Optimizer
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


def make_step(
    module: Module,
    optimizer: Optimizer,
    accumulation: Accumulation,
    means: TrainingMeans,
    hooks: HookManager,
    *,
    device: str,
    capture: bool,
) -> EagerStep:
    """Return the step of a training: on a GPU a captured one, unless an objection is found."""
    collaborators = module, optimizer, accumulation, means, hooks.calls
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
