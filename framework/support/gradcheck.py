"""Check a hand-written backward against its forward, in float64.

The derivative of L = Σ dy · y along a direction v can be computed in two ways: by backward, as the
inner product of the gradient with v, and by forward alone, as a central difference::

    Σ gradient · v  ≈  (L(x + h v) - L(x - h v)) / 2h

Two forward passes along a random v test every element of the gradient at once.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import Generator

from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.batches import leaves, mapped

if TYPE_CHECKING:
    from firstlight.module import Module

STEP = 1e-6  # h; the error is about h², plus 1e-16 / h by rounding


def check_gradients(
    module: Module,
    x: Array,
    *others: Any,
    seed: int = 0,
    directions: int = 3,
    rtol: float = 1e-6,
    atol: float = 1e-8,
) -> None:
    """Raise an AssertionError unless backward agrees with forward.

    The check uses a float64 copy of the module in its current mode; the module and the random
    streams do not change. Noise is added to the copy's parameters, because weights of one and
    biases of zero hide mistakes; dy is random for the same reason. The check covers

    - dx, and the gradient of every parameter that is not frozen, along random directions;
    - the shape and dtype of dx;
    - two forwards followed by two backwards, which must add up to twice the gradient;
    - the stacks, which must be empty after backward;
    - the inputs, which forward and backward must not modify.

    Keep x away from kinks, such as 0 for ReLU, where there is no derivative.

    Parameters
    ----------
    module : Module
    x : array, or tuple or dict of arrays
        Input of forward. A floating x is converted to float64 and dx is checked; an integer x,
        e.g. token numbers, has no gradient. Backward may return None where a layer has
        ``needs_dx=False``.
    *others : array
        Further inputs of forward, without gradient: ``check_gradients(loss, x, target)``.
    seed : int
        Seed of dy, the noise and the directions.
    directions : int
        Number of random directions for each gradient.
    rtol, atol : float
        Largest relative error, with respect to the gradient's norm, and absolute error.

    Raises
    ------
    AssertionError
        Names the module and the wrong gradient, with both values.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> x = np.random.default_rng(0).standard_normal((4, 3))
    >>> check_gradients(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)), x)
    """
    rng = np.random.default_rng(seed)
    streams = randomness.state_dict()
    try:
        check = _Check(module, (x, *others), rng)
        for name, values, gradient in check.gradients():
            for _ in range(directions):
                v = _normal(rng, values)
                analytic = float((gradient * v).sum())
                numeric = check.difference(values, v)
                norm = float(np.sqrt(np.square(gradient).sum()))
                error = abs(analytic - numeric)
                if not error <= rtol * max(norm, abs(numeric)) + atol:  # not: NaN fails too
                    check.fail(
                        f"{name} is wrong: along a random direction backward gives "
                        f"{analytic:.9g}, central differences of forward give {numeric:.9g}; "
                        "check the derivation, and that x is away from corners"
                    )
    finally:
        randomness.load_state_dict(streams)


def without_power_iterations(module: Module) -> Module:
    """Keep u and v of a module's spectral norms, which are constants in their backward."""
    for part in module.modules():
        if hasattr(part, "n_power_iterations"):
            part.n_power_iterations = 0
    return module


