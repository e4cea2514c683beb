"""Guess the mistake behind a wrong gradient, by trying out what would make it right.

Each hypothesis is a change, such as -g or g N, or a rerun, such as one without an earlier forward.
It holds if what comes out agrees with forward along every direction that was probed.
"""

import contextlib
import itertools

import numpy as np

from firstlight.tools.diagnose.counts import named_factor
from firstlight.tools.diagnose.gradients import in_order, judge, probe
from firstlight.tools.diagnose.leftovers import frozen, redrawn, stale
from firstlight.tools.diagnose.shapes import explain_shapes
from firstlight.tools.diagnose.slope import (
    another_slope,
    forgotten_parameter,
    handed_through,
)

UNKNOWN = "it is neither a multiple nor a transpose of the right one, a term is wrong"
GROUPS = 12  # into which an axis is divided, to see where a gradient is wrong


def guess(bench, wrong, remake):
    """Return ``(kind, what is wrong)`` for a `Gradient` that does not agree with forward.

    Parameters
    ----------
    bench : Bench
    wrong : Gradient
    remake : callable
        ``remake(fresh=True)`` puts the same module on a new bench.
    """
    if wrong.status == "missing":
        return "zero", "backward returns None instead of dx"
    if wrong.status == "shape":
        return explain_shapes(np.shape(wrong.analytic), wrong.values.shape, len(bench.y))
    if not np.isfinite(wrong.analytic).all():
        return "not-finite", "it has NaN or infinite entries"
    for hypothesis in (
        zero,
        redrawn,
        without_dy,
        stale,
        frozen,
        factor,
        handed_through,
        some_samples,
        turned,
        turned_parameter,
        shortcut,
        only_part,
        without_mean,
        repeated,
        forgotten_parameter,
        another_slope,
    ):
        found = None
        with contextlib.suppress(Exception):  # somebody's backward may raise on another dy
            found = hypothesis(bench, wrong, remake)
        if found:
            return found
    return "term", UNKNOWN


def zero(bench, wrong, remake):
    """Nothing was written."""
    if wrong.analytic.any():
        return None
    return "zero", "it stays zero: backward never writes it"


def repeated(bench, wrong, remake):
    """Right where each index occurs once: `grad[i] += dy` keeps one of those that are equal."""
    indices = bench.inputs[0]
    if wrong.name == "dx" or getattr(indices, "dtype", np.dtype(float)).kind not in "iu":
        return None
    once = np.unique(indices)
    if len(once) == indices.size or indices.ndim > 2:
        return None
    other = remake(inputs=[once[None] if indices.ndim == 2 else once, *bench.inputs[1:]])
    gradient = dict(in_order(other.backward()))[wrong.name]
    if judge(other, wrong.name, gradient, np.random.default_rng(2)).status != "ok":
        return None
    return "not-accumulated", (
        "an index that occurs twice counts once: grad[i] += dy overwrites, np.add.at(grad, i, dy) "
        "adds them all"
    )


def factor(bench, wrong, remake):
    """It is a multiple of the right one."""
    return named_factor(fitted(wrong, [(v, n) for v, n, _ in wrong.probes]), bench, wrong)


def fitted(wrong, pairs, part=None):
    """Return c if the right gradient is c times what backward says along all directions."""
    claimed = np.array([(wrong.analytic * v).sum() for v, _ in pairs])
    numeric = np.array([n for _, n in pairs])
    if not np.square(claimed).sum() > 0:
        return None
    c = float(claimed @ numeric / (claimed @ claimed))
    fits = np.abs(c * claimed - numeric).max() <= 1e-3 * np.abs(numeric).max()
    return c if fits else None


def without_dy(bench, wrong, remake):
    """It is not linear in dy."""
    other = bench.backward(-2 * bench.dy)[wrong.name]
    if np.allclose(other, -2 * wrong.analytic, rtol=1e-6, atol=1e-12):
        return None
    if np.allclose(other, wrong.analytic, rtol=1e-6):
        return "chain-rule", "it does not depend on dy: multiply by dy, as the chain rule says"
    if np.allclose(other, 4 * wrong.analytic, rtol=1e-6):
        return "chain-rule", "dy enters twice"
    return "chain-rule", "it is not proportional to dy; every term has dy as a factor, once"


def some_samples(bench, wrong, remake):
    """Only some samples of the batch count."""
    y = bench.y
    if wrong.name.startswith("dx") or np.ndim(y) < 2 or len(y) != len(bench.inputs[0]):
        return None
    rng, right = np.random.default_rng(3), []
    for sample in range(min(len(y), GROUPS)):
        dy = np.zeros_like(bench.dy)
        dy[sample] = bench.dy[sample]
        g = bench.backward(dy)[wrong.name]
        right.append(probe(bench, wrong, rng, dy=dy, analytic=g) == "ok")
    if any(right) and not all(right):
        which = ", ".join(str(i) for i, one in enumerate(right) if one)
        return "batch-sum", f"only sample {which} of the batch counts: sum over all of them"
    return None


