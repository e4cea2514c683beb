"""Gradients of two parts of an array that backward exchanges."""

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.wrong_backward import WrongBackward


class SwappedGradients(Kind):
    """Backward is right if two arrays of the same shape exchange their gradients."""

    name = "swapped-gradients"
    about = WrongBackward
    title = "exchanged gradients", "vertauschte Gradienten"
    order = 73
    look = (
        "the order of the parts in forward, and the same order in backward",
        "die Reihenfolge der Teile in forward, und dieselbe in backward",
    )
    says = {
        "swapped": (
            "the gradients of `{code}` and `{other}` (line {line}) are exchanged",
            "die Gradienten von `{code}` und `{other}` (Zeile {line}) sind vertauscht",
        )
    }

    def judge(self, evidence: WrongBackward) -> Findings:
        """Test whether two gradients are exchanged."""
        change = evidence.change
        if change is None or change.how != "swapped":
            return
        node = evidence.derivatives.nodes[change.other]
        other = node.target or node.code
        yield self.finding(evidence, "swapped", at=evidence.place, other=other, **evidence.told)

    right = regression(
        net="""
class TwoWays(fl.Module):
    def __init__(self):
        self.left, self.right, self.join = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 8)

    def forward(self, x):
        left, right = self.left(x), self.right(x)
        return self.join(np.concatenate([left, right], axis=1))

    def backward(self, dy):
        d = self.join.backward(dy)
        first = d[:, :4]
        second = d[:, 4:]
        return self.left.backward(first) + self.right.backward(second)


net = nn.Sequential(TwoWays(), nn.Tanh(), nn.Linear(8, 1))
"""
    )
    wrong = right.replace("first =", "third =").replace("second =", "first =")
    wrong = wrong.replace("third =", "second =")
