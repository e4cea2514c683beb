"""Exercise: functions for arrays of NumPy and of CuPy."""

import numpy as np

from firstlight.tools.course.device_array import DeviceArray
from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import unchanged

ARGUMENTS = {"softmax": "z", "one_hot": "labels", "standardise": "x"}
PLACES = (("NumPy", np.asarray), ("CuPy", DeviceArray))


def run(code, blank, label, array, *arguments):
    """Yield the outputs of a function for an array of NumPy, and for one on the device."""
    for place, put in PLACES:
        before = DeviceArray.copies
        given = put(array.copy())
        result = getattr(code, blank)(given, *arguments)
        copies = DeviceArray.copies - before
        on_device = isinstance(result, DeviceArray)
        yield Output(blank, f"{label} ({place})", result.get() if on_device else result)
        if put is np.asarray:
            yield unchanged(blank, ARGUMENTS[blank], given, array)
        else:
            yield Output(blank, f"type({label}) == type({ARGUMENTS[blank]})", on_device)
            yield Output(blank, f"{label}: get()", copies)


def trial_softmax(code, draw):
    """Run softmax, also on large numbers."""
    z = draw.array(draw.size("N"), draw.size("C"))
    yield from run(code, "softmax", "p", z)
    yield from run(code, "softmax", "p(1000 z)", 1000 * z)


def trial_one_hot(code, draw):
    """Run one_hot on labels; the last class does not occur."""
    n, c = draw.size("N"), draw.size("C", 4)
    yield from run(code, "one_hot", "y", draw.integers(c - 1, n), c)


def trial_standardise(code, draw):
    """Run standardise, also on a constant column and on one of small numbers."""
    x = 3 + 2 * draw.array(draw.size("N", 4), draw.size("D", 3))
    yield from run(code, "standardise", "y", x)
    x = x.copy()
    x[:, 1] = 5
    yield from run(code, "standardise", "y(x[:, 1] = 5)", x)
    x[:, 1] = 1e-6 * draw.array(len(x))
    yield from run(code, "standardise", "y(σ[1] ≈ 1e-6)", x)


def trial_to_numpy(code, draw):
    """Run to_numpy in both places."""
    x = draw.array(draw.size("N"))
    for place, put in PLACES:
        result = code.to_numpy(put(x))
        yield Output("to_numpy", f"type(x) ({place})", type(result).__name__)
        yield Output("to_numpy", f"x ({place})", result)


CONVERTS = (
    (
        "an array on the device is converted to NumPy implicitly, which CuPy refuses",
        "ein Array auf dem Gerät wird implizit in NumPy umgewandelt, was CuPy verweigert",
    ),
    (
        "do not mix it with NumPy arrays, np.asarray or math: use functions of np on the array "
        "itself, and xp = array_module(...) to create new ones",
        "mischen Sie es nicht mit NumPy-Arrays, np.asarray oder math: Wenden Sie Funktionen von np "
        "auf das Array selbst an und legen Sie neue mit xp = array_module(...) an",
    ),
)
MEETS = (
    (
        "a new NumPy array meets an array on the device",
        "ein neues NumPy-Array trifft auf ein Array auf dem Gerät",
    ),
    (
        "create it on the device: xp = array_module(...), then xp.zeros, xp.arange, xp.eye",
        "legen Sie es auf dem Gerät an: xp = array_module(...), dann xp.zeros, xp.arange, xp.eye",
    ),
)


def of(blank, texts):
    """Return what and how of a mistake that several blanks share, with the blank's name."""
    what, how = texts
    return tuple(f"{blank}: {text}" for text in what), how


