"""Recording of a forward and backward: which module called which, with which arrays."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.step_output import StepOutput
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.arrays import Batch, as_float64, map_arrays
from firstlight.tools.diagnose.probes.module_state import detached_copy, float64_copy
from firstlight.training import checks

Wrapper = Callable[[str, Module, Callable], Callable]


@dataclass
class Call:
    """One call of a module's forward, and of the backward that belongs to it.

    Attributes
    ----------
    name : str
        As in `Module.named_modules`; empty for the model itself.
    module : Module
    inputs, options, output
        Copies of the arguments, those by name too, and the result of forward; the output is None
        if it raised.
    parts : list of Call
        The calls made within this one, in order.
    backward_inputs, backward_options : tuple, dict
        Copies of the arguments of backward, also those by name.
    dx
        A copy of the result of backward.
    backward_called : bool
        Whether backward was called.
    backward_raised : bool
        Whether backward raised an exception.
    turn : int
        How many backwards were called before this one.
    backward_place : Place or None
        The line that called backward.
    """

    name: str
    module: Module
    inputs: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    parts: list["Call"] = field(default_factory=list)
    backward_inputs: tuple[Any, ...] = ()
    backward_options: dict[str, Any] = field(default_factory=dict)
    dx: Any = None
    backward_called: bool = False
    backward_raised: bool = False
    turn: int = -1
    backward_place: Place | None = None

    @property
    def type(self) -> str:
        """The class of the module."""
        return type(self.module).__name__

    @property
    def label(self) -> str:
        """The module's name and class, e.g. "body.2 (Linear)"."""
        return f"{self.name} ({self.type})" if self.name else self.type

    @property
    def dy(self) -> Any:
        """The first argument of backward."""
        return next(iter((*self.backward_inputs, *self.backward_options.values())), None)

    @property
    def has_parameters(self) -> bool:
        """Whether the module has parameters of its own, not only in its parts."""
        return any(isinstance(value, Parameter) for value in vars(self.module).values())

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Call"]]:
        """Yield ``(depth, call)`` for this call and all within."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


def all_calls(tops: list[Call]) -> list[Call]:
    """Return the outermost calls and all within, in the order in which they began."""
    return [call for top in tops for _, call in top.walk()]


@contextmanager
def wrapped(module: Module, forward: Wrapper, backward: Wrapper) -> Iterator[None]:
    """Replace forward and backward of all modules inside the block, but not in indivisible ones.

    Each wrapper gets a module's name, the module and the method, and returns the new method.
    """
    with ExitStack() as stack:
        inside = {
            id(part)
            for whole in module.modules()
            if whole.indivisible
            for part in whole.modules()
            if part is not whole
        }
        for name, part in list(module.named_modules()):
            if id(part) in inside:
                continue
            for method, wrapper in (("forward", forward), ("backward", backward)):
                new = wrapper(name, part, getattr(part, method))
                stack.enter_context(mock.patch.object(part, method, new))
        yield


@contextmanager
def recording(module: Module) -> Iterator[list[Call]]:
    """Record all calls inside the block; yields the list of the outermost ones."""
    tops: list[Call] = []
    running: list[Call] = []
    turns = itertools.count()
    waiting: dict[int, list[Call]] = {}  # forwards without a backward, by the module's id

    def record_forward(name: str, part: Module, original: Callable) -> Callable:
        def forward(*inputs: Any, **options: Any) -> Any:
            call = Call(name, part, copied(inputs), copied(options))
            (running[-1].parts if running else tops).append(call)
            running.append(call)
            try:
                output = original(*inputs, **options)
            finally:
                running.pop()
            call.output = copied(output)
            waiting.setdefault(id(part), []).append(call)
            return output

        return forward

    def record_backward(name: str, part: Module, original: Callable) -> Callable:
        def backward(*inputs: Any, **options: Any) -> Any:
            call = waiting[id(part)].pop() if waiting.get(id(part)) else Call(name, part)
            call.backward_called, call.backward_inputs = True, copied(inputs)
            call.backward_options = copied(options)
            call.turn, call.backward_place = next(turns), _caller()
            call.backward_raised = True
            dx = original(*inputs, **options)
            call.dx, call.backward_raised = copied(dx), False
            return dx

        return backward

    with wrapped(module, record_forward, record_backward):
        yield tops


def _caller():
    """Return the line that called the function that calls this one."""
    frame = sys._getframe(2)
    return Place.of(frame.f_code.co_filename, frame.f_lineno)


def recorded_step(
    model: Module,
    batch: Batch,
    *,
    float64: bool = False,
    backward: bool = False,
    may_fail: bool = False,
) -> tuple[Module, StepOutput | None, list[Call]]:
    """Run a training step on a copy; return the copy, its output and the outermost calls.

    ``may_fail``: the output of a step that raises is None.
    """
    twin, output = detached_copy(model).train(), None
    if float64:
        twin, batch = float64_copy(model), map_arrays(batch, as_float64)
    twin.zero_grad()
    with recording(twin) as tops, np.errstate(all="ignore"), suppress(*[Exception] * may_fail):
        output = twin.training_step(batch)
        if backward and not twin.steps_by_hand:
            checks.training_output(model, output)
            twin.backward(output.dy)
    return twin, output, tops


def copied(value: Any) -> Any:
    """Return a value with all its arrays copied, NumPy's or CuPy's."""
    is_array = "dtype", "copy"
    return map_arrays(value, lambda x: x.copy() if all(hasattr(x, a) for a in is_array) else x)


def recorded_evaluation(module: Module, *inputs: Any) -> list[Call]:
    """Run a module in evaluation mode; restore the mode; return all calls, its own first."""
    training = module.training
    module.eval()
    try:
        with recording(module) as tops:
            module(*inputs)
    finally:
        module.train(training)
    return all_calls(tops)
