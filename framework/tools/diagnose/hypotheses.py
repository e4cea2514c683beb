"""Hypotheses about the mistake behind a wrong gradient, each tried out.

A hypothesis changes the gradient, e.g. to -g or g N, or runs the module again, e.g. without an
earlier forward. It holds if the result agrees with forward along every direction that was probed.
Each takes the bench, the wrong `Gradient` and ``remake``, and returns ``(kind, explanation)`` or
None.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose import _rerun_hypotheses as rerun
from firstlight.tools.diagnose._rerun_hypotheses import Explanation, Remake
from firstlight.tools.diagnose.bench import Bench
from firstlight.tools.diagnose.gradients import FITS, Gradient, probe
from firstlight.tools.diagnose.shape_errors import explain_shapes

UNKNOWN = "it is neither a multiple nor a transpose of the right one, a term is wrong"
GROUPS = 12  # into which an axis is divided, to see where a gradient is wrong


def explain_gradient(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation:
    """Return ``(kind, explanation)`` of a gradient that does not agree with forward.

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
        return explain_shapes(np.shape(wrong.analytic), wrong.values.shape)
    if not np.isfinite(wrong.analytic).all():
        return "not-finite", "it has NaN or infinite entries"
    for hypothesis in (
        never_written,
        rerun.backward_draws_random_numbers,
        rerun.not_linear_in_dy,
        rerun.stale_cache,
        rerun.same_for_other_inputs,
        factor,
        rerun.passed_through,
        rerun.some_samples,
        transposed,
        transposed_parameter,
        missing_term,
        wrong_in_one_part,
        missing_constant,
        rerun.repeated_index,
        rerun.forgotten_parameter,
        rerun.other_slope,
    ):
        with contextlib.suppress(Exception):  # a user's backward may raise on another dy
            if found := hypothesis(bench, wrong, remake):
                return found
    return "term", UNKNOWN


