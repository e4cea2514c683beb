"""Updates of a script's own code that are those of a usual rule with one mistake."""

from firstlight.tools.diagnose.kind import Findings, Kind, in_language
from firstlight.tools.diagnose.kinds.step_factor import SCRIPT
from firstlight.tools.diagnose.kinds.update_rule import UpdateRule
from firstlight.tools.diagnose.probes.steps.own_updates import OwnUpdates

MOMENTUM = SCRIPT.replace(
    "w, b = np.zeros(3), 0.0", "w, b, v = np.zeros(3), 0.0, np.zeros(3)"
).replace("    w -= 0.05 * dw\n", "    v = 0.9 * v - 0.05 * dw\n    w += v\n")


class OwnUpdateRule(Kind):
    """A statement that moves an array by its right gradient, but not as a usual rule does."""

    name = "own-update"
    about = OwnUpdates
    title = "wrong update in the script", "falsches Update im Skript"
    look = UpdateRule.look
    causes = frozenset({"overfit"})
    says = {
        "uphill": (
            "this update of {who} goes uphill: it adds a multiple of the gradient of the loss",
            "dieses Update von {who} läuft bergauf: Es addiert ein Vielfaches des Gradienten",
        ),
        "lost": (
            "{who} is zero before each step: momentum and averages have no effect",
            "{who} ist vor jedem Schritt null: Momentum und Mittelwerte bleiben ohne Wirkung",
        ),
    }
    wrong = MOMENTUM.replace("w += v", "w -= v")
    right = MOMENTUM

    def judge(self, evidence: OwnUpdates) -> Findings:
        """Compare each array's movements with the usual rules, and with one mistake in them."""
        for event in evidence.lost:
            yield self.finding(evidence, "lost", at=event.at, who=event.name)
        found = [(one, one.mistake()) for one in evidence.updates if not evidence.lost]
        whole = evidence.together() if found and not any(key for _, key in found) else None
        if whole is not None and whole.mistake() == "correction-counted":
            found.append((whole, "correction-counted"))
        for one, key in found:
            if key:
                finding = self.finding(evidence, "uphill", at=one.at, who=one.name)
                if key != "uphill":
                    values = {"beta1": one.beta, "beta2": one.beta, "who": one.name}
                    finding.message = in_language(UpdateRule.says[key]).format(**values)
                yield finding
