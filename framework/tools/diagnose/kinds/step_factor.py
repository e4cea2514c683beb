"""Gradients of a script that are right but for a factor."""

from firstlight.tools.diagnose.kind import Findings, Kind, in_language
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

SCRIPT = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 3))
y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=50)
w, b = np.zeros(3), 0.0
for step in range(60):
    error = x @ w + b - y
    loss = (error**2).mean()
    dw = 2 * x.T @ error / len(x)
    db = 2 * error.mean()
    w -= 0.05 * dw
    b -= 0.05 * db
"""


class StepSign(Kind):
    """Gradients with the opposite sign, with which the loss grows."""

    name = "step-sign"
    about = WrongStep
    order = 30
    title = "wrong sign of a gradient", "falsches Vorzeichen eines Gradienten"
    look = (
        "the sign of the gradient, and that of the update: w -= lr * dw",
        "das Vorzeichen des Gradienten und das der Aktualisierung: w -= lr * dw",
    )
    says = {
        "sign": ("it has the wrong sign", "er hat das falsche Vorzeichen"),
        "line": (
            "with the sign changed in line {line} it is right",
            "mit dem anderen Vorzeichen in Zeile {line} ist er richtig",
        ),
    }
    wrong = SCRIPT.replace("dw = 2 *", "dw = -2 *")
    right = SCRIPT

    def judge(self, evidence: WrongStep) -> Findings:
        """Test whether the gradients are right with the opposite sign."""
        factor, repair = evidence.factor, evidence.repair
        is_sign = repair is not None and repair.mistake == "sign"
        if not is_sign and (factor is None or abs(factor + 1) > 0.01):
            return
        yield self.finding(evidence, "line" if factor is None else "sign", **evidence.line)


class StepFactor(Kind):
    """Gradients that are too large or too small by a factor, such as the number of samples."""

    name = "step-factor"
    about = WrongStep
    order = 32
    title = "wrong factor of a gradient", "falscher Faktor eines Gradienten"
    look = (
        "the constants of the loss, and its mean: the gradient has each of them once",
        "die Konstanten des Loss und seine Mittelung: der Gradient enthält jede davon einmal",
    )
    says = {
        "factor": (
            "it is {ratio:.4g} times too {size}{meaning}",
            "er ist {ratio:.4g}-mal zu {size}{meaning}",
        )
    }
    wrong = SCRIPT.replace("error / len(x)", "error")
    right = SCRIPT

    def judge(self, evidence: WrongStep) -> Findings:
        """Test whether the gradients are right times a number."""
        factor = evidence.factor
        if factor is None or factor < 0:
            return
        size = in_language(("large", "groß") if factor > 1 else ("small", "klein"))
        values = {"ratio": max(factor, 1 / factor), "meaning": evidence.meaning(factor)}
        yield self.finding(evidence, "factor", size=size, **values, **evidence.line)
