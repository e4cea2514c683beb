"""Parts whose backward is called before that of a part which got their output."""

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.module.part_calls import PartCalls


class ForwardOrder(Kind):
    """Backward calls the parts in the order of forward."""

    name = "forward-order"
    about = PartCalls
    title = "backward in the order of forward", "backward in der Reihenfolge von forward"
    order = 61
    look = (
        "backward calls the parts in reverse order, e.g. for layer in reversed(self.layers)",
        "backward ruft die Teile in umgekehrter Reihenfolge auf, z. B. for layer in "
        "reversed(self.layers)",
    )
    says = {
        "order": (
            "{first}.backward is called before {second}.backward, although {second} got the output "
            "of {first} in forward: call them in reverse order",
            "{first}.backward wird vor {second}.backward aufgerufen, obwohl {second} in forward "
            "die Ausgabe von {first} erhielt: die Reihenfolge muss umgekehrt sein",
        )
    }

    def judge(self, evidence: PartCalls) -> Findings:
        """Compare the order of the backwards with that of the forwards."""
        if not evidence.early:
            return
        first, second = min(evidence.early, key=lambda pair: pair[0].turn)
        at = evidence.loop_line(first.backward_place)
        names = {"first": first.name or first.type, "second": second.name or second.type}
        yield self.finding(evidence, "order", at=at, **names)

    right = regression(
        net="""
class Layers(fl.Module):
    def __init__(self):
        self.layers = [nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


net = Layers()
"""
    )
    wrong = right.replace("reversed(self.layers)", "self.layers")
