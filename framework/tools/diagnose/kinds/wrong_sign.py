"""A wrong sign in backward."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class WrongSign(RepairedKind):
    """A term with the opposite sign."""

    name = "sign"
    order = 37
    title = "wrong sign", "falsches Vorzeichen"
    look = (
        "the sign of each term, and whether a - became a + in the derivation",
        "das Vorzeichen jedes Summanden und ob bei der Herleitung aus - ein + wurde",
    )
    says = telling("the sign is wrong", "das Vorzeichen ist falsch") | {
        "numbers": ("it has the wrong sign", "er hat das falsche Vorzeichen")
    }
    wrong = mistaken("return dz @", "return -dz @")

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right with the opposite sign."""
        if evidence.wrong.explains(-evidence.wrong.analytic):
            yield self.finding(evidence, "numbers")
