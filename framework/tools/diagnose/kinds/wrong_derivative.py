"""A wrong derivative of an elementwise function, or one that is left out."""

import ast

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.wrong_backward import WrongBackward
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class WrongDerivative(RepairedKind):
    """A formula of a derivative with a wrong power or function in it, or one that is left out."""

    name = "derivative"
    about = (WrongGradient, WrongBackward)
    title = "wrong derivative", "falsche Ableitung"
    look = (
        "the derivative of each function, by a table: tanh' = 1 - tanh², σ' = σ (1 - σ)",
        "die Ableitung jeder Funktion in einer Tabelle: tanh' = 1 - tanh², σ' = σ (1 - σ)",
    )
    says = telling("a derivative is wrong", "eine Ableitung ist falsch") | {
        "passed": (
            "the derivative of `{code}` (line {line}) is left out: what comes after it goes on "
            "unchanged to what was before it",
            "die Ableitung von `{code}` (Zeile {line}) ist ausgelassen: der Gradient wird "
            "unverändert an ihr vorbei weitergegeben",
        ),
        "dropped": (
            "the gradient of `{kept}` in `{code}` (line {line}) lacks the factor `{factor}`",
            "dem Gradienten von `{kept}` in `{code}` (Zeile {line}) fehlt der Faktor `{factor}`",
        ),
        "divided": (
            "the gradient of `{kept}` in `{code}` (line {line}) is not divided by `{factor}`",
            "der Gradient von `{kept}` in `{code}` (Zeile {line}) ist nicht durch `{factor}` "
            "geteilt",
        ),
    }

    def judge(self, evidence: WrongGradient | WrongBackward) -> Findings:
        """Tell which derivative is left out, or the line of a repair."""
        if isinstance(evidence, WrongGradient):
            yield from super().judge(evidence)
            return
        change = evidence.change
        if change is None or change.how not in ("passed", "dropped"):
            return
        nodes, key = evidence.derivatives.nodes, change.how
        told = evidence.told | {"code": nodes[change.node].code}
        if key == "dropped":
            first, second = nodes[change.node].operands
            told |= {"factor": nodes[change.other].code}
            told |= {"kept": nodes[first if change.other == second else second].code}
            key = "divided" if isinstance(nodes[change.node].tree.op, ast.Div) else key
        yield self.finding(evidence, key, at=evidence.place, **told)

    wrong = mistaken("1 - y**2", "1 - y")
