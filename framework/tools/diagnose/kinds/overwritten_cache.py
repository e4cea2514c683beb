"""Values kept for backward that are overwritten before it."""

from firstlight.tools.diagnose.kind import Findings
from firstlight.tools.diagnose.probes.module.contract import LostCache
from firstlight.tools.diagnose.probes.module.gradients import agrees
from firstlight.tools.diagnose.probes.module.wrong_gradient import WrongGradient
from firstlight.tools.diagnose.repaired import RepairedKind, mistaken, telling


class OverwrittenCache(RepairedKind):
    """Values kept for backward that are overwritten before it."""

    name = "overwritten-cache"
    about = (WrongGradient, LostCache)
    order = 38
    mistakes = frozenset({"copy"})
    title = "overwritten cache", "überschriebener Zwischenspeicher"
    look = (
        "self.save(...) in forward and self.saved() in backward, and copies of what is "
        "changed in place",
        "self.save(...) in forward und self.saved() in backward, und Kopien von allem, "
        "was in place geändert wird",
    )
    says = telling(
        "an array is changed in place that is still needed",
        "ein Array wird in place geändert, das noch gebraucht wird",
    ) | {
        "earlier": (
            "backward uses values of an earlier forward, not of the latest one",
            "backward verwendet Werte eines früheren forward, nicht die des letzten",
        ),
        "latest": (
            "{label} keeps only its latest forward in self.{attribute}, but runs more than once in "
            "a step: with the values of the forward that belongs to each backward, all is right",
            "{label} behält in self.{attribute} nur das letzte forward, läuft aber mehrmals in "
            "einem Schritt: mit den Werten des zugehörigen forward stimmt alles",
        ),
        "shared": (
            "{label} keeps {attribute} on the class {owner}, where the next {owner} overwrites it: "
            "with its own value, all is right",
            "{label} legt {attribute} in der Klasse {owner} ab, wo der nächste {owner} es "
            "überschreibt: mit dem eigenen Wert stimmt alles",
        ),
        "saved": (
            "what {label} saved for backward is overwritten before its backward runs: with the "
            "values of its forward, all is right",
            "was {label} für backward gespeichert hat, wird vor seinem backward überschrieben: mit "
            "den Werten aus forward stimmt alles",
        ),
        "often": (
            "{label}.backward: it keeps only its latest forward, but is called {times} times "
            "in a step",
            "{label}.backward: behält nur das letzte forward, wird aber {times}-mal pro "
            "Schritt aufgerufen",
        ),
        "once": (
            "{label} keeps only its latest forward: shared or called twice before backward, "
            "its gradients would be wrong",
            "{label} behält nur das letzte forward: geteilt oder vor backward zweimal "
            "aufgerufen, wären die Gradienten falsch",
        ),
    }

    def judge(self, evidence: LostCache | WrongGradient) -> Findings:
        """Say what is lost; a module that is called once in a step is a note."""
        if isinstance(evidence, WrongGradient):
            yield from super().judge(evidence)
            return
        key = "often" if evidence.times > 1 else "once"
        if evidence.restored:
            key = "shared" if evidence.shared else "latest" if evidence.attribute else "saved"
        values = {name: getattr(evidence, name) for name in ("label", "times", "attribute")}
        yield self.finding(evidence, key, note=key == "once", owner=evidence.type, **values)

    def by_numbers(self, evidence: WrongGradient) -> Findings:
        """Test whether it is right if no other forward ran before."""
        if agrees(evidence.remake(fresh=True), evidence.wrong.name):
            yield self.finding(evidence, "earlier")

    right = mistaken(
        "net = nn.Sequential(Layer(4), ",
        "twice = Layer(4)\nnet = nn.Sequential(twice, nn.ReLU(), twice, ",
    )
    wrong = right.replace("self.save(x, y)", "self.x, self.y = x, y")
    wrong = wrong.replace("self.saved()", "self.x, self.y")