def never_written(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """Backward never writes it."""
    return None if wrong.analytic.any() else ("zero", "it stays zero: backward never writes it")


def factor(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It is a multiple of the right one."""
    return explain_factor(fitted_factor(wrong, [(v, n) for v, n, _ in wrong.probes]), bench, wrong)


def fitted_factor(wrong: Gradient, pairs: list[tuple[Array, float]]) -> float | None:
    """Return c if the right gradient is c times the one of backward along all directions."""
    claimed = np.array([(wrong.analytic * v).sum() for v, _ in pairs])
    numeric = np.array([n for _, n in pairs])
    if not np.square(claimed).sum() > 0:
        return None
    c = float(claimed @ numeric / (claimed @ claimed))
    return c if np.abs(c * claimed - numeric).max() <= FITS * np.abs(numeric).max() else None


def explain_factor(c: float | None, bench: Bench, wrong: Gradient) -> Explanation | None:
    """Explain a constant factor, e.g. if it equals the batch size or another dimension.

    Parameters
    ----------
    c : float or None
        The right gradient divided by the one of backward.
    bench : Bench
        Its shapes give the counts: samples, features, positions.
    wrong : Gradient
    """
    if c is None or abs(c - 1) < FITS:
        return None
    if abs(c + 1) < FITS:
        return "sign", "it has the wrong sign"
    sign = "has the wrong sign, and is" if c < 0 else "is"
    small = abs(c) > 1
    ratio = abs(c) if small else 1 / abs(c)
    for count, name, kind in counts(bench):
        if abs(ratio / count - 1) < FITS:
            if small:
                why = f"divided by {count}, {name}, which forward does not do"
                return kind, f"it {sign} {count} times too small: {why}"
            why = f"forward's 1/{count} is forgotten, or a mean became a sum; {count} is {name}"
            return kind, f"it {sign} {count} times too large: {why}"
    for name, parameter in bench.trained:
        if parameter.size == 1 and abs(c / parameter.data.item() - 1) < FITS:
            return "factor", f"the factor {name} is forgotten"
    if wrong.values.size == 1:  # a single number is always some multiple of another
        return None
    how = "small" if small else "large"
    return "factor", f"it {sign} {ratio:.4g} times too {how}, in all entries"


def counts(bench: Bench) -> Iterator[tuple[int, str, str]]:
    """Yield ``(count, its name, kind of finding)`` of the bench's dimensions, likeliest first."""
    inputs = [x for x in bench.inputs if hasattr(x, "shape") and x.ndim]
    shapes = dict.fromkeys([*(x.shape for x in inputs), np.shape(bench.y)])
    n = len(inputs[0]) if inputs else 0
    if n > 1:
        yield n, "the number of samples", "batch-factor"
        for shape in shapes:
            for k in range(2, len(shape) + 1):
                if shape[0] == n:
                    yield math.prod(shape[:k]), "the samples times their positions", "batch-factor"
    yield 2, "the exponent of a square", "factor"
    for shape in shapes:
        for k in range(1, len(shape)):
            for axes in itertools.combinations(shape[1:], k):
                if math.prod(axes) > 1:
                    yield math.prod(axes), f"the size of {' x '.join(map(str, axes))}", "factor"


def transposed(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """Its axes are in another order, or run backwards."""
    for how, candidate in transposes(wrong.analytic):
        if wrong.explains(candidate):
            return "transpose", f"{how}, it would be right"
    return None


def transposes(array: Array) -> Iterator[tuple[str, Array]]:
    """Yield every transpose and flip of the same shape."""
    for axes in itertools.permutations(range(array.ndim)) if array.ndim <= 4 else ():
        candidate = array.transpose(axes)
        if axes != tuple(range(array.ndim)) and candidate.shape == array.shape:
            yield "transposed" if array.ndim == 2 else f"with its axes ordered {axes}", candidate
    for count in (1, 2):
        for axes in itertools.combinations(range(array.ndim), count):
            yield f"flipped along axis {' and '.join(map(str, axes))}", np.flip(array, axes)


def transposed_parameter(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It would be right with one of the parameters transposed or flipped."""
    for name, parameter in bench.trained:
        data, original = parameter.data, parameter.data.copy()
        for how, candidate in transposes(original) if data.ndim > 1 else ():

            def transpose(data=data, candidate=candidate):
                data[...] = candidate

            try:
                gradient = bench.backward(between=transpose)[wrong.name]
            except Exception:
                continue
            finally:
                data[...] = original
            if wrong.explains(gradient):
                return "transpose", f"with {name} {how}, it would be right"
    return None


def missing_term(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """A multiple of dy, y, dy · y or the values is missing, or too much."""
    y, dy, values = np.asarray(bench.y), np.asarray(bench.dy), wrong.values
    if values.size == 1:  # a single number is some multiple of every other
        return None
    known = {"dy": dy, "y": y, "dy · y": dy * y, f"{wrong.name.replace('dx', 'x')} itself": values}
    if wrong.name == "dx" and dy.shape == values.shape:
        known["dy · x"] = dy * values
    for name, term in known.items():
        if term.shape != values.shape:
            continue
        rest = [n - (wrong.analytic * v).sum() for v, n, _ in wrong.probes]
        along = [(term * v).sum() for v, _, _ in wrong.probes]
        c = float(np.dot(along, rest) / max(np.dot(along, along), 1e-300))
        if wrong.explains(wrong.analytic + c * term):
            what = f"{abs(c):.3g} · {name}" if abs(abs(c) - 1) > FITS else name
            if c > 0:
                return "term", f"the term {what} is missing: with it, it would be right"
            return "term", f"the term {what} does not belong there: without it, it would be right"
    return None


def wrong_in_one_part(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """It is right in some places and wrong in others, which may have a factor in common."""
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
        if any(right[first:last]):  # scattered: by chance, no part of it
            continue
        bad = groups[first:last]
        mask = mask_of(wrong.values, axis, np.concatenate(bad))
        place = f"along axis {axis} it is wrong at {bad[0][0]} to {bad[-1][-1]} only"
        if not (wrong.analytic * mask).any():
            return "term", f"{place}, where it is zero: that part is never written"
        directions = [rng.standard_normal(wrong.values.shape) * mask for _ in range(3)]
        pairs = [(v, next(bench.derivative(wrong.values, v))[0]) for v in directions]
        inner = explain_factor(fitted_factor(wrong, pairs), bench, wrong)
        return (inner[0], f"{place}, where {inner[1]}") if inner else ("term", place)
    return None


def mask_of(values: Array, axis: int, indices: Array) -> Array:
    """Return an array of the values' shape, 1 at some indices of an axis and 0 elsewhere."""
    mask = np.zeros_like(values)
    np.moveaxis(mask, axis, 0)[indices] = 1
    return mask


def missing_constant(bench: Bench, wrong: Gradient, remake: Remake) -> Explanation | None:
    """The missing term is constant along some axes: it came through a sum or mean."""
    rng, shape = np.random.default_rng(5), wrong.values.shape
    ndim = len(shape)
    choices = [(axis,) for axis in range(ndim)]
    choices += [tuple(range(ndim - 1)), tuple(range(1, ndim)), tuple(range(ndim))]
    for axes in dict.fromkeys(tuple(a for a in axes if shape[a] > 1) for axes in choices):

        def centred(v, axes=axes):
            return v - v.mean(axis=axes, keepdims=True)

        if axes and all(probe(bench, wrong, rng, shaped=centred) == "ok" for _ in range(2)):
            named = " and ".join(map(str, axes))
            return "term", (
                f"the missing part is constant along axis {named}: the term through a sum or mean "
                "there is forgotten"
            )
    return None
