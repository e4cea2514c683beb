"""Forward, loss and backward of a batch, launch by launch or as a CUDA graph.

A network's forward and backward make about fifty launches on a GPU. In small networks a launch
costs the host more time than the GPU needs for the kernel. A CUDA graph launches all kernels at
once. A graph repeats the same work each time: the batch is copied into fixed arrays, the means are
summed on the device, and dropout depends on the number of the step, which is also on the device.
The optimizer's step is one kernel that takes learning rate and step by value. It runs outside the
graph, after the callbacks.

A graph is valid for one batch shape and for fixed values of the numbers that modules keep as
attributes. If one of them changes, another graph is captured, up to `MOST` graphs. A step that
cannot be captured runs launch by launch, and the log names the reason. If several ranks share a
batch, each has its graph, and gradients are summed over the ranks after it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firstlight.distributed import sharding
from firstlight.distributed.sharding import weight_of
from firstlight.module import Module
from firstlight.optim.loss_scale import scaled
from firstlight.support import rng
from firstlight.support.logged_values import LoggedValues
from firstlight.training import checks
from firstlight.training.graph import Graph, captured

if TYPE_CHECKING:
    from types import SimpleNamespace

    from firstlight.optim import Optimizer
    from firstlight.support.step_output import StepOutput
    from firstlight.training.accumulation import Accumulation
    from firstlight.training.hook_manager import HookManager
    from firstlight.training.means import TrainingMeans

MOST = 16  # graphs
PLAIN = (bool, int, float, str, type(None))

log: logging.Logger = logging.getLogger("firstlight")


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
    graphs : dict of tuple to Graph
        The captured steps by their cache key.
    reason : str or None
        Reason why no (further) graph is captured.
    """

    reason: str | None
    graphs: dict[tuple[Any, ...], Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen, self._modules = {}, dict(self.module.named_modules())

    def __call__(self, batch: Any, ends_window: bool) -> StepOutput:
        """Return the batch's `StepOutput`; if it ``ends_window``, the optimizer steps next."""
        rng.begin_pass()
        alone = self.accumulation.is_alone(ends_window)
        key = None if self.reason is not None else self._key(batch, alone)
        if key in self._seen and key not in self.graphs:
            self._capture(key, batch, alone)
        if key not in self.graphs or self.reason is not None:
            self._note(key)
            return super().__call__(batch, ends_window)
        output, samples = self.graphs[key](batch), weight_of(batch)
        self.means.count(output, samples)
        self.accumulation.count(self.optimizer, output, samples, ends_window)
        self._unscale(ends_window)
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

    def _note(self, key):
        if key is not None and self.reason is None:
            self._seen[key] = None
            if len(self._seen) > MOST:
                change = self._change(*list(self._seen)[-2:])
                self._give_up(f"more than {MOST} kinds of steps: {change}")

    def _key(self, batch, alone):
        """Return the captured graph's cache key: shapes, dtypes and every constant baked in.

        The constants include a rank's place in the whole batch, on which its dropout masks depend.
        The key is None if the batch is not a tuple.
        """
        if not isinstance(batch, tuple):
            return None
        shapes = tuple((part.shape, part.dtype.char) for part in batch)
        constants = tuple(value for _, value in self._constants())
        return shapes, alone, sharding.current(), constants

    def _constants(self):
        """Yield ``(name, value)`` of each number that a module keeps as an attribute."""
        for path, module in self._modules.items():
            for name, value in vars(module).items():
                if isinstance(value, PLAIN):
                    yield f"{path}.{name}".lstrip("."), value

    def _change(self, before, after):
        """Return what distinguishes two keys, as text."""
        names = [name for name, _ in self._constants()]
        for name, old, new in zip(names, before[-1], after[-1], strict=False):
            if old != new:
                return f"the attribute {name} was {old!r}, then {new!r}"
        return "the shapes of the batches keep changing"

    def _capture(self, key, batch, alone):
        fixed = tuple(part.copy() for part in batch)
        graph, output, pool, reason = captured(lambda: self._work(fixed, alone), self.module)
        if reason is not None:
            self._give_up(reason)
            return
        self.graphs[key] = Graph(graph, fixed, output, pool)

    def _give_up(self, reason):
        self.reason = reason
        log.warning("steps are no longer captured: %s", reason)


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
    reason = _objection(type(module), hooks, capture)
    if reason is not None and capture:
        log.warning("steps are not captured: %s", reason)
    return CapturedStep(*collaborators, reason)


def _objection(kind, hooks, capture):
    """Return the reason why the steps of a training cannot be captured, or None."""
    if not capture:
        return "capture=False"
    for name in ("on_before_backward", "on_after_backward"):
        if implementers := hooks.implementers(name):
            return f"{implementers[0]} has {name}, which cannot run inside a graph"
    if kind.capturable is None and kind.training_step is not Module.training_step:
        return (
            f"{kind.__name__} overrides training_step; if that does the same work each time, "
            "write: capturable = True"
        )
    if kind.capturable is False:
        return f"{kind.__name__}.capturable is False"
    return None
