"""A backward of a part that is called less often than its forward, or whose result is not used."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.part_calls import PartCalls
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class NotCalled(RepairedKind):
    """``part.backward`` is forgotten, or its result."""

    name = "not-called"
    about = (WrongGradient, PartCalls)
    mistakes = frozenset({"unused"})
    title = "a part's backward is not called", "backward eines Teils wird nicht aufgerufen"
    look = (
        "backward calls every part that forward calls, in reverse order, and passes on the results",
        "backward ruft jeden Teil auf, den forward aufruft, in umgekehrter Reihenfolge, und gibt "
        "die Ergebnisse weiter",
    )
    says = telling(
        "the result of a part's backward is not used",
        "das Ergebnis von backward eines Teils wird nicht verwendet",
    ) | {
        "never": ("backward never calls {part}.backward", "backward ruft {part}.backward nie auf"),
        "fewer": (
            "forward calls {part} {forwards} times, backward calls {part}.backward {backwards} "
            "times only: one backward for each forward",
            "forward ruft {part} {forwards}-mal auf, backward ruft {part}.backward nur "
            "{backwards}-mal auf: zu jedem forward gehört ein backward",
        ),
    }

    def judge(self, evidence: WrongGradient | PartCalls) -> Findings:
        """Count the forwards and backwards of each part, or name the line of a repair."""
        if isinstance(evidence, WrongGradient):
            yield from super().judge(evidence)
            return
        if evidence.too_few is None:
            return
        part, forwards, backwards = evidence.too_few
        at = evidence.loop_line(part.backward_place) if backwards else evidence.definition
        values = {"forwards": forwards, "backwards": backwards, "part": part.name or part.type}
        yield self.finding(evidence, "fewer" if backwards else "never", at=at, **values)

    right = mistaken(
        "self.b =",
        "self.act = nn.Tanh()\n        self.b =",
        "y = np.tanh(x @ self.w.data + self.b.data)",
        "y = self.act(x @ self.w.data + self.b.data)",
        "dz = dy * (1 - y**2)",
        "dz = self.act.backward(dy)",
    )
    wrong = right.replace("dz = self.act.backward(dy)", "dz = dy\n        self.act.backward(dz)")
