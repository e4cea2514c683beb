"""The bench: a float64 copy of one module whose forward and backward can be repeated exactly."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import (
    as_float64,
    is_float,
    leaves,
    match_shapes,
    nested_like,
    root_mean_square,
    standard_normal,
)
from firstlight.tools.diagnose.module_state import ModuleState, detached_copy
from firstlight.tools.diagnose.recorded_calls import Call

STEPS = (1e-6, 1e-7, 1e-5)  # tried in this order; a kink of forward rarely lies near all of them
ROUNDING = 1e-14  # relative error of sums of products in float64

# Changes a copy before its first run; may return further parameters by name.
Preparation = Callable[[Module], Mapping[str, Parameter] | None]


class UnsupportedError(Exception):
    """The bench cannot run a module; the message says why."""


class Bench:
    """A float64 copy of a module with inputs and a random dy; every run has the same randomness.

    Parameters and inputs are moved off values that hide mistakes: biases of 0, scales of 1, ties
    and kinks. The copy runs once on other inputs first, so that a cache that outlives its forward
    shows.

    Parameters
    ----------
    module : Module
        Left as it is.
    inputs : sequence
        Arguments of forward; floating-point arrays become float64 copies.
    prepare : callable, optional
        Called with the copy before it runs first, e.g. to replace its parts by stand-ins; may
        return further parameters by name.
    fresh : bool
        Do not run on other inputs, neither first nor before each backward.
    nudged : bool
        Whether the inputs are moved off ties and kinks.
    outermost : bool
        Nothing uses dx: it may be None, or flattened as in forward.

    Attributes
    ----------
    module : Module
        The copy.
    trained : list of (str, Parameter)
    inputs, other_inputs : list
        The inputs that are measured, and those of the run before.
    passed : list
        The copies of inputs that the latest forward got.
    y, dy : array
        Forward's output, and the gradient that backward gets.

    Raises
    ------
    UnsupportedError
        Forward does not return one floating-point array, or not the same one each time.
    """

    def __init__(
        self,
        module: Module,
        inputs: Sequence[Any],
        *,
        prepare: Preparation | None = None,
        fresh: bool = False,
        nudged: bool = True,
        outermost: bool = False,
    ):
        rng = np.random.default_rng(0)
        self.fresh: bool = fresh
        self.outermost: bool = outermost
        self.module: Module = detached_copy(module).to(dtype="float64")
        extra = (prepare(self.module) if prepare else None) or {}
        self.trained: list[tuple[str, Parameter]] = [
            (name, p) for name, p in self.module.named_parameters() if p.requires_grad
        ]
        self.trained += extra.items()
        for _, parameter in self.trained:
            data = parameter.data
            data += 0.1 * root_mean_square(data) * standard_normal(rng, data)
        plain = [as_float64(value) for value in inputs]
        self.inputs: list[Any] = [nudge(rng, x) if nudged else copy.copy(x) for x in plain]
        self.other_inputs: list[Any] = [roll_samples(nudge(rng, value)) for value in plain]
        self.other_dy: Array | None = None
        self.passed: list[Any] = []
        if not self._run_on_other_inputs(rng):  # nudged out of where forward is defined
            self.inputs, self.other_inputs = plain, [roll_samples(value) for value in plain]
            self._run_on_other_inputs(rng)
        self.state: ModuleState = ModuleState(self.module)
        self.y: Array = self.forward()
        self.dy: Array = standard_normal(rng, self.y)
        if not np.array_equal(self.y, self.forward(), equal_nan=True):
            # Arrays kept as attributes change the result, e.g. a state for the next forward.
            self.state = ModuleState(self.module, attributes=True)
            self.y = self.forward()
        if not np.array_equal(self.y, self.forward(), equal_nan=True):
            raise UnsupportedError(
                "forward gives another result for the same input: it draws random numbers that "
                "no seed sets; draw from numpy's global generator or from one kept as an attribute"
            )

    def forward(self, *, keep: bool = False) -> Array:
        """Run forward from the same state as always; ``keep`` lets it save for backward."""
        self.state.restore()
        self._train(keep)
        self.passed = [copy.copy(x) for x in self.inputs]
        return self._checked(self.module(*self.passed))

    def backward(
        self,
        dy: Array | None = None,
        *,
        start: Mapping[str, Array] | None = None,
        between: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Run forward and backward; return the gradients by name: "dx" and each parameter's.

        Both run on the other inputs first. ``start`` holds the parameters' gradients at the
        beginning, by default zeros; ``between`` is called after forward.
        """
        self._run_on_other_inputs()
        for name, parameter in self.trained:
            parameter.grad[...] = 0 if start is None else start[name]
        self.forward(keep=True)
        if between is not None:
            between()
        dx = self.module.backward(np.array(self.dy if dy is None else dy))
        found = {name: parameter.grad.copy() for name, parameter in self.trained}
        for index, part in enumerate(dx if isinstance(dx, tuple) else (dx,)):
            found["dx" if index == 0 else f"dx[{index}]"] = copy.copy(part)
        if self.outermost:
            dx, x = found["dx"], self.inputs[0]
            if dx is None:
                del found["dx"]
            elif isinstance(x, np.ndarray) and np.size(dx) == x.size:
                found["dx"] = np.reshape(dx, x.shape)
        return found

    def values(self, name: str) -> Array | None:
        """Return the array that a gradient belongs to; None for integers, which have none."""
        if not name.startswith("dx"):
            return dict(self.trained)[name].data
        floats = [x for x in self.inputs if is_float(x)]
        index = int(name[3:-1]) if name != "dx" else 0
        return floats[index] if is_float(self.inputs[0]) and index < len(floats) else None

    def derivative(
        self, values: Array | list[Array], v: Array | list[Array], dy: Array | None = None
    ) -> Iterator[tuple[float, float, float]]:
        """Return the derivative of L = Σ dy y along v, from forward alone.

        Several arrays may be moved at once: lists of values and of directions.

        Yields
        ------
        (float, float, float)
            For each of the `STEPS` the central difference, how far the differences to the left
            and right of it are apart, and the error that rounding may cause.
        """
        moved = [(values, v)] if isinstance(values, np.ndarray) else zip(values, v, strict=True)
        moved = [(array, array.copy(), direction) for array, direction in moved]
        dy = self.dy if dy is None else dy
        middle = self.forward()
        size = float(np.sqrt(np.square(dy * middle).sum())) + 1e-30
        for h in STEPS:
            sides = []
            for step in (h, -h):
                for array, original, direction in moved:
                    array[...] = original + step * direction
                sides.append(self.forward())
            for array, original, _ in moved:
                array[...] = original
            central = float(np.sum(dy * (sides[0] - sides[1]))) / (2 * h)
            gap = float(np.sum(dy * (sides[0] + sides[1] - 2 * middle))) / h
            yield central, abs(gap), ROUNDING * size / h

    def _run_on_other_inputs(self, rng=None):
        """Run forward and backward on the other inputs; return whether the output was finite."""
        if self.fresh:
            return True
        self._train(keep=True)
        y = self._checked(self.module(*[copy.copy(x) for x in self.other_inputs]))
        if rng is not None:
            self.other_dy = standard_normal(rng, y)
        self.module.backward(self.other_dy.copy())
        return bool(np.isfinite(y).all())

    def _train(self, keep):
        self.module.train()
        if not keep:
            for part in self.module.modules():
                part._stack = None

    @staticmethod
    def _checked(y):
        if not isinstance(y, (np.ndarray, np.floating, float)) or not is_float(np.asarray(y)):
            raise UnsupportedError(f"forward returns a {type(y).__name__}, not one floating array")
        return np.array(y)  # a copy, since a layer may return memory that it writes again


