"""Bench: a float64 copy of one module, to be run forwards and backwards again and again alike."""

import copy

import numpy as np

from firstlight.tools.diagnose.moment import Moment

STEPS = (1e-6, 1e-7, 1e-5)  # tried in this order; a corner of forward rarely lies near all
NOISE = 1e-14  # of sums of products in float64, relative


class UnsupportedError(Exception):
    """A module that cannot be put on a bench; the message says why."""


class Bench:
    """A float64 copy of a module with inputs and a random dy, always with the same random numbers.

    The copy's parameters and inputs are moved a little off values that hide mistakes: biases of
    zero, scales of one, ties and corners. Before anything is measured the copy has run once on
    other inputs, so that what it wrongly keeps from an earlier forward shows.

    Parameters
    ----------
    module : Module
        Left as it is.
    inputs : list
        Arguments of forward; floating arrays become float64 copies, others pass.
    training : bool
        The mode to run in.
    prepare : callable, optional
        Called with the copy before it runs first, e.g. to put stand-ins for its parts; may return
        further parameters by name.
    fresh : bool
        Run on other inputs neither at first nor before each backward.
    nudged : bool
        Whether the inputs are moved off ties and corners.
    outermost : bool
        Nobody uses dx: it may be None, or flattened as forward does.
    seed : int

    Attributes
    ----------
    module : Module
        The copy.
    trained : list of (str, Parameter)
    inputs, other_inputs : list
        Those measured, and those of the run before.
    passed : list
        The copies of inputs that the latest forward got.
    y, dy : array
        Forward's output, and the gradient that backward gets.

    Raises
    ------
    UnsupportedError
        Forward does not return one floating array, or not the same one each time.
    """

    def __init__(
        self,
        module,
        inputs,
        *,
        training=True,
        prepare=None,
        fresh=False,
        nudged=True,
        outermost=False,
        seed=0,
    ):
        rng = np.random.default_rng(seed)
        self.training, self.fresh, self.outermost = training, fresh, outermost
        self.module = unburdened(module).to(dtype="float64")
        extra = {} if prepare is None else prepare(self.module) or {}
        self.trained = [(n, p) for n, p in self.module.named_parameters() if p.requires_grad]
        self.trained += extra.items()
        for _, parameter in self.trained:
            parameter.data[...] += 0.1 * scale_of(parameter.data) * normal(rng, parameter.data)
        self.other_dy, plain = None, [as_float64(value) for value in inputs]
        self.inputs = [nudge(rng, value) if nudged else copy.copy(value) for value in plain]
        self.other_inputs = [rolled(nudge(rng, value)) for value in plain]
        if not self._run_on_others(rng):  # nudged out of where forward is defined
            self.inputs, self.other_inputs = plain, [rolled(value) for value in plain]
            self._run_on_others(rng)
        self._remember()
        self.y = self.forward()
        self.dy = normal(rng, self.y)
        if not np.array_equal(self.y, self.forward(), equal_nan=True):
            self._remember(attributes=True)  # such as a state handed to the next forward
            self.y = self.forward()
        if not np.array_equal(self.y, self.forward(), equal_nan=True):
            raise UnsupportedError(
                "forward gives another result for the same input: it draws random numbers that "
                "no seed sets; draw from numpy's global generator or from one kept as an attribute"
            )

    def forward(self, *, keep=False, inputs=None):
        """Run forward with the same random numbers as always; ``keep`` lets it save."""
        self.moment.restore()
        self._start(keep)
        self.passed = [copy.copy(x) for x in (self.inputs if inputs is None else inputs)]
        return self._checked(self.module(*self.passed))

    def backward(self, dy=None, *, start=None, between=None):
        """Run forward and backward, and return the gradients by name: "dx" and each parameter's.

        Before, both run on the other inputs. ``start``, by name, is what the parameters' gradients
        hold at first, zeros by default; ``between`` is called after forward.
        """
        self._run_on_others()
        for name, parameter in self.trained:
            parameter.grad[...] = 0 if start is None else start[name]
        self.forward(keep=True)
        if between is not None:
            between()
        dx = self.module.backward(np.array(self.dy if dy is None else dy))
        found = {name: parameter.grad.copy() for name, parameter in self.trained}
        for index, part in enumerate(dx if isinstance(dx, tuple) else (dx,)):
            found["dx" if index == 0 else f"dx[{index}]"] = (
                part.copy() if isinstance(part, np.ndarray) else part
            )
        if self.outermost:
            dx, x = found["dx"], self.inputs[0]
            if dx is None:
                del found["dx"]
            elif isinstance(x, np.ndarray) and np.size(dx) == x.size:
                found["dx"] = np.reshape(dx, x.shape)
        return found

    def values(self, name):
        """Return the array that a gradient belongs to, or None: integers have no gradient."""
        if name.startswith("dx"):
            floats = [x for x in self.inputs if is_float(x)]
            index = int(name[3:-1]) if name != "dx" else 0
            first = self.inputs[0]
            return floats[index] if is_float(first) and index < len(floats) else None
        return dict(self.trained)[name].data

    def derivative(self, values, v, dy=None):
        """Return the derivative of L = Σ dy y along v, as seen by forward alone.

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
            yield central, abs(gap), NOISE * size / h

    # ------------------------------------------------------------------------- the first run

    def _remember(self, attributes=False):
        """Have every forward start from the buffers and random numbers of now."""
        self.moment = Moment(self.module, attributes)

    def _run_on_others(self, rng=None):
        """Go forward and backward on the other inputs; return whether all was finite."""
        if self.fresh:
            return True
        self._start(keep=True)
        y = self._checked(self.module(*[copy.copy(x) for x in self.other_inputs]))
        if rng is not None:
            self.other_dy = normal(rng, y)
        self.module.backward(self.other_dy.copy())
        return bool(np.isfinite(y).all())

    def _start(self, keep=False):
        """Set the mode, and forget what was saved."""
        if self.training:
            self.module.train()
            if not keep:
                for part in self.module.modules():
                    part._stack = None
        else:
            self.module.eval(keep_backward=keep)

    def _checked(self, y):
        if not isinstance(y, (np.ndarray, np.floating, float)) or not is_float(np.asarray(y)):
            raise UnsupportedError(f"forward returns a {type(y).__name__}, not one floating array")
        return np.array(y)  # a copy, as a layer may return the very memory it works in


def unburdened(module):
    """Return a copy of a module without what it has saved."""
    stacks = [(part, part._stack) for part in module.modules()]
    for part, _ in stacks:
        part._stack = []
    try:
        return copy.deepcopy(module)
    finally:
        for part, stack in stacks:
            part._stack = stack


def is_float(value):
    """Return whether a value is a floating array."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "f"


def as_float64(value):
    """Return a floating array as a float64 copy, anything else as it is."""
    return value.astype("float64") if is_float(value) else copy.copy(value)


def scale_of(array):
    """Return the root mean square of an array, 1 where it is all zero."""
    return float(np.sqrt(np.mean(np.square(array)))) or 1.0 if array.size else 1.0


def normal(rng, array):
    """Return standard normal numbers of an array's shape."""
    return np.asarray(rng.standard_normal(np.shape(array)))


def nudge(rng, value):
    """Move a floating array by a hundredth of its spread: off ties and corners."""
    if not is_float(value) or np.isinf(value).any():  # a mask of -inf stays one
        return value
    return value + 0.01 * (float(value.std()) or 0.1) * normal(rng, value)


def rolled(value):
    """Return other inputs of the same kind: the samples moved on by one."""
    return np.roll(value, 1, axis=0) if isinstance(value, np.ndarray) and value.ndim else value
