"""Gradients of a script that lack a term or are computed from something wrong."""

from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.steps.second_slopes import NoLoss
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

SCRIPT = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3))
y = np.tanh(x[:, :1] - x[:, 1:2])
params = {
    "w": rng.normal(size=(3, 6)) / 2,
    "b": np.zeros(6),
    "v": rng.normal(size=(6, 1)) / 2,
}


def gradients(params, x, y):
    h = np.tanh(x @ params["w"] + params["b"])
    error = h @ params["v"] - y
    loss = (error**2).mean()
    d = 2 * error / error.size
    dz = d @ params["v"].T * (1 - h**2)
    return loss, {"w": x.T @ dz, "b": dz.sum(axis=0), "v": h.T @ d}


for step in range(60):
    loss, grads = gradients(params, x, y)
    for name in params:
        params[name] -= 0.1 * grads[name]
"""
PENALTY = (
    LOOP.replace("Adam", "SGD")
    + """\
for step in range(30):
    loss = mse(net(x), y)
    optimizer.zero_grad()
    net.backward(mse.backward())
    for p in net.parameters():
        loss += 0.01 * (p.data**2).sum()
        p.grad += 0.02 * p.data
    optimizer.step()
"""
)


class StepPenalty(Kind):
    """A loss that reads the parameters, such as a penalty, whose gradient is missing or wrong."""

    name = "step-penalty"
    about = WrongStep
    order = 20
    title = "gradient of a penalty", "Gradient eines Strafterms"
    look = (
        "d(λ Σ w²)/dw = 2 λ w, added to the gradient of each parameter in the penalty",
        "d(λ Σ w²)/dw = 2 λ w, addiert zum Gradienten jedes Parameters im Strafterm",
    )
    says = {
        "missing": (
            "the loss also depends on the values of the parameter itself, as a penalty does, and "
            "this term has no gradient",
            "der Loss hängt auch von den Werten des Parameters selbst ab wie bei einem Strafterm, "
            "und dieser Term hat keinen Gradienten",
        ),
        "sign": (
            "the gradient of the term in which the loss reads the parameter itself, a penalty, "
            "has the wrong sign",
            "der Gradient des Terms, in dem der Loss den Parameter selbst liest, eines "
            "Strafterms, hat das falsche Vorzeichen",
        ),
        "wrong": (
            "the term in which the loss reads the parameter itself, a penalty, has another "
            "gradient",
            "der Term, in dem der Loss den Parameter selbst liest, ein Strafterm, hat einen "
            "anderen Gradienten",
        ),
    }
    wrong = PENALTY.replace("        p.grad += 0.02 * p.data\n", "")
    right = PENALTY

    def judge(self, evidence: WrongStep) -> Findings:
        """Compare what the loss reads of the parameters with what was added to their gradients."""
        if not evidence.is_direct():
            return
        one = evidence.wrong[0]
        claim, expected = one.unit.claims[0], evidence.check.expected(one)
        opposite = expected and abs(claim + expected) < 0.01 * abs(expected)
        none = expected and abs(claim) < 1e-6 * abs(expected)
        yield self.finding(evidence, "missing" if none else "sign" if opposite else "wrong")


class StepZero(Kind):
    """A parameter of which the loss depends, and which gets no gradient."""

    name = "step-zero"
    about = WrongStep
    order = 25
    title = "parameter without a gradient", "Parameter ohne Gradient"
    look = (
        "the line that computes the gradient of this parameter",
        "die Zeile, die den Gradienten dieses Parameters berechnet",
    )
    says = {"zero": ("it is 0", "er ist 0")}
    wrong = SCRIPT.replace("dz.sum(axis=0)", "0 * dz.sum(axis=0)")
    right = SCRIPT

    def judge(self, evidence: WrongStep) -> Findings:
        """Test whether all claims are 0."""
        if all(not any(one.unit.claims) for one in evidence.wrong):
            yield self.finding(evidence, "zero", **evidence.line)


class StepTerm(Kind):
    """A line of the gradient's computation that is wrong."""

    name = "step-term"
    about = WrongStep, NoLoss
    order = 60
    title = "wrong gradient in the script", "falscher Gradient im Skript"
    look = (
        "the derivation, line by line from the loss to this gradient",
        "die Herleitung, Zeile für Zeile vom Loss bis zu diesem Gradienten",
    )
    says = {
        "line": (
            "with one change in line {line} it is right",
            "mit einer Änderung in Zeile {line} ist er richtig",
        ),
        "loss": (
            "with one change in line {line}, of the loss and its gradient, it is right",
            "mit einer Änderung in Zeile {line}, an Loss und Gradient, ist er richtig",
        ),
        "none": (
            "the loop computes no loss, and there is none that has all its gradients, those of "
            "{names}: with one change in line {line} they fit each other",
            "die Schleife berechnet keinen Loss, und es gibt keinen, der alle ihre Gradienten "
            "hat, die von {names}: mit einer Änderung in Zeile {line} passen sie zueinander",
        ),
        "place": (
            "`{value}` in this line should be the derivative of the loss with respect to `{of}`, "
            "and is not; all that follows from it is right",
            "`{value}` in dieser Zeile müsste die Ableitung des Loss nach `{of}` sein und ist es "
            "nicht; alles, was daraus folgt, stimmt",
        ),
        "numbers": (
            "along a random direction it gives {claim:.4g}, and the loss changes by {slope:.4g}",
            "in einer zufälligen Richtung ergibt er {claim:.4g}, der Loss ändert sich um "
            "{slope:.4g}",
        ),
    }
    wrong = SCRIPT.replace("(1 - h**2)", "(1 - h)")
    right = SCRIPT

    def judge(self, evidence: WrongStep | NoLoss) -> Findings:
        """Name the line that a change makes right, or the numbers."""
        if isinstance(evidence, NoLoss):
            names = ", ".join(dict.fromkeys(unit.name for unit in evidence.units))
            yield self.finding(evidence, "none", names=names, **evidence.line)
            return
        repair, one = evidence.repair, evidence.wrong[0]
        if repair is not None:
            key = "loss" if repair.changes_loss else "line"
            yield self.finding(evidence, key, **evidence.line)
            return
        if (place := evidence.place) is not None:
            yield self.finding(evidence, "place", value=place.name, of=place.of)
            return
        slope = evidence.check.expected(one)
        if slope is not None:
            yield self.finding(evidence, "numbers", claim=one.unit.claims[0], slope=slope)