def turned(bench, wrong, remake):
    """Its axes are in another order, or run backwards."""
    for how, candidate in turns(wrong.analytic):
        if wrong.explains(candidate):
            return "transpose", f"{how}, it would be right"
    return None


def turns(array):
    """Yield every transpose and flip of the same shape."""
    for axes in itertools.permutations(range(array.ndim)) if array.ndim <= 4 else ():
        if axes != tuple(range(array.ndim)):
            candidate = array.transpose(axes)
            if candidate.shape == array.shape:
                name = "transposed" if array.ndim == 2 else f"with its axes ordered {axes}"
                yield name, candidate
    for count in (1, 2):
        for axes in itertools.combinations(range(array.ndim), count):
            yield f"flipped along axis {' and '.join(map(str, axes))}", np.flip(array, axes)


def turned_parameter(bench, wrong, remake):
    """It would be right with one of the parameters, or inputs, transposed or flipped."""
    arrays = [(name, p.data) for name, p in bench.trained if p.data.ndim > 1]
    for name, data in arrays:
        for how, candidate in turns(data.copy()):
            original = data.copy()
            try:

                def turn(data=data, candidate=candidate):
                    data[...] = candidate

                gradient = bench.backward(between=turn)[wrong.name]
            except Exception:
                continue
            finally:
                data[...] = original
            if wrong.explains(gradient):
                return "transpose", f"with {name} {how}, it would be right"
    return None


def shortcut(bench, wrong, remake):
    """A multiple of something well known is missing, or too much."""
    if wrong.values.size == 1:  # a single number is some multiple of every other
        return None
    y, dy, values = np.asarray(bench.y), np.asarray(bench.dy), wrong.values
    known = {"dy": dy, "y": y, "dy · y": dy * y, f"{wrong.name.replace('dx', 'x')} itself": values}
    if wrong.name == "dx":
        known["dy · x"] = dy * values if dy.shape == values.shape else dy
    for name, term in known.items():
        if term.shape != values.shape:
            continue
        rest = [n - (wrong.analytic * v).sum() for v, n, _ in wrong.probes]
        along = [(term * v).sum() for v, _, _ in wrong.probes]
        c = float(np.dot(along, rest) / max(np.dot(along, along), 1e-300))
        if wrong.explains(wrong.analytic + c * term):
            what = f"{abs(c):.3g} · {name}" if abs(abs(c) - 1) > 1e-3 else name
            if c > 0:
                return "term", f"the term {what} is forgotten: added, it would be right"
            return "term", f"the term {what} is too much: subtracted, it would be right"
    return None


def only_part(bench, wrong, remake):
    """It is right in some places and wrong in others, where another guess is made."""
    rng = np.random.default_rng(4)
    for axis, size in enumerate(wrong.values.shape):
        if size < 2:
            continue
        groups = np.array_split(np.arange(size), min(size, GROUPS))
        masks = [mask_of(wrong.values, axis, group) for group in groups]
        right = [probe(bench, wrong, rng, shaped=lambda v, m=m: v * m) != "wrong" for m in masks]
        if all(right) or not any(right):
            continue
        first, last = right.index(False), len(right) - right[::-1].index(False)
        if any(right[first:last]):  # here and there: by chance, no part of it
            continue
        bad = groups[first:last]
        mask = mask_of(wrong.values, axis, np.concatenate(bad))
        place = f"along axis {axis} it is wrong at {bad[0][0]} to {bad[-1][-1]} only"
        if not (wrong.analytic * mask).any():
            return "term", f"{place}, where it is zero: that part is never written"
        pairs = []
        for _ in range(3):
            v = rng.standard_normal(wrong.values.shape) * mask
            pairs.append((v, next(bench.derivative(wrong.values, v))[0]))
        inner = named_factor(fitted(wrong, pairs), bench, wrong)
        return (inner[0], f"{place}, where {inner[1]}") if inner else ("term", place)
    return None


def mask_of(values, axis, indices):
    """Return an array of the values' shape, 1 at some indices of an axis and 0 elsewhere."""
    mask = np.zeros_like(values)
    np.moveaxis(mask, axis, 0)[indices] = 1
    return mask


def without_mean(bench, wrong, remake):
    """What is missing is constant along some axes: a term that came through a sum or mean."""
    rng, ndim = np.random.default_rng(5), wrong.values.ndim
    choices = [(axis,) for axis in range(ndim)]
    choices += [tuple(range(ndim - 1)), tuple(range(1, ndim)), tuple(range(ndim))]
    long = [axis for axis in range(ndim) if wrong.values.shape[axis] > 1]
    for axes in dict.fromkeys(tuple(a for a in axes if a in long) for axes in choices):
        if not axes:
            continue

        def centred(v, axes=axes):
            return v - v.mean(axis=axes, keepdims=True)

        if all(probe(bench, wrong, rng, shaped=centred) == "ok" for _ in range(2)):
            named = " and ".join(map(str, axes))
            return "term", (
                f"what is missing is constant along axis {named}: the term that comes through a "
                "sum or mean there is forgotten"
            )
    return None
