"""Observation of hand-written training loops: what they train, on which data, and zero_grad."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.support.array import Array
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.module_state import detached_copy

STEPS, SECONDS = 200, 30.0  # of a loop that are observed
BATCHES = 64  # that are kept


class StopObserving(BaseException):
    """Ends a script whose loop has been observed for long enough."""


@dataclass
class Loop:
    """What is known of one module that a loop trains.

    Attributes
    ----------
    module, fresh : Module
        Itself, and a copy from before its first forward.
    batches : list of (array, array or None)
        Inputs, and the targets that the loss compared the outputs with.
    loss : Module or None
    optimizer : Optimizer or None
    backwards : int
    updates, unzeroed : int
        Backwards after the weights had changed; those which found the gradients of before.
    x, y, target : array or None
        Of the latest forward.
    """

    module: Module
    fresh: Module
    batches: list[tuple[Array, Array | None]] = field(default_factory=list)
    loss: Module | None = None
    optimizer: Optimizer | None = None
    backwards: int = 0
    updates: int = 0
    unzeroed: int = 0
    x: Array | None = None
    y: Any = None
    target: Array | None = None
    _before: tuple[list[Array], list[Array]] | None = None

    def before_backward(self) -> None:
        """Compare weights and gradients with those at the end of the previous backward."""
        self.backwards += 1
        if len(self.batches) < BATCHES and self.x is not None:
            self.batches.append((self.x, self.target))
        if self._before is None:
            return
        parameters = self.module.parameters()
        weights, gradients = self._before
        if all(np.array_equal(p.data, w) for p, w in zip(parameters, weights, strict=True)):
            return  # a further backward before the update
        self.updates += 1
        same = all(np.array_equal(p.grad, g) for p, g in zip(parameters, gradients, strict=True))
        self.unzeroed += same and any(g.any() for g in gradients)

    def after_backward(self) -> None:
        """Note weights and gradients."""
        parameters = self.module.parameters()
        self._before = [p.data.copy() for p in parameters], [p.grad.copy() for p in parameters]

    def finding(self) -> Finding | None:
        """Return a finding if gradients were never set to zero between two updates, or None."""
        if not self.unzeroed or self.unzeroed < self.updates / 2:
            return None
        message = (
            f"between {self.unzeroed} of {self.updates} updates of {type(self.module).__name__} "
            "the gradients were not set to zero: backward adds to those of all steps before, and "
            "they grow from step to step"
        )
        look = "zero_grad() of the optimizer or the model, once after each update"
        return Finding("zero-grad", "training loop", "", message, look)


class Observer:
    """Notes every outermost forward and backward of all modules, and every optimizer step.

    Attributes
    ----------
    active : bool
    """

    def __init__(self):
        self.active: bool = True
        self._loops: dict[int, Loop] = {}  # by the module's id; the loop keeps the module alive
        self._nested, self._began = False, 0.0

    @property
    def trained(self) -> list[Loop]:
        """The loops whose module ran backward."""
        return [loop for loop in self._loops.values() if loop.backwards]

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Note nothing inside the block."""
        self.active = False
        try:
            yield
        finally:
            self.active = True

    def wrap(self, phase: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward or backward that notes its outermost calls."""
        note = self._forward if phase == "forward" else self._backward

        @functools.wraps(original)
        def observed(module, *inputs, **options):
            if not self.active or self._nested:
                return original(module, *inputs, **options)

            def call():
                self._nested = True
                try:
                    return original(module, *inputs, **options)
                finally:
                    self._nested = False

            return note(module, inputs, call)

        return observed

    def step(self, optimizer: Optimizer) -> None:
        """Note which optimizer moves which module."""
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for loop in self._loops.values() if self.active else ():
            if any(id(p) in moved for p in loop.module.parameters()):
                loop.optimizer = optimizer

    def _forward(self, module, inputs, call):
        if id(module) not in self._loops and module.training and module.parameters():
            self._loops[id(module)] = Loop(module, detached_copy(module))
        y = call()
        loop = self._loops.get(id(module))
        if loop is not None and inputs and module.training:
            loop.x, loop.y, loop.target = np.copy(inputs[0]), y, None
        if len(inputs) > 1:
            for loop in self._loops.values():
                if loop.y is inputs[0] and loop.module is not module:
                    loop.target, loop.loss = np.copy(inputs[1]), module
        return y

    def _backward(self, module, inputs, call):
        loop = self._loops.get(id(module))
        if loop is None:
            return call()
        self._began = self._began or time.perf_counter()
        if loop.backwards >= STEPS or time.perf_counter() - self._began > SECONDS:
            raise StopObserving
        loop.before_backward()
        dx = call()
        loop.after_backward()
        return dx


@contextlib.contextmanager
def observing() -> Iterator[Observer]:
    """Yield an `Observer` of all modules, including classes that are defined inside the block."""
    observer = Observer()
    original_step = Optimizer.step

    def step(optimizer):
        observer.step(optimizer)
        return original_step(optimizer)

    with contextlib.ExitStack() as stack:

        def wrap(cls):
            for phase in ("forward", "backward"):
                if phase in vars(cls):
                    method = observer.wrap(phase, vars(cls)[phase])
                    stack.enter_context(mock.patch.object(cls, phase, method))

        def init_subclass(cls, **options):
            super(Module, cls).__init_subclass__(**options)
            wrap(cls)

        for cls in _subclasses(Module):
            wrap(cls)
        stack.enter_context(mock.patch.object(Optimizer, "step", step))
        hook = classmethod(init_subclass)
        stack.enter_context(mock.patch.object(Module, "__init_subclass__", hook))
        yield observer


def _subclasses(cls):
    found = {}
    for sub in cls.__subclasses__():
        found |= {sub: None, **dict.fromkeys(_subclasses(sub))}
    return list(found)
