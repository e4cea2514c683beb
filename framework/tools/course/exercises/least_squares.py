"""Exercise: the powers of a polynomial, and its weights by least squares."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
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


SVD = "vt.T @ (s / (s**2 + ridge) * (u.T @ t))"
FILTER = "u, s, vt = u[:, real], s[real], vt[real]"
BODY = """    if method == "svd":
        return _by_svd(phi, t, ridge)
"""


def svd(ridge, formula=SVD):
    """Return the edits for one formula, whatever the method, with another use of λ."""
    return (BODY, f"    return _by_svd(phi, t, {ridge})\n"), (SVD, formula)


EXERCISE = Exercise(
    name="least_squares",
    chapter=1,
    title=(
        "Least squares: a polynomial in closed form, with ridge.",
        "Kleinste Quadrate: ein Polynom in geschlossener Form, mit Ridge.",
    ),
    task=(
        "Fill in powers, the design matrix of a polynomial, and least_squares, which returns the "
        "weights as the docstring defines them. Use the SVD or QR of NumPy, or np.linalg.lstsq; "
        "the normal equations are too inaccurate for degree 9. With ridge > 0, the penalty is "
        "λ/2 |w|², and Φ may have fewer rows than columns. Singular values below "
        "eps · max(s) · max(N, M) are rounding errors: leave them out. method need not have an "
        "effect. The given column(...) brings x and t to shape (N,) in float64. Wrong arguments "
        "need no error.",
        "Füllen Sie powers aus, die Designmatrix eines Polynoms, und least_squares, das die "
        "Gewichte so berechnet, wie der Docstring sie definiert. Verwenden Sie die SVD oder "
        "QR-Zerlegung von NumPy oder np.linalg.lstsq; die Normalgleichungen sind für Grad 9 zu "
        "ungenau. Für ridge > 0 ist der Strafterm λ/2 |w|², und Φ darf weniger Zeilen als Spalten "
        "haben. Singulärwerte kleiner als eps · max(s) · max(N, M) sind Rundungsfehler: Lassen Sie "
        "sie weg. method darf ohne Wirkung bleiben. Die gegebene Funktion column(...) bringt x und "
        "t auf die Form (N,) in float64. Falsche Argumente brauchen keine Fehlermeldung.",
    ),
    lessons={"firstlight.models.least_squares": ("powers", "least_squares", "column")},
    blanks=("powers", "least_squares"),
    hidden=("_by_svd", "_by_qr"),
    trials=(trial_powers, trial_weights, trial_wide, trial_accuracy),
    mistakes=(
        Mistake(
            (
                ("    if ridge:", "    if False:"),
                ("if len(phi) < width or ", "if len(phi) >= width and "),
            ),
            ('ridge has no effect with method="qr"', 'ridge bleibt bei method="qr" ohne Wirkung'),
            (
                "append the rows √λ I to Φ, and zeros to t",
                "hängen Sie an Φ die Zeilen √λ I an und an t Nullen",
            ),
        ),
        mistake(
            "vt.T @ (s",
            "vt @ (s",
            ("V is not transposed: svd returns Vᵀ", "V ist nicht transponiert: svd gibt Vᵀ zurück"),
            (
                "u, s, vt = np.linalg.svd(…), and vt.T is V",
                "u, s, vt = np.linalg.svd(…), und vt.T ist V",
            ),
        ),
        mistake(
            "degree + 1, increasing=True",
            "degree + 1",
            (
                "the powers are in descending order",
                "die Potenzen stehen in absteigender Reihenfolge",
            ),
            (
                "the first column is 1, the last x^M: np.vander(..., increasing=True)",
                "die erste Spalte ist 1, die letzte x^M: np.vander(..., increasing=True)",
            ),
        ),
        mistake(
            "degree + 1, increasing=True",
            "degree, increasing=True",
            ("the highest power x^M is missing", "die höchste Potenz x^M fehlt"),
            (
                "a polynomial of degree M has M + 1 columns, from x^0 to x^M",
                "ein Polynom vom Grad M hat M + 1 Spalten, von x^0 bis x^M",
            ),
        ),
        mistake(
            "increasing=True)",
            "increasing=True)[:, 1:]",
            ("the column of ones is missing", "die Spalte aus Einsen fehlt"),
            (
                "begin with x^0 = 1, the column of the constant",
                "beginnen Sie mit x^0 = 1, der Spalte der Konstanten",
            ),
        ),
        mistake(
            "increasing=True)",
            "increasing=True).T",
            (
                "the matrix is transposed: it has a row for each power",
                "die Matrix ist transponiert: Sie hat eine Zeile je Potenz",
            ),
            (
                "make one row for each point and one column for each power",
                "bilden Sie eine Zeile je Punkt und eine Spalte je Potenz",
            ),
        ),
        mistake(
            'np.vander(column("powers", x),',
            "np.vander(np.asarray(x).reshape(-1),",
            (
                "the result has the dtype of x instead of float64",
                "das Ergebnis hat den dtype von x statt float64",
            ),
            (
                'convert x first: column("powers", x), or np.asarray(x, np.float64)',
                'wandeln Sie x zuerst um: column("powers", x) oder np.asarray(x, np.float64)',
            ),
        ),
        mistake(
            BODY,
            "    return np.linalg.solve(phi.T @ phi + ridge * np.eye(phi.shape[1]), phi.T @ t)\n",
            (
                "the normal equations lose too many digits, and fail for dependent columns",
                "die Normalgleichungen verlieren zu viele Stellen und versagen bei abhängigen "
                "Spalten",
            ),
            (
                "do not form ΦᵀΦ: use the SVD or QR of Φ as in the docstring",
                "bilden Sie ΦᵀΦ nicht: Verwenden Sie SVD oder QR von Φ wie im Docstring",
            ),
        ),
        mistake(
            BODY,
            "    a = phi.T @ phi + ridge * np.eye(phi.shape[1])\n"
            "    return np.linalg.pinv(a) @ (phi.T @ t)\n",
            (
                "for ten points and degree 9, w has too few correct digits",
                "für zehn Punkte und Grad 9 hat w zu wenige richtige Stellen",
            ),
            (
                "do not form ΦᵀΦ, which squares the condition: use the SVD or QR of Φ, in float64",
                "bilden Sie ΦᵀΦ nicht, denn das quadriert die Kondition: Verwenden Sie SVD oder QR "
                "von Φ, in float64",
            ),
        ),
        Mistake(
            svd("0"),
            ("ridge has no effect", "ridge bleibt ohne Wirkung"),
            (
                "use λ = ridge: s / (s² + λ) with the SVD, the rows √λ I below Φ with QR",
                "verwenden Sie λ = ridge: s / (s² + λ) bei der SVD, die Zeilen √λ I unter Φ bei QR",
            ),
        ),
        Mistake(
            svd("len(t) * ridge"),
            ("λ is multiplied by N", "λ wird mit N multipliziert"),
            (
                "leave out N: E(w) is a sum over the samples, not a mean",
                "lassen Sie N weg: E(w) ist eine Summe über die Punkte, kein Mittelwert",
            ),
        ),
        Mistake(
            svd("ridge / 2"),
            ("λ is halved", "λ wird halbiert"),
            (
                "use λ itself: both terms of E(w) have the factor 1/2, which cancels",
                "verwenden Sie λ selbst: Beide Terme von E(w) haben den Faktor 1/2, der sich kürzt",
            ),
        ),
        Mistake(
            svd("ridge**2"),
            ("λ is squared", "λ wird quadriert"),
            (
                "use s / (s² + λ) with the SVD, and rows √λ I below Φ, not λ I, with QR or lstsq",
                "verwenden Sie s / (s² + λ) bei der SVD und die Zeilen √λ I unter Φ, nicht λ I, "
                "bei QR oder lstsq",
            ),
        ),
        Mistake(
            svd("ridge", SVD.replace("s / (s**2 + ridge)", "1 / (s + ridge)")),
            ("λ is added to s instead of s²", "λ wird zu s statt zu s² addiert"),
            ("the factor is s / (s² + λ)", "der Faktor ist s / (s² + λ)"),
        ),
        Mistake(
            svd("-ridge"),
            ("λ has the wrong sign", "λ hat das falsche Vorzeichen"),
            ("add λ: (ΦᵀΦ + λI) w = Φᵀt", "addieren Sie λ: (ΦᵀΦ + λI) w = Φᵀt"),
        ),
        mistake(
            FILTER,
            "pass",
            (
                "singular values of zero are divided by",
                "durch Singulärwerte, die null sind, wird dividiert",
            ),
            (
                "leave out singular values that are rounding errors, below "
                "eps · max(s) · max(N, M)",
                "lassen Sie Singulärwerte weg, die Rundungsfehler sind, also unter "
                "eps · max(s) · max(N, M)",
            ),
        ),
        mistake(
            'column("least_squares", t)',
            "np.asarray(t, np.float64)",
            (
                "t of shape (N, 1) is not brought to shape (N,)",
                "t der Form (N, 1) wird nicht auf die Form (N,) gebracht",
            ),
            (
                'begin with t = column("least_squares", t)',
                'beginnen Sie mit t = column("least_squares", t)',
            ),
        ),
        mistake(
            'np.asarray(phi, np.float64), column("least_squares", t)',
            'np.asarray(phi), column("least_squares", t).astype(np.asarray(t).dtype)',
            (
                "w has the dtype of the arguments instead of float64",
                "w hat den dtype der Argumente statt float64",
            ),
            ("convert phi and t to float64 first", "wandeln Sie phi und t zuerst in float64 um"),
        ),
        Mistake(
            svd("ridge", SVD.replace("s**2 + ridge", "s + ridge")),
            ("s is not squared in s / (s² + λ)", "s wird in s / (s² + λ) nicht quadriert"),
            ("the factor is s / (s² + λ)", "der Faktor ist s / (s² + λ)"),
        ),
    ),
)
