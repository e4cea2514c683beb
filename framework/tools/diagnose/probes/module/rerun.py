"""Rerun: a float64 copy of one module whose forward and backward can be repeated exactly."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.support.gradcheck import without_power_iterations
from firstlight.tools.diagnose.probes.arrays import (
    as_float64,
    is_float,
    is_integer,
    match_shapes,
    root_mean_square,
    standard_normal,
)
from firstlight.tools.diagnose.probes.module_state import ModuleState, cast_copy

STEPS = (1e-6, 1e-7, 1e-5)  # tried in this order; a kink of forward rarely lies near all of them
ROUNDING = 1e-14  # relative error of sums of products in float64

# Changes a copy before its first run; may return further parameters by name.
Preparation = Callable[[Module], Mapping[str, Parameter] | None]


class UnsupportedError(Exception):
    """The module cannot be run again; the message says why."""


class Rerun:
    """A float64 copy of a module with inputs and a random dy; every run has the same randomness.

    Parameters and inputs are moved off values that hide mistakes: biases of 0, scales of 1, ties
    and kinks. The copy runs once on other inputs first, to reveal a cache that outlives its
    forward.

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
        Do not run on other inputs before the first run and each backward.
    perturb : bool
        Move the inputs off ties and kinks.
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
        perturb: bool = True,
        outermost: bool = False,
    ):
        rng = np.random.default_rng(0)
        self.fresh: bool = fresh
        self.outermost: bool = outermost
        self.module: Module = cast_copy(module)
        without_power_iterations(self.module)
        extra = (prepare(self.module) if prepare else None) or {}
        self.trained: list[tuple[str, Parameter]] = [
            (name, p) for name, p in self.module.named_parameters() if p.requires_grad
        ]
        self.trained += extra.items()
        self._zero_rows: dict[str, Array] = {}  # of embeddings, e.g. of padding
        for name, parameter in self.trained:
            data = parameter.data
            if data.ndim > 1 and inputs and is_integer(inputs[0]):
                self._zero_rows[name] = ~data.reshape(len(data), -1).any(axis=1)
            data += 0.1 * root_mean_square(data) * standard_normal(rng, data)
        plain = [as_float64(value) for value in inputs]
        moved = [[perturbed(rng, x, i == 0) for i, x in enumerate(plain)] for _ in range(2)]
        self.inputs: list[Any] = moved[0] if perturb else [copy.copy(x) for x in plain]
        self.other_inputs: list[Any] = self._rolled(moved[1])
        self.other_dy: Array | None = None
        self.passed: list[Any] = []
        self._dx_of: list[int | None] | None = None
        if not self._run_on_other_inputs(rng):  # perturbed outside the domain of forward
            self.inputs, self.other_inputs = plain, self._rolled(plain)
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

    def forward(self, *, keep: bool = False, read_only: bool = False) -> Array:
        """Run forward from the initial state; ``keep`` lets it save for backward.

        With ``read_only``, a forward that changes its inputs in place raises.
        """
        self.state.restore()
        self._train(keep)
        self.passed = [copy.copy(x) for x in self.inputs]
        for x in self.passed if read_only else ():
            if isinstance(x, np.ndarray):
                x.flags.writeable = False
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
        parts = dx if isinstance(dx, (tuple, list)) else (dx,)
        self._dx_of = self._inputs_of(parts)
        for index, part in enumerate(parts):
            found["dx" if index == 0 else f"dx[{index}]"] = copy.copy(part)
        if self.outermost:
            dx, x = found["dx"], next(iter(self.inputs), None)
            if dx is None:
                del found["dx"]
            elif isinstance(x, np.ndarray) and len(parts) == 1 and np.size(dx) == x.size:
                found["dx"] = np.reshape(dx, x.shape)
        return found

    def values(self, name: str) -> Array | None:
        """Return the array that a gradient belongs to; None for integers, which have none."""
        if not name.startswith("dx"):
            return dict(self.trained)[name].data
        if self._dx_of is None:
            self.backward()
        index = self._dx_of[int(name[3:-1]) if name != "dx" else 0]
        return None if index is None else self.inputs[index]

    def constant_rows(self, name: str, gradient: Array) -> Array:
        """Return the rows of an embedding that stay zero by design, such as those of padding.

        They are zero in the model, unlike others, and so is their gradient.
        """
        rows = self._zero_rows.get(name, np.zeros(0, bool))
        if rows.all() or not rows.size or gradient.shape != dict(self.trained)[name].data.shape:
            return np.zeros(0, int)
        return np.flatnonzero(rows & ~gradient.reshape(len(rows), -1).any(axis=1))

    def _inputs_of(self, parts):
        """Return for each part of dx the index of its input, None where it has none."""
        floats = [i for i, x in enumerate(self.inputs) if is_float(x)]
        if len(parts) == len(self.inputs):
            found = [i if i in floats and parts[i] is not None else None for i in range(len(parts))]
            if len(parts) == 1 and parts[0] is None:
                found = [floats[0] if floats else None]
        elif len(parts) == 1 and floats and floats[0]:  # integers first: dx may be None for these
            shape = self.inputs[floats[0]].shape
            found = [floats[0] if np.shape(parts[0]) == shape else None]
        else:
            found = [floats[i] if i < len(floats) else None for i in range(len(parts))]
        by_shape = match_shapes(parts, self.inputs)
        differ = any(
            i is not None and np.shape(part) != self.inputs[i].shape
            for i, part in zip(found, parts, strict=True)
        )
        return by_shape if differ and len(parts) > 1 and None not in by_shape else found

    def derivative(
        self, values: Array | list[Array], v: Array | list[Array]
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
        dy, middle = self.dy, self.forward()
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

    @staticmethod
    def _rolled(inputs):
        """Return inputs of the same kind: the samples moved on by one."""
        length = len(inputs[0]) if inputs and np.ndim(inputs[0]) else 0

        def rolled(x: Any) -> Any:
            return np.roll(x, 1, axis=0) if np.ndim(x) and len(x) == length else x

        return [rolled(x) for x in inputs]

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


def perturbed(rng: np.random.Generator, value: Any, first: bool = True) -> Any:
    """Return a floating-point array moved by 1 % of its spread, off ties and kinks.

    A mask stays one: infinite entries, or ones and zeros behind the first input.
    """
    if not is_float(value) or np.isinf(value).any():
        return value
    if not first and np.isin(value, (0, 1)).all():
        return value
    return value + 0.01 * (float(value.std()) or 0.1) * standard_normal(rng, value)