class _Check:
    """A float64 copy of a module, its inputs and dy, for reproducible runs."""

    def __init__(self, module: Module, inputs: Any, rng: Generator):
        self.name = type(module).__name__
        self.module = without_power_iterations(copy.deepcopy(module).to(dtype="float64"))
        self.modes = [child.training for child in module.modules()]
        self.inputs = [_float64(value) for value in inputs]
        self.trained = [(n, p) for n, p in self.module.named_parameters() if p.requires_grad]
        for _, parameter in self.trained:
            parameter.data[...] += 0.1 * _normal(rng, parameter.data)
        self.generators = [
            (value.bit_generator, value.bit_generator.state)
            for child in self.module.modules()
            for value in vars(child).values()
            if isinstance(value, np.random.Generator)
        ]
        self.streams = randomness.state_dict()
        self._keep_for_backward(False)
        y = self.forward()
        self.dy = mapped(lambda part: _normal_like(rng, part), y)

    def forward(self) -> Any:
        """Run forward, with the same random numbers each time."""
        randomness.load_state_dict(self.streams)
        for generator, start in self.generators:
            generator.state = start
        return self.module(*self.inputs)

    def difference(self, values: Any, v: Array) -> Any:
        """Return the central difference of L along v, from x or a parameter's values."""
        original = values.copy()
        sides = []
        for step in (STEP, -STEP):
            values[...] = original + step * v
            pairs = zip(leaves(self.dy), leaves(self.forward()), strict=True)
            sides.append([dy * y for dy, y in pairs])  # new arrays, even if y is x itself
        values[...] = original
        change = sum(float(np.sum(plus - minus)) for plus, minus in zip(*sides, strict=True))
        return change / (2 * STEP)

    def gradients(self) -> Any:
        """Run forward and backward twice; return a list of (name, values, gradient)."""
        before = [copy.deepcopy(value) for value in (*self.inputs, self.dy)]
        self.module.zero_grad()
        self._keep_for_backward(True)
        self.forward()
        self.forward()
        dx = self.module.backward(self.dy)
        once = [(name, p, p.grad.copy()) for name, p in self.trained]
        self.module.backward(self.dy)
        self._check_nothing_left()
        self._check_unchanged(before)
        for name, parameter, gradient in once:
            if not np.allclose(parameter.grad, 2 * gradient, rtol=1e-9, atol=1e-12):
                self.fail(
                    f"{name}.grad is not twice as large after two backwards; "
                    f"add to it: self.{name}.grad += ..."
                )
        self._keep_for_backward(False)
        return [
            *self._gradient_of_x(dx),
            *((f"{name}.grad", parameter.data, gradient) for name, parameter, gradient in once),
        ]

    def fail(self, message: str) -> Any:
        """Raise an AssertionError that names the module."""
        raise AssertionError(f"check_gradients: {self.name}: {message}")

    def _keep_for_backward(self, keep):
        """Enable or disable the stacks, in each module's own mode."""
        self.module.eval(keep_backward=keep)
        for child, training in zip(self.module.modules(), self.modes, strict=True):
            child.training = training

    def _gradient_of_x(self, dx):
        """Return the gradient of x, or of each array in a tuple or dict."""
        parts = {name: x for name, x in _named("dx", self.inputs[0]) if x.dtype.kind == "f"}
        if not parts:
            return []
        if dx is None:
            if all(child.needs_dx for child in self.module.modules()):
                self.fail("backward returned None; return dx, or set needs_dx=False on a layer")
            return []
        found = dict(_named("dx", dx))
        for name, x in parts.items():
            if name not in found:
                self.fail(f"expected {name}, as x is built, got {', '.join(found)}")
            part = found[name]
            if part.shape != x.shape or part.dtype != x.dtype:
                came = f"{part.shape} {part.dtype}"
                self.fail(f"expected {name} of {x.shape} {x.dtype}, as x is, got {came}")
        return [(name, x, found[name]) for name, x in parts.items()]

    def _check_nothing_left(self):
        for name, child in self.module.named_modules():
            if child._stack:
                self.fail(
                    f"{len(child._stack)} of 2 forwards of {name or 'the module itself'} "
                    f"({type(child).__name__}) were not undone; its backward must call "
                    "self.saved() once for each self.save()"
                )

    def _check_unchanged(self, before):
        names = ["x", *(f"input {i + 2}" for i in range(len(self.inputs) - 1)), "dy"]
        for name, old, new in zip(names, before, (*self.inputs, self.dy), strict=True):
            if not all(map(np.array_equal, leaves(old), leaves(new))):
                self.fail(f"{name} was modified in place; work on a copy")


def _named(name, value):
    """Yield ``(name, array)`` of each array in nested tuples and dicts, such as ``dx['left']``."""
    if isinstance(value, (tuple, dict)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in pairs:
            yield from _named(f"{name}[{key!r}]", part)
    else:
        yield name, value


def _float64(value):
    if isinstance(value, (tuple, dict)) and all(hasattr(one, "dtype") for one in leaves(value)):
        return mapped(_float64, value)
    value = value if hasattr(value, "dtype") else np.asarray(value)
    return value.astype("float64" if value.dtype.kind == "f" else value.dtype)  # copies


def _normal_like(rng, y):
    return float(rng.standard_normal()) if np.ndim(y) == 0 else _normal(rng, y)


def _normal(rng, array):
    return np.asarray(rng.standard_normal(array.shape), like=array)  # on the same device
