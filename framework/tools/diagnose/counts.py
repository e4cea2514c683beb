"""Name a factor by what there are so many of."""

import itertools
import math


def named_factor(c, bench, wrong):
    """Return ``(kind, words)`` for a gradient that must be multiplied by c, None without one.

    Parameters
    ----------
    c : float or None
        Right gradient over what backward says.
    bench : Bench
        Whose shapes tell the counts: samples, features, positions.
    wrong : Gradient
    """
    if c is None or abs(c - 1) < 1e-3:
        return None
    if abs(c + 1) < 1e-3:
        return "sign", "it has the wrong sign"
    sign = "has the wrong sign, and is" if c < 0 else "is"
    size, larger = abs(c), abs(c) > 1
    ratio = size if larger else 1 / size
    for count, name, batch in counts(bench):
        if abs(ratio / count - 1) < 1e-3:
            kind = "batch-factor" if batch else "factor"
            if larger:
                why = f"divided by {count}, {name}, which forward does not do"
                return kind, f"it {sign} {count} times too small: {why}"
            why = f"forward's 1/{count} is forgotten, or a mean became a sum; {count} is {name}"
            return kind, f"it {sign} {count} times too large: {why}"
    for name, parameter in bench.trained:
        if parameter.size == 1 and abs(c / parameter.data.item() - 1) < 1e-3:
            return "factor", f"the factor {name} is forgotten"
    if wrong.values.size == 1:  # a single number is always some multiple of another
        return None
    how = "small" if larger else "large"
    return "factor", f"it {sign} {ratio:.4g} times too {how}, everywhere alike"


def counts(bench):
    """Yield ``(count, its name, whether it has the batch in it)``, the likeliest first."""
    y, inputs = bench.y, [x for x in bench.inputs if hasattr(x, "shape") and x.ndim]
    n = len(inputs[0]) if inputs else 0
    if n > 1:
        yield n, "the number of samples", True
    shapes = dict.fromkeys([*(x.shape for x in inputs), getattr(y, "shape", ())])
    if n > 1:
        for shape in shapes:
            for k in range(2, len(shape) + 1):
                if shape[0] == n:
                    yield math.prod(shape[:k]), "the samples times their places", True
    yield 2, "the exponent of a square", False
    for shape in shapes:
        for k in range(1, len(shape)):
            for axes in itertools.combinations(shape[1:], k):
                if math.prod(axes) > 1:
                    yield math.prod(axes), f"the size of {' x '.join(map(str, axes))}", False
