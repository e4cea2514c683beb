"""Modules that take or return tuples, such as (y, state), brought into the form of the bench.

The bench knows several arrays in and one out. Which of the arrays that come out matter, and in
which form backward wants their gradients, is read off from how the network called it.
"""

import numpy as np

from firstlight.tools.diagnose.bench import UnsupportedError, is_float


def leaves(value):
    """Return what is in nested tuples and lists, in order."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def rebuilt(form, values):
    """Return the values of an iterator in the nested form of another value."""
    if isinstance(form, (tuple, list)):
        return tuple(rebuilt(part, values) for part in form)
    return next(values)


def matched(arrays, candidates):
    """Return for each array the place of the first candidate left that has its shape, or None."""
    free, found = dict(enumerate(candidates)), []
    for array in arrays:
        place = next(
            (i for i, one in free.items() if is_float(one) and np.shape(array) == one.shape), None
        )
        free.pop(place, None)
        found.append(place if isinstance(array, np.ndarray) else None)
    return found


def plain(call):
    """Return ``(inputs, prepare)`` for a `Bench`; prepare is None where nothing is nested."""
    nested = [isinstance(v, (tuple, list)) for v in (*call.inputs, call.output)]
    if not any(nested):
        return call.inputs, None
    outputs = leaves(call.output)
    first = next((i for i, y in enumerate(outputs) if is_float(y)), None)
    if first is None:
        raise UnsupportedError(f"forward returns a {type(call.output).__name__} without numbers")
    handed = call.handed if call.undone else (outputs[first],)
    given = leaves(handed)
    places = matched(given, outputs)
    chosen = [place for place in places if place is not None]
    if not chosen:
        raise UnsupportedError(
            f"forward returns arrays of shapes {[np.shape(y) for y in outputs]}, and backward is "
            f"handed {[np.shape(dy) for dy in given]}"
        )

    def prepare(module):
        forward, backward = module.forward, module.backward

        def forward_plain(*inputs):
            found = leaves(forward(*rebuilt(call.inputs, iter(inputs))))
            parts = [found[place] for place in chosen]
            return parts[0] if len(parts) == 1 else np.concatenate([y.ravel() for y in parts])

        def backward_plain(dy):
            shapes = [outputs[place].shape for place in chosen]
            ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
            parts = iter(np.split(dy.ravel(), ends[:-1]))
            sized = iter([next(parts).reshape(shape).copy() for shape in shapes])
            values = [
                next(sized) if place is not None else leaf
                for leaf, place in zip(given, places, strict=True)
            ]
            dx = backward(*rebuilt(handed, iter(values)))
            return tuple(leaves(dx)) if isinstance(dx, (tuple, list)) else dx

        module.forward, module.backward = forward_plain, backward_plain

    return leaves(call.inputs), prepare
