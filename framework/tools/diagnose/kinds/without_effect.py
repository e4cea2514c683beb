"""Statements of a training that move or limit arrays in vain."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.single_lines import WithoutEffect

STEP = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 3))
y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=50)


def train_step(w, b, lr=0.05):
    error = x @ w + b - y
    w -= lr * 2 * x.T @ error / len(x)
    b -= lr * 2 * error.mean()
    return (error**2).mean()


w, b = np.zeros(3), np.zeros(1)
for step in range(60):
    loss = train_step(w, b)
"""


class NoEffect(Kind):
    """A statement of a training that can be left out without any effect."""

    name = "no-effect"
    about = WithoutEffect
    title = "computed and thrown away", "berechnet und weggeworfen"
    look = (
        "whether the line writes into the array (w -= ...) or makes another one (w = w - ...), and "
        "whether it comes before the line that needs its result",
        "ob die Zeile in das Array schreibt (w -= ...) oder ein anderes erzeugt (w = w - ...), und "
        "ob sie vor der Zeile steht, die ihr Ergebnis braucht",
    )
    causes = frozenset({"overfit", "lr-high", "lr-low"})
    says = {
        "again": (
            "{name} = ... makes another array, which nothing reads: each step begins with the same "
            "values again, so that the array is never trained; write into it in place, "
            "{name} -= ..., or return it",
            "{name} = ... erzeugt ein anderes Array, das nichts liest: Jeder Schritt beginnt "
            "wieder mit denselben Werten, das Array wird also nie trainiert; "
            "in place hineinschreiben, {name} -= ..., oder es zurückgeben",
        ),
        "late": (
            "this line limits {name} after the update has used it: without the line, all numbers "
            "of the script are the same; it has to come before the update",
            "diese Zeile begrenzt {name}, nachdem das Update es verwendet hat: Ohne sie sind alle "
            "Zahlen des Skripts dieselben; sie gehört vor das Update",
        ),
    }
    wrong = STEP.replace("    w -= lr", "    w = w - lr")
    right = STEP

    def judge(self, evidence: WithoutEffect) -> Findings:
        """Say why the statement has no effect."""
        event = evidence.event
        key = "late" if evidence.is_late else "again"
        yield self.finding(evidence, key, at=event.at, name=event.name)