EXERCISE = Exercise(
    name="array_module",
    chapter=4,
    title=("One source for NumPy and CuPy.", "Derselbe Code für NumPy und CuPy."),
    task=(
        "Fill in the functions so that they work on arrays of NumPy and of CuPy. The check uses "
        "arrays that are as strict as CuPy's, so it needs no GPU. xp = array_module(x) is the "
        "module of x: xp.zeros(...) creates an array on the device of x. softmax, one_hot and "
        "standardise must not copy to main memory with get(), nor change their argument; to_numpy "
        "copies, with get() or xp.asnumpy. σ² in standardise is the mean of the squares, with N.",
        "Füllen Sie die Funktionen so aus, dass sie auf Arrays von NumPy und von CuPy "
        "funktionieren. Die Prüfung verwendet Arrays, die so streng sind wie die von CuPy, und "
        "braucht daher keine GPU. xp = array_module(x) ist das Modul von x: xp.zeros(...) legt ein "
        "Array auf dem Gerät von x an. softmax, one_hot und standardise dürfen weder mit get() in "
        "den Hauptspeicher kopieren noch ihr Argument ändern; to_numpy kopiert, mit get() oder "
        "xp.asnumpy. σ² in standardise ist der Mittelwert der Quadrate, mit N.",
    ),
    lessons={
        "firstlight.tools.course.lessons.array_module": (
            "array_module",
            "softmax",
            "one_hot",
            "standardise",
            "to_numpy",
        )
    },
    blanks=("softmax", "one_hot", "standardise", "to_numpy"),
    trials=(trial_softmax, trial_one_hot, trial_standardise, trial_to_numpy),
    mistakes=(
        mistake("np.exp(z - z.max", "np.exp(np.asarray(z) - z.max", *of("softmax", CONVERTS)),
        mistake("np.exp(z - z.max", "np.exp(np.zeros(1) + z - z.max", *of("softmax", MEETS)),
        mistake(
            "np.exp(z - z.max(axis=1, keepdims=True))",
            "np.exp(z)",
            ("exp overflows for large z", "exp läuft für große z über"),
            (
                "subtract each row's largest z first",
                "ziehen Sie zuerst von jeder Zeile ihr größtes z ab",
            ),
        ),
        mistake(
            "z - z.max(axis=1, keepdims=True)",
            "z - z.max()",
            (
                "the maximum is that of the whole batch, so that exp of other rows is 0",
                "das Maximum ist das des ganzen Batches, sodass exp anderer Zeilen 0 ist",
            ),
            (
                "subtract each row's own maximum: axis=1, keepdims=True",
                "ziehen Sie von jeder Zeile ihr eigenes Maximum ab: axis=1, keepdims=True",
            ),
        ),
        mistake(
            "powers.sum(axis=1, keepdims=True)",
            "powers.sum(axis=0, keepdims=True)",
            (
                "softmax runs over the samples instead of the classes",
                "die Softmax läuft über die Samples statt über die Klassen",
            ),
            (
                "sum over each row: axis=1, keepdims=True",
                "summieren Sie über jede Zeile: axis=1, keepdims=True",
            ),
        ),
        mistake(
            '(labels[:, None] == xp.arange(classes)).astype("float32")',
            'np.eye(classes, dtype="float32")[labels]',
            *of("one_hot", CONVERTS),
        ),
        mistake("xp.arange(classes)", "np.arange(classes)", *of("one_hot", MEETS)),
        mistake(
            '.astype("float32")',
            '.astype("float64")',
            ("y has dtype float64", "y hat den dtype float64"),
            (
                'create it with dtype="float32", or convert with .astype("float32")',
                'legen Sie es mit dtype="float32" an oder wandeln Sie mit .astype("float32") um',
            ),
        ),
        mistake(
            '.astype("float32")',
            "",
            ("y is an array of bool", "y ist ein Array von bool"),
            ('convert with .astype("float32")', 'wandeln Sie mit .astype("float32") um'),
        ),
        mistake(
            "xp.arange(classes)",
            "xp.arange(1, classes + 1)",
            ("the classes are counted from 1", "die Klassen werden von 1 an gezählt"),
            ("label 0 is the first column", "Label 0 ist die erste Spalte"),
        ),
        mistake(
            "xp.arange(classes)",
            "xp.arange(int(labels.max()) + 1)",
            (
                "the number of columns is taken from the labels",
                "die Anzahl der Spalten stammt aus den Labels",
            ),
            (
                "use classes: not every class occurs in each batch",
                "verwenden Sie classes: Nicht jede Klasse kommt in jedem Batch vor",
            ),
        ),
        mistake(
            "(x - x.mean(axis=0))", "(x - np.asarray(x).mean(0))", *of("standardise", CONVERTS)
        ),
        mistake("(x - x.mean(axis=0))", "(x - np.zeros(1) - x.mean(0))", *of("standardise", MEETS)),
        mistake(
            "np.where(deviation > 0, deviation, 1)",
            "deviation",
            ("a constant column becomes NaN: 0/0", "eine konstante Spalte wird zu NaN: 0/0"),
            (
                "divide by 1 where σ is 0: np.where(σ > 0, σ, 1)",
                "teilen Sie durch 1, wo σ gleich 0 ist: np.where(σ > 0, σ, 1)",
            ),
        ),
        mistake(
            "np.where(deviation > 0, deviation, 1)",
            "(deviation + 1e-8)",
            (
                "x is divided by σ + 1e-8, which is too much for a column of small numbers",
                "x wird durch σ + 1e-8 geteilt, zu viel für eine Spalte mit kleinen Zahlen",
            ),
            (
                "divide by σ, and by 1 where it is 0: np.where(σ > 0, σ, 1)",
                "teilen Sie durch σ, und durch 1, wo es 0 ist: np.where(σ > 0, σ, 1)",
            ),
        ),
        mistake(
            "x.std(axis=0)",
            "x.var(axis=0)",
            ("x is divided by the variance", "x wird durch die Varianz geteilt"),
            (
                "divide by its root, the standard deviation",
                "teilen Sie durch ihre Wurzel, die Standardabweichung",
            ),
        ),
        mistake(
            "x.std(axis=0)",
            "x.std(axis=0, ddof=1)",
            ("σ is that of a sample, with N - 1", "σ ist das einer Stichprobe, mit N - 1"),
            (
                "leave out ddof, so that y has the standard deviation 1",
                "lassen Sie ddof weg, damit y die Standardabweichung 1 hat",
            ),
        ),
        mistake(
            "(x - x.mean(axis=0))",
            "x",
            ("the mean is not subtracted", "der Mittelwert wird nicht abgezogen"),
            ("y = (x - μ) / σ", "y = (x - μ) / σ"),
        ),
        mistake(
            "(x - x.mean(axis=0)) /",
            "(x - x.mean()) /",
            (
                "the mean is that of all columns together",
                "der Mittelwert ist der aller Spalten zusammen",
            ),
            (
                "use each column's own: x.mean(axis=0)",
                "verwenden Sie den je Spalte: x.mean(axis=0)",
            ),
        ),
        mistake(
            'return x.get() if hasattr(x, "get") else x',
            "return np.asarray(x)",
            (
                "to_numpy converts implicitly, which CuPy refuses",
                "to_numpy wandelt implizit um, was CuPy verweigert",
            ),
            (
                "call x.get() of an array on the device",
                "rufen Sie x.get() eines Arrays auf dem Gerät auf",
            ),
        ),
        mistake(
            'return x.get() if hasattr(x, "get") else x',
            "return x.get()",
            ("NumPy arrays have no get()", "NumPy-Arrays haben kein get()"),
            (
                'return x itself then, e.g. with if not hasattr(x, "get")',
                'geben Sie dann x selbst zurück, z. B. mit if not hasattr(x, "get")',
            ),
        ),
        mistake(
            'return x.get() if hasattr(x, "get") else x',
            "return x.tolist()",
            ("the result is a list", "das Ergebnis ist eine Liste"),
            ("return a NumPy array", "geben Sie ein NumPy-Array zurück"),
        ),
        mistake(
            'return x.get() if hasattr(x, "get") else x',
            "return x",
            ("an array on the device stays there", "ein Array auf dem Gerät bleibt dort"),
            ("call x.get() of it", "rufen Sie dessen x.get() auf"),
        ),
        mistake(
            "powers.sum(axis=1, keepdims=True)",
            "powers.sum()",
            (
                "the sum runs over the whole batch instead of each row",
                "die Summe läuft über den ganzen Batch statt über jede Zeile",
            ),
            (
                "sum over each row: axis=1, keepdims=True",
                "summieren Sie über jede Zeile: axis=1, keepdims=True",
            ),
        ),
        Mistake(
            (("x.std(axis=0)", "x.std()"), ("(x - x.mean(axis=0)) /", "(x - x.mean()) /")),
            (
                "mean and standard deviation are those of all columns together",
                "Mittelwert und Standardabweichung sind die aller Spalten zusammen",
            ),
            ("use axis=0 for both", "verwenden Sie für beide axis=0"),
        ),
    ),
)
