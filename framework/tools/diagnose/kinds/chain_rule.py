"""A backward that breaks the chain rule: dy does not enter every term once."""

import numpy as np

from firstlight.support.state import children
from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.arrays import is_multiple
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken


class ChainRule(RepairedKind):
    """A gradient that is not proportional to dy, or is dy itself."""

    name = "chain-rule"
    order = 30
    title = "chain rule violated", "Kettenregel verletzt"
    look = (
        "dL/dx = dy · dy/dx: dy enters every term exactly once",
        "dL/dx = dy · dy/dx: dy steht in jedem Summanden genau einmal",
    )
    says = {
        "without": (
            "it does not depend on dy: multiply by dy, as the chain rule says",
            "er hängt nicht von dy ab: mit dy multiplizieren, wie die Kettenregel sagt",
        ),
        "twice": ("dy enters twice", "dy kommt doppelt vor"),
        "nonlinear": (
            "it is not proportional to dy; every term has dy as a factor, once",
            "er ist nicht proportional zu dy; jeder Summand hat dy genau einmal als Faktor",
        ),
        "passed": (
            "it is dy, passed through: the derivative of forward is forgotten",
            "er ist das weitergereichte dy: die Ableitung von forward fehlt",
        ),
    }
    wrong = mistaken("dz = dy * (1 - y**2)", "dz = 1 - y**2")

    def judge(self, evidence: WrongGradient) -> Findings:
        """Run backward with -2 dy, and compare dx with dy."""
        rerun, wrong, line = evidence.rerun, evidence.wrong, evidence.line
        if rerun is None or wrong.status != "wrong" or not wrong.analytic.any():
            return
        other = rerun.backward(-2 * rerun.dy)[wrong.name]
        if np.allclose(other, wrong.analytic, rtol=1e-6):
            yield self.finding(evidence, "without", **line)
        elif np.allclose(other, 4 * wrong.analytic, rtol=1e-6):
            yield self.finding(evidence, "twice", **line)
        elif not np.allclose(other, -2 * wrong.analytic, rtol=1e-6, atol=1e-12):
            yield self.finding(evidence, "nonlinear", **line)
        elif line or wrong.name != "dx" or any(True for _ in children(rerun.module)):
            return
        elif is_multiple(wrong.analytic, rerun.dy):
            yield self.finding(evidence, "passed")
