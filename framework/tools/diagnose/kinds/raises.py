"""An exception of the user's code."""

from dataclasses import replace

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import UNJUDGED, Findings, Kind
from firstlight.tools.diagnose.probes.raised import Failure, Raised


class Raises(Kind):
    """A training step or a script that raises an exception."""

    name = "raises"
    about = Raised
    title = "raises an exception", "löst eine Ausnahme aus"
    look = (
        "the message and that line; of its arrays, the shapes",
        "die Meldung und diese Zeile; bei Arrays die Formen",
    )
    says = {
        "line": ("`{code}` raises {said}", "`{code}` löst eine Ausnahme aus: {said}"),
        "plain": ("it raises {said}", "eine Ausnahme: {said}"),
    }

    causes = frozenset({UNJUDGED})

    def judge(self, evidence: Raised) -> Findings:
        """Name the user's innermost line."""
        if isinstance(evidence, Failure):
            return
        if evidence.at is not None and evidence.at.code:
            found = self.finding(evidence, "line", code=evidence.at.code, said=evidence.said)
        else:
            found = self.finding(evidence, "plain", said=evidence.said)
        tiny = evidence.samples == 1 and "BatchNorm" in evidence.type
        yield replace(found, kind="small-batch") if tiny else found

    wrong = script(
        net="""
class Loss(fl.Module):
    def forward(self, scores, y):
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        self.save(p, y)
        return -np.log(p[np.arange(len(y) + 1), y]).mean()

    def backward(self, dloss=1.0):
        p, y = self.saved()
        return dloss * (p - np.eye(2, dtype="float32")[y]) / len(y)


net = nn.Linear(4, 2)
""",
        loss="Loss()",
    )
    right = wrong.replace("len(y) + 1", "len(y)")
