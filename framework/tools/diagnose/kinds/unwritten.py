"""A gradient that backward never writes or returns."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken


class Unwritten(RepairedKind):
    """A parameter's gradient that stays zero, or a dx that is None."""

    name = "zero"
    mistakes = frozenset({"unwritten"})
    title = "gradient never written", "Gradient wird nie geschrieben"
    look = (
        "whether each parameter's grad is written, with +=, and dx returned",
        "ob der grad jedes Parameters mit += geschrieben und dx zurückgegeben wird",
    )
    says = {
        "zero": (
            "it stays zero: backward never writes it",
            "er bleibt null: backward schreibt ihn nie",
        ),
        "none": ("backward returns None instead of dx", "backward gibt None statt dx zurück"),
    }
    wrong = mistaken("        self.b.grad += dz.sum(axis=0)\n", "")

    def judge(self, evidence: WrongGradient) -> Findings:
        """Look for a gradient that is None or all zero, and for the statement that is missing."""
        wrong, repair = evidence.wrong, evidence.repair
        if repair is not None and not self.fits(repair, evidence):
            return
        if wrong.status == "missing":
            yield self.finding(evidence, "none", **evidence.line)
        elif wrong.status == "wrong" and not wrong.analytic.any():
            yield self.finding(evidence, "zero", **evidence.line)
