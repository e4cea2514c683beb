"""How a wrong array differs from the right one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from firstlight.tools.course.words import say

CLOSE = {4: 2e-3, 8: 1e-6}  # relative tolerance by bytes of a number
AFTER_TWO = " after two passes"  # ends the name of a gradient that must have added up
IN_PLACE = " in place"  # ends the name of an output that tells whether an argument was changed


def equal(got: np.ndarray, right: np.ndarray) -> bool:
    """Return whether two outputs agree in shape, dtype and, up to rounding, values."""
    if got.shape != right.shape or got.dtype.kind != right.dtype.kind:
        return False
    if np.array_equal(got, right):  # most often, and faster
        return right.dtype.kind != "f" or got.dtype == right.dtype
    return right.dtype.kind == "f" and got.dtype == right.dtype and bool(_close(got, right).all())


def _close(got, right):
    """Return where two arrays of one shape are equal up to rounding."""
    near = CLOSE.get(right.dtype.itemsize, 1e-6)
    finite = right[np.isfinite(right)]
    scale = np.abs(finite).max(initial=0.0)
    return np.isclose(got, right, rtol=near, atol=near * (scale or 1.0) / 10, equal_nan=True)


class Difference(NamedTuple):
    """One output in one run: what a solution computed, what is right, and the sizes by name."""

    got: np.ndarray
    right: np.ndarray
    sizes: dict[str, int]


def describe(runs: list[Difference]) -> str:
    """Return in a few words how an output differs from the right one.

    Parameters
    ----------
    runs : list of Difference
        Of one output in several runs, of which the first differs.
    """
    got, right, _ = runs[0]
    if got.dtype.kind == "U" and right.dtype.kind == "U" and str(got) != "<NoneType>":
        return say("number", got=str(got), right=str(right))
    if got.dtype.kind == "U":
        if right.dtype.kind == "U" and not str(got).startswith("<"):
            return say("number", got=got, right=right)
        return say("none") if str(got) == "<NoneType>" else say("no array", got=str(got))
    if right.dtype.kind == "U":
        return say("not none")
    if got.shape != right.shape:
        if _is_transposed(got, right):
            return say("transposed")
        return say("shape", got=got.shape, right=right.shape)
    if got.dtype.kind == right.dtype.kind == "b" and got.ndim == 0:
        return say("holds" if got else "fails")
    if got.dtype.kind not in "fiub" or right.dtype.kind not in "fiub":
        return say("no array", got=got.dtype)
    if _agree(got, right):
        return say("dtype", got=got.dtype, right=right.dtype)
    if not np.isfinite(got).all() and np.isfinite(right).all():
        return say("nan")
    if got.size < 2 or not right.any():
        return _entries(got, right)
    if not got.any() and got.dtype.kind != "b":
        return say("zero")
    if _is_transposed(got, right):
        return say("transposed")
    return _factor(runs) or _entries(got, right)


def _agree(got, right):
    return bool(_close(got.astype("float64"), right.astype("float64")).all())


def _is_transposed(got, right):
    return got.ndim == 2 and got.T.shape == right.shape and _agree(got.T, right)


def _factor(runs):
    """Return a sentence if an output is a multiple of the right one in each run."""
    factors = [_ratio(got, right) for got, right, _ in runs]
    if None in factors:
        return ""
    if np.allclose(factors, -1):
        return say("sign")
    if np.allclose(factors, 1, rtol=1e-3):
        return say("nearly", error=f"{np.abs(np.subtract(factors, 1)).max():.1g}")
    for form, power in (("{}", 1), ("1/{}", -1), ("√{}", 0.5), ("{}²", 2), ("1/{}²", -2)):
        for label in runs[0].sizes:
            named = [float(sizes.get(label, 1)) ** power for _, _, sizes in runs]
            if np.allclose(np.abs(factors), named, rtol=1e-3):
                return say("factor of", factor=f"{factors[0]:.4g}", size=form.format(label))
    same = np.allclose(factors, factors[0], rtol=1e-3)
    return say("factor", factor=f"{factors[0]:.4g}") if same else ""


def _ratio(got, right):
    """Return the factor between two arrays, or None if there is none."""
    if got.shape != right.shape or not right.any() or not np.isfinite([got, right]).all():
        return None
    got, right = got.astype("float64"), right.astype("float64")
    factor = float((got * right).sum() / (right**2).sum())
    near = np.allclose(got, factor * right, rtol=1e-3, atol=1e-3 * np.abs(got).max())
    return factor if near else None


def _entries(got, right):
    if got.ndim == 0:
        form = "" if got.dtype.kind == "b" else ".6g"
        return say("number", got=format(got[()], form), right=format(right[()], form))
    wrong = ~_close(got.astype("float64"), right.astype("float64"))
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return say(
        "partly",
        count=int(wrong.sum()),
        total=wrong.size,
        index=list(index),
        got=f"{got[index]:.4g}",
        right=f"{right[index]:.4g}",
    )
