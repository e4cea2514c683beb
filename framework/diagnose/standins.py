"""Stand-ins: simple right modules in the place of parts, to test what holds the parts together.

A stand-in's forward is a constant plus a map of rank two, y = y₀ + Σ u (w · x) + b, whose backward
is right beyond doubt. A composite that is wrong with stand-ins for all its parts is wrong itself;
and the gradient of b is the very dy that the composite hands to that part.
"""

import numpy as np

from firstlight.parameter import Parameter

RANK = 2


class StandIn:
    """Forward and backward to put on one part of a copy.

    Parameters
    ----------
    calls : list of Call
        The calls of the part, in order: its outputs become y₀.
    rng : numpy.random.Generator
    """

    def __init__(self, calls, rng):
        self.outputs = [np.asarray(call.output, "float64") for call in calls]
        self.rng, self.maps, self.undo, self.count = rng, {}, [], 0
        shapes = {y.shape for y in self.outputs}
        self.offset = Parameter(np.zeros(shapes.pop())) if len(shapes) == 1 else None
        self.skips_dx = not calls[0].module.needs_dx

    def forward(self, *inputs, **_):
        """Return y for the next call; the first forward of all starts again after the last."""
        index = self.count % len(self.outputs)
        self.count += 1
        if index == 0:
            self.undo = []
        y = self.outputs[index].copy()
        if self.offset is not None:
            y += self.offset.data
        used = []
        for place, x in enumerate(inputs):
            if getattr(getattr(x, "dtype", None), "kind", "") == "f" and np.isfinite(x).all():
                for u, w in self._maps(index, place, x.shape, y.shape):
                    y += u * (w * x).sum()
                used.append((place, x.shape))
        self.undo.append((index, used, y.shape))
        return y

    def backward(self, dy, *_, **__):
        """Return dx, for several floating inputs a tuple."""
        index, used, shape = self.undo.pop()
        if self.offset is not None:
            if np.shape(dy) != shape:
                raise ValueError(f"expected dy of shape {shape}, got {np.shape(dy)}")
            self.offset.grad += dy
        if self.skips_dx or not used:
            return None
        found = []
        for place, x_shape in used:
            dx = np.zeros(x_shape)
            for u, w in self._maps(index, place, x_shape, shape):
                dx += w * (u * dy).sum()
            found.append(dx)
        return found[0] if len(found) == 1 else tuple(found)

    def _maps(self, index, place, x_shape, y_shape):
        key = index, place
        if key not in self.maps:
            scale = np.sqrt(np.prod(x_shape) * RANK)
            self.maps[key] = [
                (self.rng.standard_normal(y_shape), self.rng.standard_normal(x_shape) / scale)
                for _ in range(RANK)
            ]
        return self.maps[key]


def put(names, calls, seed=0):
    """Return a function that puts stand-ins on the parts ``names`` of a module, for a `Bench`.

    Parameters
    ----------
    names : dict of str to str
        The parts' names below the module, and their names in the model.
    calls : list of Call
        All calls within the module.
    """

    def prepare(module):
        rng = np.random.default_rng(seed)
        parts = dict(module.named_modules())
        for name, whole in names.items():
            part = parts[name]
            stand_in = StandIn([call for call in calls if call.name == whole], rng)
            part.forward, part.backward = stand_in.forward, stand_in.backward
            part.handed_dy = stand_in.offset  # found by the bench like any other parameter

    return prepare
