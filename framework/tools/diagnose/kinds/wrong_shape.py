"""A gradient of another shape than its values."""

import numpy as np

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient


class WrongShape(Kind):
    """A dx that has not the shape of x, and no small change of the source gives it that."""

    name = "shape"
    about = WrongGradient
    order = 58
    title = "wrong shape", "falsche Shape"
    look = "the shapes of dx and x, line by line", "die Shapes von dx und x, Zeile für Zeile"
    says = {
        "shape": (
            "it has shape {got} instead of {expected}",
            "er hat die Shape {got} statt {expected}",
        )
    }

    def judge(self, evidence: WrongGradient) -> Findings:
        """Compare the shapes."""
        wrong = evidence.wrong
        if wrong.status == "shape":
            got = np.shape(wrong.analytic)
            yield self.finding(evidence, "shape", got=got, expected=wrong.values.shape)
