"""Gradients that vanish or explode on the way back, by depth or through time."""

from typing import ClassVar

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind, Text
from firstlight.tools.diagnose.probes.model.gradient_flow import GradientFlow

VANISHED = 1e-4  # of the gradient's size near the output; it has exploded above the reciprocal
PER_STEP = 0.35  # a gradient that vanishes faster than that hardly recovers

DEEP = script(
    """
x = rng.standard_normal((400, 16)).astype("float32")
y = (x[:, 0] > 0).astype(int)
""",
    """
net = nn.Sequential(*[part for _ in range(6) for part in (nn.Linear(16, 16), nn.Tanh())])
for layer in net[::2]:
    layer.weight.data[...] = rng.standard_normal((16, 16)) / 4
""",
)


class Vanishing(Kind):
    """Gradients of early layers, or early time steps, that are almost zero."""

    name = "vanishing"
    about = GradientFlow
    title: ClassVar[Text] = "vanishing gradients", "verschwindende Gradienten"
    look: ClassVar[Text] = (
        "the activation (ReLU, GELU), the initial weights, normalisation, shortcuts; through time, "
        "nn.init.orthogonal, a GRU or an LSTM",
        "die Aktivierung (ReLU, GELU), Anfangsgewichte, Normalisierung, Abkürzungen; in der Zeit "
        "nn.init.orthogonal, eine GRU oder ein LSTM",
    )
    says: ClassVar[dict[str, Text]] = {
        "gradient": (
            "the gradient of {name} is {ratio:.1g} times smaller than that of {last}: it vanishes "
            "on the way back",
            "der Gradient von {name} ist {ratio:.1g}-mal kleiner als der von {last}: er "
            "verschwindet auf dem Weg zurück",
        ),
        "dy": (
            "the dy that arrives at {name} is {ratio:.1g} times smaller than that of {last}: it "
            "vanishes on the way back",
            "das dy, das bei {name} ankommt, ist {ratio:.1g}-mal kleiner als das von {last}: es "
            "verschwindet auf dem Weg zurück",
        ),
        "time": (
            "at the first step of {name} the last output's gradient is {ratio:.1g} of what it is "
            "at the last, {each:.2g} times a step: it vanishes",
            "am ersten Schritt von {name} ist der Gradient der letzten Ausgabe {ratio:.1g} von dem "
            "am letzten, {each:.2g}-mal je Schritt: er verschwindet",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})
    explodes: ClassVar[bool] = False

    def judge(self, evidence: GradientFlow) -> Findings:
        """Compare the first half of the layers with the last, and the first step with the last.

        A gradient that fades slowly through time is a note only: fresh recurrent layers do that,
        and still learn.
        """
        for what, rows in evidence.by_depth:
            if len(rows) < 3:
                continue
            last, at_end = rows[-1]
            ratios = {name: size / at_end for name, size in rows[: len(rows) // 2]}
            name = (max if self.explodes else min)(ratios, key=ratios.get)
            if self._beyond(ratios[name]):
                ratio = ratios[name] if self.explodes else 1 / ratios[name]
                yield self.finding(evidence, what, where=name, name=name, ratio=ratio, last=last)
                return
        for call, ratio, steps in evidence.through_time:
            each = ratio ** (1 / (steps - 1))
            if self._beyond(ratio):
                place = {"where": call.name, "type": call.type, "name": call.label}
                slow = not self.explodes and each > PER_STEP
                values = {"ratio": ratio, "each": each, "note": slow}
                yield self.finding(evidence, "time", **place, **values)

    def _beyond(self, ratio):
        return ratio > 1 / VANISHED if self.explodes else ratio < VANISHED

    right = DEEP
    wrong = DEEP.replace("/ 4", "/ 100")


class Exploding(Vanishing):
    """Gradients of early layers, or early time steps, that are huge."""

    name = "exploding"
    title = "exploding gradients", "explodierende Gradienten"
    look = (
        "the initial weights, normalisation, gradient_clip; through time, weights of norm 1",
        "Anfangsgewichte, Normalisierung, gradient_clip; in der Zeit Gewichte der Norm 1",
    )
    says = {
        "gradient": (
            "the gradient of {name} is {ratio:.1g} times larger than that of {last}: it explodes "
            "on the way back",
            "der Gradient von {name} ist {ratio:.1g}-mal größer als der von {last}: er explodiert "
            "auf dem Weg zurück",
        ),
        "dy": (
            "the dy that arrives at {name} is {ratio:.1g} times larger than that of {last}: it "
            "explodes on the way back",
            "das dy, das bei {name} ankommt, ist {ratio:.1g}-mal größer als das von {last}: es "
            "explodiert auf dem Weg zurück",
        ),
        "time": (
            "at the first step of {name} the last output's gradient is {ratio:.1g} times that at "
            "the last, {each:.2g} a step: it explodes",
            "am ersten Schritt von {name} ist der Gradient der letzten Ausgabe {ratio:.1g}-mal der "
            "am letzten, {each:.2g} je Schritt: er explodiert",
        ),
    }
    causes = frozenset({"initial-loss", "overfit", "lr-high", "lr-low"})
    explodes = True
    right = DEEP.replace("nn.Tanh()", "nn.Identity()")
    wrong = right.replace("/ 4", "* 4")
