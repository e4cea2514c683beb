"""Exercise: the powers of a polynomial, and its weights by least squares."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import unchanged

RIDGE = 0.7


def trial_powers(code, draw):
    """Run powers on points of several kinds."""
    blank, n = "powers", draw.size("N", 3, 6)
    x, degree = draw.array(n), draw.size("M", 3, 6)
    kept = x.copy()
    yield Output(blank, "powers", code.powers(x, degree))
    yield unchanged(blank, "x", x, kept)
    yield Output(blank, "powers (x: (N, 1))", code.powers(x[:, None], degree))
    yield Output(blank, "powers (M=0)", code.powers(x, 0))
    yield Output(blank, "powers (x: int)", code.powers(draw.integers(5, n), degree))
    yield Output(blank, "powers (x: list)", code.powers(x.tolist(), degree))


def trial_weights(code, draw):
    """Run least_squares on problems that normal equations can solve."""
    blank, m = "least_squares", draw.size("M", 2, 4)
    n = draw.size("N", 6, 9)
    phi, t = draw.array(n, m), draw.array(n)
    kept = phi.copy(), t.copy()
    yield Output(blank, "w", code.least_squares(phi, t))
    yield unchanged(blank, "phi", phi, kept[0])
    yield unchanged(blank, "t", t, kept[1])
    yield Output(blank, 'w (method="qr")', code.least_squares(phi, t, method="qr"))
    yield Output(blank, "w (t: (N, 1))", code.least_squares(phi, t[:, None]))
    for how in ("svd", "qr"):
        case = f"ridge={RIDGE}, method={how!r}"
        w = code.least_squares(phi, t, ridge=RIDGE, method=how)
        yield Output(blank, f"w ({case})", w)


def trial_wide(code, draw):
    """Run least_squares with ridge on fewer samples than columns."""
    phi = draw.array(draw.size("N", 2, 4), draw.size("M", 6, 9))
    t = draw.array(len(phi))
    for how in ("svd", "qr"):
        w = code.least_squares(phi, t, ridge=RIDGE, method=how)
        yield Output("least_squares", f"w (N < M, ridge={RIDGE}, method={how!r})", w)


def trial_accuracy(code, draw):
    """Run least_squares where normal equations are inaccurate or fail."""
    blank = "least_squares"
    x = np.linspace(0.0, 1.0, 10)
    phi, right = np.vander(x, 10, increasing=True), draw.array(10).astype("float64")
    for how in ("svd", "qr"):
        w = code.least_squares(phi, phi @ right, method=how)
        one = not isinstance(w, tuple) and np.shape(w) == (10,)
        close = one and np.allclose(w, right, rtol=0, atol=1e-5)
        yield Output(blank, f"|w - ŵ| < 1e-5 (N=10, M=9, method={how!r})", close)
    phi = draw.array(5, 3)
    phi[:, 1] = 0
    w = code.least_squares(phi, draw.array(5))
    yield Output(blank, "w (phi[:, 1] = 0)", w)
    w = code.least_squares(phi[:2], draw.array(2))
    yield Output(blank, "w (N < M)", w)


EXERCISE = Exercise(
    name="least_squares",
    chapter=1,
    lessons={"firstlight.models.least_squares": ("powers", "least_squares", "column")},
    blanks=("powers", "least_squares"),
    hidden=("_by_svd", "_by_qr"),
    trials=(trial_powers, trial_weights, trial_wide, trial_accuracy),
)
