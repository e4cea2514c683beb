"""Backwards of a script in the wrong order, or left out."""

from firstlight.tools.diagnose.examples import HEAD
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

TWINS = (
    HEAD
    + """
a, b = rng.standard_normal((2, 64, 3)).astype("float32")
net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = fl.optim.SGD(net.parameters(), lr=0.1)
for step in range(30):
    u, v = net(a), net(b)
    loss = ((u - 2 * v) ** 2).mean() + (u**2).mean()
    d = 2 * (u - 2 * v) / u.size
    du, dv = d + 2 * u / u.size, -2 * d
    optimizer.zero_grad()
    net.backward(dv)  # v's forward was the latest
    net.backward(du)
    optimizer.step()
"""
)
GAN = (
    HEAD
    + """
generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
critic = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
bce = nn.BCEWithLogitsLoss()
optimizer = fl.optim.SGD(generator.parameters(), lr=0.1)
ones = np.ones((32, 1), "float32")
for step in range(30):
    z = rng.standard_normal((32, 2)).astype("float32")
    loss = bce(critic(generator(z)), ones)
    optimizer.zero_grad()
    generator.backward(critic.backward(bce.backward()))
    optimizer.step()
"""
)


class SwappedBackwards(Kind):
    """Two backwards of one module in the order of its forwards."""

    name = "step-order"
    about = WrongStep
    order = 10
    title = "backwards in the wrong order", "Backwards in falscher Reihenfolge"
    look = (
        "the order of the calls: backward undoes the latest forward first",
        "die Reihenfolge der Aufrufe: backward macht zuerst das letzte forward rückgängig",
    )
    says = {
        "swapped": (
            "it is the gradient of another forward of {name}, in line {line}; backward undoes the "
            "latest forward first, so the last one needs its backward first",
            "er gehört zu einem anderen forward von {name}, in Zeile {line}; backward macht das "
            "letzte forward zuerst rückgängig, deshalb braucht dieses sein backward zuerst",
        )
    }

    def judge(self, evidence: WrongStep) -> Findings:
        """Test whether two outputs got each other's gradient."""
        pair = evidence.swapped()
        if pair is not None:
            first, second = pair
            unit = first.unit
            yield self.finding(
                evidence, "swapped", at=unit.at, name=unit.name, line=second.unit.at.line
            )

    wrong = TWINS.replace("backward(dv)  # v's forward was", "backward(du)\n    # wrong:").replace(
        "backward(du)\n    optimizer", "backward(dv)\n    optimizer"
    )
    right = TWINS


class SkippedBackward(Kind):
    """A module between another one and the loss whose backward is not called."""

    name = "step-skipped"
    about = WrongStep
    order = 12
    title = "a module's backward is left out", "das Backward eines Moduls fehlt"
    look = (
        "the chain of backwards: each module between the loss and the gradient, in reverse order",
        "die Kette der Backwards: jedes Modul zwischen Loss und Gradient, in umgekehrter "
        "Reihenfolge",
    )
    says = {
        "skipped": (
            "its output goes through {name} to the loss, but {name}.backward is not called for "
            "that forward",
            "sein Ergebnis geht durch {name} zum Loss, aber {name}.backward wird für dieses "
            "forward nicht aufgerufen",
        )
    }

    def judge(self, evidence: WrongStep) -> Findings:
        """Look for a forward between the output and the loss that has no backward."""
        event = evidence.skipped()
        if event is not None:
            name = evidence.check.window.trace.name_of(event.module)
            yield self.finding(evidence, "skipped", name=name)

    wrong = GAN.replace("critic.backward(bce.backward())", "bce.backward()")
    right = GAN
