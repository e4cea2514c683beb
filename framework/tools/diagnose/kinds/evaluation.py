"""Modules whose evaluation depends on chance, on the batch, or changes them."""

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.evaluation import EvaluatedModule, Evaluation

MEAN_TOLERANCE = 0.08  # relative difference of the means of training and evaluation


class EvaluationMode(Kind):
    """Dropout or batch statistics in evaluation, and dropout without scaling."""

    name = "eval"
    about = Evaluation
    title = (
        "evaluation depends on chance or on the batch",
        "Auswertung hängt von Zufall oder Batch ab",
    )
    look = (
        "that forward looks at self.training, which eval() sets to False",
        "dass forward auf self.training achtet, das eval() auf False setzt",
    )
    says = {
        "buffers": (
            "{label}: each evaluation changes {names}; running statistics are those of the "
            "training data, and must not change",
            "{label}: jede Auswertung ändert {names}; laufende Statistiken sind die der "
            "Trainingsdaten und dürfen sich nicht ändern",
        ),
        "remembered": (
            "{label}: two evaluations give different results: what it keeps in {names} enters the "
            "next forward",
            "{label}: zwei Auswertungen geben verschiedene Ergebnisse: was in {names} bleibt, geht "
            "in das nächste forward ein",
        ),
        "random": (
            "{label}: two evaluations give different results; something random stays active after "
            "eval()",
            "{label}: zwei Auswertungen geben verschiedene Ergebnisse; etwas Zufälliges bleibt "
            "nach eval() an",
        ),
        "batch": (
            "{label}: in evaluation, a sample's result depends on the others in the batch, or on "
            "its place there",
            "{label}: in der Auswertung hängt das Ergebnis eines Beispiels von den anderen im "
            "Batch oder von seinem Platz darin ab",
        ),
        "mean": (
            "{label}: for inputs of 1 its mean is {mean:.2f} in training, over many masks, and "
            "{expected:.2f} in evaluation: later layers see another scale; divide by 1 - p in "
            "training",
            "{label}: für Eingaben von 1 ist das Mittel im Training {mean:.2f}, über viele Masken, "
            "und in der Auswertung {expected:.2f}: spätere Schichten sehen andere Größen; im "
            "Training durch 1 - p teilen",
        ),
        "kept": (
            "{label}: for inputs of 1 its mean is {mean:.2f} in training and {expected:.2f} in "
            "evaluation, and {kept:.0%} of the values are kept although p is {rate:.2g}: it keeps "
            "with probability p, in place of 1 - p",
            "{label}: für Eingaben von 1 ist das Mittel im Training {mean:.2f} und in der "
            "Auswertung {expected:.2f}, und {kept:.0%} der Werte bleiben, obwohl p {rate:.2g} "
            "ist: behalten wird mit Wahrscheinlichkeit p statt 1 - p",
        ),
    }

    def judge(self, evidence: Evaluation) -> Findings:
        """Evaluate each module twice, on single samples, and over many masks."""
        for module in evidence.modules:
            try:
                found = self._of(module)
            except Exception:  # a part that does not run alone, or returns no array
                continue
            if found is not None:
                key, values = found
                call = module.call
                place = {"where": call.name, "type": call.type, "label": call.label}
                yield self.finding(evidence, key, **place, **values)
                return

    @staticmethod
    def _of(module: EvaluatedModule):
        """Return the key and the values of the sentence about a module, None if all is well."""
        if module.changed_buffers:
            return "buffers", {"names": ", ".join(module.changed_buffers)}
        if not module.repeatable:
            names = module.remembered
            return ("remembered", {"names": ", ".join(names)}) if names else ("random", {})
        if module.mixes_samples:
            return "batch", {}
        if module.means is None:
            return None
        expected, mean, error = module.means
        if abs(mean - expected) <= max(MEAN_TOLERANCE * abs(expected), 6 * error):
            return None
        values = {"mean": mean, "expected": expected}
        kept, rate = module.kept_fractions or (0.0, 0.0)
        if rate and abs(rate - 0.5) > 0.05 and abs(kept - rate) < 0.02:
            return "kept", values | {"kept": kept, "rate": rate}
        return "mean", values

    wrong = script(
        net="""
class Drop(fl.Module):
    def forward(self, x):
        keep = np.float32(0.8)
        factor = (np.random.rand(*x.shape) < keep) / keep
        self.save(factor)
        return x * factor

    def backward(self, dy):
        (factor,) = self.saved()
        return dy * factor


net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), Drop(), nn.Linear(16, 2))
"""
    )
    right = wrong.replace("float32(0.8)", "float32(0.8 if self.training else 1)")
