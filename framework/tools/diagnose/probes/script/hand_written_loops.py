"""Hand-written training loops of a script: their modules, data, losses and optimizers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.optim import Optimizer
from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.script.events import (
    Backward,
    Event,
    Fit,
    Forward,
    OptimizerStep,
)
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import StopScript

STEPS, SECONDS = 200, 30.0  # of a loop that are observed
BATCHES, CALLS = 64, 2  # that are kept


@dataclass
class Loop:
    """Observations of one module that a loop trains.

    Attributes
    ----------
    module, fresh : Module
        Itself, and a copy from before its first forward.
    batches : list of (array, array or None)
        Inputs, and the targets that the loss compared the outputs with.
    loss : Module or None
    optimizer : Optimizer or None
        The latest one.
    optimizers : set of int
        Ids of all that moved it.
    rates : list of float
        The largest learning rate of each of its groups in the observed steps.
    backwards : int
    unused : int
        Number of the latest batches that no step of its optimizer has used so far.
    passed : bool
        Whether another optimizer has made a step since, as of a generator behind a critic.
    x, y, target : array or None
        Of the latest forward.
    calls : list of Call
        The first forwards with their backwards, of up to `CALLS`.
    """

    module: Module
    fresh: Module
    batches: list[tuple[Array, Array | None]] = field(default_factory=list)
    loss: Module | None = None
    optimizer: Optimizer | None = None
    optimizers: set[int] = field(default_factory=set)
    rates: list[float] = field(default_factory=list)
    backwards: int = 0
    unused: int = 0
    passed: bool = False
    x: Array | None = None
    y: Any = None
    target: Array | None = None
    calls: list[Call] = field(default_factory=list)

    def add(self, event: Backward) -> None:
        """Count a backward, keep its batch and its call; drop batches that only others used."""
        self.backwards += 1
        if self.passed:
            del self.batches[len(self.batches) - self.unused :]
            self.passed, self.unused = False, 0
        if len(self.batches) < BATCHES and self.x is not None:
            self.batches.append((self.x, self.target))
            self.unused += 1
        if len(self.calls) < CALLS and (given := event.forward) is not None:
            forward = "", self.fresh, given.inputs, given.options, given.output
            call = Call(*forward, backward_inputs=event.dys, backward_options=event.options)
            call.backward_called = True
            self.calls.append(call)


class LoopRecorder(Recorder):
    """A recorder of many steps of a script that is run as it is; it keeps only loops and fits."""

    instruments = False

    def __init__(self, path: Any):
        super().__init__(path, seconds=SECONDS)
        self._loops: dict[int, Loop] = {}  # by the module's id; the loop keeps the module alive
        self._began = 0.0

    @property
    def trained(self) -> list[Loop]:
        """The loops whose module ran backward."""
        return [loop for loop in self._loops.values() if loop.backwards]

    def output(self, event: Forward, call: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """Return the output of a forward, and keep its batch."""
        module = event.module
        if id(module) not in self._loops and module.training and module.parameters():
            self._loops[id(module)] = Loop(module, detached_copy(module))
        y = call(*inputs)
        loop = self._loops.get(id(module))
        if loop is not None and inputs and module.training:
            loop.x, loop.y, loop.target = np.copy(inputs[0]), y, None
        if len(inputs) > 1:
            for loop in self._loops.values():
                if loop.y is inputs[0] and loop.module is not module:
                    loop.target = np.copy(inputs[1])
                    loop.loss = None if np.ndim(y) else module
        return y

    def add(self, event: Event) -> None:
        """Keep what an event says of a loop; end the script after many steps."""
        if isinstance(event, Fit):
            super().add(event)
        elif isinstance(event, OptimizerStep):
            self._add_step(event)
        elif isinstance(event, Backward) and id(event.module) in self._loops:
            loop, now = self._loops[id(event.module)], time.perf_counter()
            self._began = self._began or now
            if loop.backwards >= STEPS or now - self._began > SECONDS:
                raise StopScript("its loop was observed for its first steps only")
            loop.add(event)

    def _add_step(self, event):
        moved = {id(p) for p in event.parameters}
        for loop in self._loops.values():
            if any(id(p) in moved for p in loop.module.parameters()):
                loop.optimizers.add(id(event.optimizer))
                rates = event.lrs
                if loop.optimizer is event.optimizer:  # a warm-up begins small, a decay ends small
                    rates = [max(pair) for pair in zip(rates, loop.rates, strict=True)]
                loop.optimizer, loop.rates = event.optimizer, rates
                loop.unused, loop.passed = 0, False
            elif loop.unused:
                loop.passed = True
