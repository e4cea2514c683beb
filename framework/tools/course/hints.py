"""Hints on exceptions that are frequent in solutions."""

import re

from firstlight.tools.diagnose.kind import in_language

HINTS = (
    (
        r"'tuple' object|broadcast shape \(1,|unsupported operand type.*'tuple'|tuple indices|"
        r"can't multiply sequence",
        (
            "self.saved() returns a tuple, also of one value: (x,) = self.saved()",
            "self.saved() gibt ein Tupel zurück, auch bei nur einem Wert: (x,) = self.saved()",
        ),
    ),
    (
        r"mismatch in its core dimension|not aligned",
        (
            "the inner sizes of a matrix product must be equal; transpose a factor with .T, or "
            "swap both",
            "die inneren Größen eines Matrixprodukts müssen gleich sein; transponieren Sie einen "
            "Faktor mit .T oder tauschen Sie beide",
        ),
    ),
    (
        r"cannot be replaced",
        (
            "add to the gradient, since those of several passes add up: self.weight.grad += …",
            "addieren Sie zum Gradienten, denn die mehrerer Durchläufe addieren sich: "
            "self.weight.grad += …",
        ),
    ),
    (
        r"could not be broadcast|broadcastable|broadcast shape|could not broadcast",
        (
            "the shapes do not fit element by element; look at the axis of a sum, at keepdims=True "
            "and at transposed factors",
            "die Formen passen nicht elementweise; prüfen Sie die Achse einer Summe, keepdims=True "
            "und transponierte Faktoren",
        ),
    ),
    (
        r"truth value of an array",
        (
            "if, max and and take one value; np.where, np.maximum and & work on each element",
            "if, max und and nehmen einen Wert; np.where, np.maximum und & wirken elementweise",
        ),
    ),
    (
        r"'NoneType'",
        (
            "a value is None here; ask for this case, or look for a missing return",
            "ein Wert ist hier None; fragen Sie diesen Fall ab oder suchen Sie ein fehlendes "
            "return",
        ),
    ),
    (
        r"no forward left to undo",
        (
            "forward calls self.save(...) once, and backward self.saved() once",
            "forward ruft einmal self.save(...) auf und backward einmal self.saved()",
        ),
    ),
    (
        r"Cannot cast ufunc",
        (
            "an array in place keeps its dtype; begin with an array of floats, e.g. "
            "np.zeros(shape, x.dtype)",
            "ein Array behält in-place seinen dtype; beginnen Sie mit einem Array von "
            "Gleitkommazahlen, z. B. np.zeros(shape, x.dtype)",
        ),
    ),
    (
        r"Implicit conversion to a NumPy array",
        (
            "call functions of np with the array itself, and create new arrays with "
            "xp = array_module(x)",
            "rufen Sie Funktionen von np mit dem Array selbst auf und legen Sie neue Arrays mit "
            "xp = array_module(x) an",
        ),
    ),
    (
        r"array of NumPy meets",
        (
            "create the new array with xp = array_module(x) instead of np",
            "legen Sie das neue Array mit xp = array_module(x) statt mit np an",
        ),
    ),
)


def hint(message: str) -> str:
    """Return how to mend the usual cause of an exception's message, or ""."""
    return next((in_language(how) for part, how in HINTS if re.search(part, message)), "")