def nudge(rng: np.random.Generator, value: Any) -> Any:
    """Move a floating-point array by 1 % of its spread, off ties and kinks."""
    if not is_float(value) or np.isinf(value).any():  # a mask of -inf stays one
        return value
    return value + 0.01 * (float(value.std()) or 0.1) * standard_normal(rng, value)


def roll_samples(value: Any) -> Any:
    """Return other inputs of the same kind: the samples moved on by one."""
    return np.roll(value, 1, axis=0) if isinstance(value, np.ndarray) and value.ndim else value


def bench_arguments(call: Call) -> tuple[Module, Sequence[Any], Preparation | None]:
    """Return the module, inputs and preparation with which a `Bench` can run a recorded call.

    The bench takes several arrays and returns one. Where a module takes or returns nested tuples,
    such as (y, state), the preparation flattens them. The recorded backward tells which outputs
    matter, and how their gradients are nested.
    """
    if not any(isinstance(value, (tuple, list)) for value in (*call.inputs, call.output)):
        return call.module, call.inputs, None
    outputs = leaves(call.output)
    first = next((y for y in outputs if is_float(y)), None)
    given = call.backward_inputs if call.undone else (first,)
    places = match_shapes(leaves(given), outputs)
    chosen = [place for place in places if place is not None]
    if first is None or not chosen:
        return call.module, call.inputs, None  # the bench raises an UnsupportedError

    def prepare(module: Module) -> None:
        forward, backward = module.forward, module.backward

        def flat_forward(*inputs: Any) -> Array:
            found = leaves(forward(*nested_like(call.inputs, iter(inputs))))
            parts = [found[place] for place in chosen]
            return parts[0] if len(parts) == 1 else np.concatenate([y.ravel() for y in parts])

        def flat_backward(dy: Array) -> Any:
            shapes = [outputs[place].shape for place in chosen]
            ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
            parts = np.split(dy.ravel(), ends[:-1])
            sized = iter([p.reshape(s).copy() for p, s in zip(parts, shapes, strict=True)])
            values = [
                leaf if place is None else next(sized)
                for leaf, place in zip(leaves(given), places, strict=True)
            ]
            dx = backward(*nested_like(given, iter(values)))
            return tuple(leaves(dx)) if isinstance(dx, (tuple, list)) else dx

        module.forward, module.backward = flat_forward, flat_backward

    return call.module, leaves(call.inputs), prepare
