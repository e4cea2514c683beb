"""Gradients of a softmax from which 1 is subtracted in whole columns."""

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.script.events import Kept
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.values import LABELLED

SOFTMAX = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4))
y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
w = rng.normal(size=(4, 3))
for epoch in range(40):
    p = np.exp(x @ w)
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(60), y]).mean()
    p[np.arange(60), y] -= 1
    w -= 0.5 * x.T @ p / 60
print(loss)
"""


class LabelIndex(Kind):
    """``p[:, y] -= 1``, which changes the columns of all labels in each row."""

    name = "label-index"
    about = TrainingLoop
    title = "index of the labels", "Index der Labels"
    look = (
        "p[np.arange(len(y)), y] is one entry of each row, p[:, y] are whole columns",
        "p[np.arange(len(y)), y] ist ein Eintrag je Zeile, p[:, y] sind ganze Spalten",
    )
    causes = frozenset({"step-term", "step-factor", "step-sign", "step-zero", "own-update"})
    says = {
        "columns": (
            "{name} is an array of {count} x {count}: this changes the columns of all {count} "
            "labels in every row, and not the label's entry of each row",
            "{name} ist ein Array von {count} x {count}: dies verändert in jeder Zeile die Spalten "
            "aller {count} Labels statt in jeder Zeile den Eintrag ihres Labels",
        )
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at the first assignment to columns, as many as there are rows."""
        for event in evidence.trace.of(Kept):
            shape = event.arrays[0].shape if event.arrays else ()
            square = len(shape) == 2 and shape[0] == shape[1] > 1
            if square and LABELLED.match(event.name) and "-=" in event.at.code:
                base, _, index = event.name.partition("[:, ")
                cure = event.at.code.replace("[:, ", f"[np.arange(len({index[:-1]})), ")
                values = {"name": event.name, "count": shape[0]}
                yield self.finding(evidence, "columns", at=event.at, cure=cure, **values)
                return

    right = SOFTMAX
    wrong = SOFTMAX.replace("p[np.arange(60), y] -=", "p[:, y] -=")
