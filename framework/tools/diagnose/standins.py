"""Stand-ins: simple right modules in the place of parts, to test what holds the parts together.

A stand-in's forward is a constant plus a map of rank two, y = y₀ + Σ u (w · x) + b, whose backward
is right beyond doubt. A composite that is wrong with stand-ins for all its parts is wrong itself;
and the gradient of b is the very dy that the composite hands to that part.
"""

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.diagnose.bench import as_float64, is_float
from firstlight.tools.diagnose.tuples import leaves, matched, rebuilt

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
        self.calls, self.rng, self.maps, self.undo, self.count = calls, rng, {}, [], 0
        self.outputs = [[as_float64(y) for y in leaves(call.output)] for call in calls]
        self.offsets = {}  # by place among the outputs, of one shape each time
        for place, y in enumerate(self.outputs[0]):
            shapes = {np.shape(found[place]) for found in self.outputs if place < len(found)}
            if is_float(y) and len(shapes) == 1:
                self.offsets[place] = Parameter(np.zeros(y.shape))
        self.skips_dx = not calls[0].module.needs_dx

    def forward(self, *inputs, **_):
        """Return y for the next call; the first forward of all starts again after the last."""
        index = self.count % len(self.outputs)
        self.count += 1
        if index == 0:
            self.undo = []
        used = [
            (place, x)
            for place, x in enumerate(leaves(inputs))
            if is_float(x) and np.isfinite(x).all()
        ]
        made = []
        for out, kept in enumerate(self.outputs[index]):
            y = kept
            if is_float(kept):
                y = kept.copy()
                if out in self.offsets:
                    y += self.offsets[out].data
                for place, x in used:
                    for u, w in self._maps((index, place, out), x.shape, y.shape):
                        y += u * (w * x).sum()
            made.append(y)
        self.undo.append((index, [(place, x.shape) for place, x in used]))
        return rebuilt(self.calls[index].output, iter(made))

    def backward(self, *given, **__):
        """Return dx, for several floating inputs a tuple, nested as the real part's."""
        index, used = self.undo.pop()
        outputs, arrays = self.outputs[index], leaves(given)
        places = matched(arrays, outputs)
        if len(outputs) == 1 and places[:1] == [None] and is_float(outputs[0]):
            raise ValueError(
                f"expected dy of shape {outputs[0].shape}, got {np.shape(given[0] if given else 0)}"
            )
        pairs = [(out, dy) for out, dy in zip(places, arrays, strict=True) if out is not None]
        for out, dy in pairs:
            if out in self.offsets:
                self.offsets[out].grad += dy
        if self.skips_dx or not used:
            return None
        found = []
        for place, x_shape in used:
            dx = np.zeros(x_shape)
            for out, dy in pairs:
                for u, w in self._maps((index, place, out), x_shape, outputs[out].shape):
                    dx += w * (u * dy).sum()
            found.append(dx)
        return self._nested(found, self.calls[index].dx)

    def _nested(self, found, real):
        if isinstance(real, (tuple, list)):
            places = matched(leaves(real), found)
            if len(found) == sum(place is not None for place in places):
                return rebuilt(real, iter([p if p is None else found[p] for p in places]))
        return found[0] if len(found) == 1 else tuple(found)

    def _maps(self, key, x_shape, y_shape):
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
        parts, handed = dict(module.named_modules()), {}
        for name, whole in names.items():
            part = parts[name]
            stand_in = StandIn([call for call in calls if call.name == whole], rng)
            part.forward, part.backward = stand_in.forward, stand_in.backward
            for place, offset in stand_in.offsets.items():
                handed[f"{name}.handed_dy{place or ''}"] = offset
        return handed  # no attributes: a composite may go through its own parameters

    return prepare
