"""How the origins of arrays follow from what NumPy computes of them."""

import math
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.flow.sample_ids import (
    CONTRACTIONS,
    ELEMENTWISE,
    EMPTY,
    FITTING,
    MOVING,
    PERMUTING,
    REDUCING,
    axis_letters,
    compact,
    widened,
)
from firstlight.tools.diagnose.probes.flow.traced_array import (
    Draw,
    Origin,
    Reduction,
    TracedArray,
    plain,
    traced_in,
)
from firstlight.tools.diagnose.probes.flow.traced_random import masks_in

MOST = 60  # reductions that an array remembers


class Rules:
    """The rules of one run.

    Parameters
    ----------
    flow : FlowRecorder
        Its methods are told what happens.
    """

    def __init__(self, flow: Any):
        self.flow = flow
        self.reductions: list[Reduction] = []
        self.masks: list[Draw] = []
        self.fitted: dict[int, Array] = {}  # trained arrays without an origin, by id

    def made(self, value: Any, origin: Origin) -> Any:
        """Return a result with an origin."""
        if not isinstance(value, (np.ndarray, np.generic)) or np.ndim(value) > 32:
            return value
        if not np.ndim(value) and not origin.reductions and not origin.fitted:
            return value
        result = np.asarray(value).view(TracedArray)
        result.rules, result.origin = self, origin
        return result

    def merged(self, values: Any, ids: Array | None, also: Any = ()) -> Origin:
        """Return the origin of a result of several values."""
        traced = traced_in(values)
        reductions = frozenset().union(*(one.origin.reductions for one in traced), also)
        if len(reductions) > MOST:
            reductions = frozenset(sorted(reductions, key=lambda one: one.index)[-MOST:])
        known = next((one.origin for one in traced if one.origin.ids is not None), Origin())
        fitted = any(one.origin.fitted for one in traced) or self._is_fitted(values)
        forward = max((one.origin.forward for one in traced), default=-1)
        draws = frozenset().union(*(one.origin.draws for one in traced))
        return Origin(ids, known.source, reductions, fitted, known.holder, forward, draws)

    def drawn(self, value: Any, *, binary: bool = False) -> Any:
        """Return random numbers with their origin, if the training has begun."""
        place = self.flow.drawing() if np.ndim(value) else None
        if place is None:
            return value
        draw = Draw(place, self.flow.index, value.shape, binary)
        return self.made(value, Origin(draws=frozenset({draw})))

    def _is_fitted(self, values):
        if isinstance(values, np.ndarray):
            return id(values) in self.fitted or id(values.base) in self.fitted
        return isinstance(values, (list, tuple)) and any(self._is_fitted(v) for v in values)

    # --- functions ------------------------------------------------------------------------------

    def ufunc(self, ufunc, method, inputs, out, options):
        """Compute a ufunc."""
        into = {"out": plain(out)} if out else {}
        result = getattr(ufunc, method)(*plain(inputs), **plain(options), **into)
        if method == "at":
            self._add_at(inputs)
            return None
        if isinstance(result, tuple):
            origin = self.merged(inputs, self._elementwise(inputs, np.shape(result[0])))
            return tuple(self.made(one, origin) for one in result)
        if method == "__call__" and ufunc.__name__ == "matmul":
            origin = self._contracted(np.matmul, inputs, result)
        elif method == "__call__":
            origin = self.merged(inputs, self._elementwise(inputs, np.shape(result)))
            if origin.draws:
                self.masks += masks_in(ufunc.__name__, inputs, origin)
        elif method == "reduce":
            origin = self._reduced(ufunc.reduce, inputs[0], options, result, options.get("axis", 0))
        else:
            origin = self.merged(inputs, None)
        return self._stored(out[0], origin) if out else self.made(result, origin)

    def function(self, func, args, kwargs):
        """Compute another function."""
        name, out = func.__name__, kwargs.pop("out", None)
        options = {} if out is None else {"out": plain(out)}
        if name == "outer":
            one, other = (
                part if isinstance(part, TracedArray) else np.asarray(part) for part in args
            )
            return one.reshape(-1, 1) * other.reshape(1, -1)
        result = func(*plain(args), **plain(kwargs), **options)
        if not isinstance(result, (np.ndarray, np.generic, tuple, list)):
            return result
        given = (args, kwargs)
        if name in EMPTY:
            return self.made(result, Origin())
        if name in PERMUTING or name in MOVING:
            return self._moved(func, args, kwargs, result, name in PERMUTING)
        if name in REDUCING and args and isinstance(args[0], TracedArray):
            place = 2 if name in ("percentile", "quantile", "norm") else 1
            axis = kwargs.get("axis", args[place] if len(args) > place else None)
            call = _with_rest(func, args[1:], kwargs)
            origin = self._reduced(call, args[0], kwargs, result, axis)
        elif name in CONTRACTIONS:
            origin = self._contracted(func, args, result, args[0] if name == "einsum" else "")
        elif name in ("sort", "argsort") and isinstance(args[0], TracedArray):
            origin = self.merged(given, self._sorted(args[0], name, kwargs))
        elif name in ELEMENTWISE:
            origin = self.merged(given, self._elementwise(args, np.shape(result)))
        else:
            fitted_to = _with_ids(given) if name in FITTING else []
            origin = self.merged(given, None, [self._reduction(func, one) for one in fitted_to])
        if out is not None:
            return self._stored(out[0] if isinstance(out, tuple) else out, origin)
        if isinstance(result, (tuple, list)):
            return type(result)(self.made(one, origin) for one in result)
        return self.made(result, origin)

    def _stored(self, out, origin):
        if isinstance(out, TracedArray):
            out.origin = origin
        else:
            self.flow.wrote(out, origin)
        return out

    def _elementwise(self, inputs, shape):
        """Return the samples of a result; note operands whose samples differ."""
        known = [one for one in _with_ids(inputs) if one.size]
        if not known:
            return None
        known.sort(key=lambda one: one.origin.source.first if one.origin.source else math.inf)
        first, *others = known
        for other in others:
            a, b = widened(first.origin.ids, len(shape)), widened(other.origin.ids, len(shape))
            if a.shape == b.shape and not np.array_equal(a, b):
                self.flow.compared(first.origin, other.origin)
        return widened(first.origin.ids, len(shape))

    def _reduced(self, call, value, options, result, axis):
        ids = value.origin.ids
        axes = range(value.ndim) if axis is None else (axis,) if np.ndim(axis) == 0 else axis
        axes = tuple(a % value.ndim for a in axes) if value.ndim else ()
        if ids is None:
            return self.merged([value], None)
        if all(ids.shape[a] == 1 for a in axes):
            kept = ids if np.ndim(result) == value.ndim else ids.squeeze(axes)
            return self.merged([value], kept if kept.ndim == np.ndim(result) else None)
        return self.merged([value], None, [self._reduction(call, value)])

    def _contracted(self, func, args, result, spec=""):
        """Return the origin of a sum of products."""
        operands = [one for one in args if not isinstance(one, str)]
        inner, outer = axis_letters(spec, operands)
        ids, sums = None, []
        for one, letters in zip(operands, inner, strict=True):
            if not isinstance(one, TracedArray) or one.origin.ids is None:
                continue
            own = one.origin.ids
            dropped = [n for c, n in zip(letters, own.shape, strict=False) if c not in outer]
            if any(n > 1 for n in dropped) or len(letters) != own.ndim:
                sums.append(self._reduction(None, one))
            elif ids is None:
                sizes = dict(zip(letters, range(own.ndim), strict=True))
                order = [sizes[c] for c in outer if c in sizes]
                kept = own.transpose(order + [a for a in range(own.ndim) if a not in order])
                kept = kept.reshape([own.shape[sizes[c]] if c in sizes else 1 for c in outer])
                ids = kept if kept.ndim == np.ndim(result) else None
        origin = self.merged(operands, ids, sums)
        for one in operands:
            known = isinstance(one, TracedArray) and one.origin.ids is not None
            if origin.fitted and ids is not None and known and not one.origin.fitted:
                self.flow.entered(one)
        origin.forward = self.flow.index if origin.fitted else -1
        return origin

    def _moved(self, func, args, kwargs, result, permuting):
        def numbers(value):
            if isinstance(value, TracedArray):
                ids = value.origin.ids
                if permuting and ids is not None:
                    return ids
                return np.broadcast_to(-1 if ids is None else ids, value.shape)
            if type(value) in (list, tuple) and any(np.ndim(one) for one in value):
                return type(value)(numbers(one) for one in value)
            return np.full(value.shape, -1) if isinstance(value, np.ndarray) else value

        many = func.__name__ in ("concatenate", "stack", "append") or "stack" in func.__name__
        moved = [numbers(args[0]), *(numbers(a) if many else plain(a) for a in args[1:])]
        ids = func(*moved, **plain(kwargs))
        if isinstance(result, (list, tuple)):
            pairs = zip(result, ids, strict=True)
            return [self.made(one, self.merged(args, compact(i))) for one, i in pairs]
        return self.made(result, self.merged(args, ids if permuting else compact(ids)))

    def _sorted(self, value, name, kwargs):
        ids, axis = value.origin.ids, kwargs.get("axis", -1)
        if ids is None or name == "argsort":
            return None
        order = np.argsort(plain(value), axis=axis, kind="stable")
        return compact(np.take_along_axis(np.broadcast_to(ids, value.shape), order, axis=axis))

    def _add_at(self, inputs):
        target, _, *rest = inputs
        sums = [self._reduction(None, one) for one in _with_ids(rest)]
        self._stored(target, self.merged([target, *rest], None, sums))

    def _reduction(self, function, value):
        index, at, loops, calls = self.flow.now(value)
        ids = value.origin.ids
        samples = np.unique(ids[ids >= 0])
        own = value.origin
        kept = own.fitted, own.forward, own.holder, calls, own
        made = Reduction(samples, at, index, loops, function, plain(value), ids, *kept)
        self.reductions.append(made)
        return made

    # --- items ----------------------------------------------------------------------------------

    def item(self, value, key):
        """Return a part of an array; rows of a table that labels choose belong to the labels."""
        result = plain(value)[plain(key)]
        if not isinstance(result, np.ndarray):
            origin = value.origin
            kept = self.merged([value], None)
            return self.made(result, kept) if kept.reductions or kept.fitted else result
        ids, chosen = value.origin.ids, _with_ids(key)
        if ids is None and isinstance(key, TracedArray) and chosen and key.dtype.kind in "iu":
            wide = key.origin.ids.reshape(key.origin.ids.shape + (1,) * (result.ndim - key.ndim))
            return self.made(result, self.merged([key], wide))
        if ids is None or (chosen and chosen[0].origin.fitted):
            return self.made(result, self.merged([value], None))
        if isinstance(key, tuple) or key is None or key is Ellipsis or len(ids) < len(value):
            ids = compact(np.broadcast_to(ids, value.shape)[plain(key)])
        else:
            ids = ids[plain(key)]
        origin = self.merged([value], ids)
        if origin.fitted and chosen and ids is not None and ids.size == chosen[0].origin.ids.size:
            self.flow.compared(origin, chosen[0].origin)
        return self.made(result, origin)

    def write(self, value, key, new):
        """Assign to a part of an array."""
        plain(value)[plain(key)] = plain(new)
        source = value.origin.source
        if not isinstance(new, TracedArray):
            if source is not None and source.live == id(value):
                source.values[plain(key)] = new
            return
        if source is not None and source.live == id(value):
            source.live = None
        origin, ids = value.origin, compact(new.origin.ids)
        origin.reductions |= new.origin.reductions
        origin.fitted |= new.origin.fitted
        if ids is None:
            return
        if origin.ids is None:
            origin.ids = np.full((len(value), *(1,) * (value.ndim - 1)), -1, dtype="int64")
            origin.source, origin.holder = new.origin.source, new.origin.holder
        if not isinstance(key, tuple) and all(
            n == 1 for n in ids.shape[1 if new.ndim > value.ndim - 1 else 0 :]
        ):
            origin.ids[plain(key)] = ids
        else:
            origin.ids = np.array(np.broadcast_to(origin.ids, value.shape))
            origin.ids[plain(key)] = ids


def _with_ids(values):
    return [one for one in traced_in(values) if one.origin.ids is not None]


def _with_rest(func, rest, kwargs):
    return lambda value: func(value, *plain(rest), **plain(kwargs))
