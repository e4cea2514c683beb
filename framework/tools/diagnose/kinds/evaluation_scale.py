"""Evaluated samples that are prepared in another way than those of the training."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.flow.flow_events import Entry, union
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.flow.traced_array import Reduction

ENOUGH = 10  # samples
ALIKE, OTHER = 0.3, 0.5  # shift of the mean, or logarithm of the ratio of the spreads


class TestScale(Kind):
    """Inputs of the evaluation scaled with their own statistics, or not scaled at all."""

    name = "test-scale"
    about = SampleFlow
    title = "test data on another scale", "Testdaten in anderer Skala"
    look = (
        "prepare the evaluated samples with the numbers that were computed from the training "
        "samples",
        "die ausgewerteten Beispiele mit den Zahlen vorbereiten, die aus den Trainingsdaten "
        "berechnet wurden",
    )
    says = {
        "own": (
            "the evaluated inputs contain what this line computes from the evaluated samples",
            "die ausgewerteten Eingaben enthalten, was diese Zeile aus ihnen selbst berechnet",
        ),
        "raw": (
            "the inputs of the training are scaled with the statistics of this line (mean "
            "{mean:.2f}, spread {spread:.3g} afterwards), and the evaluated ones are not (mean "
            "{raw_mean:.3g}, spread {raw_spread:.3g}, as the training data before)",
            "die Eingaben des Trainings sind mit der Statistik dieser Zeile skaliert (danach "
            "Mittelwert {mean:.2f}, Streuung {spread:.3g}), die ausgewerteten nicht (Mittelwert "
            "{raw_mean:.3g}, Streuung {raw_spread:.3g} wie die Trainingsdaten davor)",
        ),
    }

    def judge(self, evidence: SampleFlow) -> Findings:
        """Compare the statistics in the inputs of the training and of the evaluations."""
        if not evidence.steps or evidence.trace.ended:
            return
        begin = evidence.steps[0].event.index
        evaluated = union(one.samples for one in evidence.evaluations)
        trained, held_out = [], []
        for entry in evidence.entries:
            if len(entry.samples) and np.isin(entry.samples, evidence.trained).all():
                trained.append(entry)
            elif np.isin(entry.samples, evaluated).all() and len(entry.samples) >= ENOUGH:
                held_out.append(entry)
        apart = [one for one in held_out if not np.isin(one.samples, evidence.trained).any()]
        used = [statistics(one, evidence.trained, begin) for one in trained]
        common = frozenset.intersection(*used) if used else frozenset()
        if not common:
            return
        first = min(common, key=lambda one: one.at.line)
        for entry in apart:
            own = [
                one
                for one in statistics(entry, entry.samples)
                if not np.isin(one.samples, evidence.trained).any() and len(one.samples) >= ENOUGH
            ]
            if own and not common & entry.origin.reductions:
                at = min(own, key=lambda one: one.at.line)
                values = {"count": len(at.samples), "line": first.at.line}
                yield self.finding(evidence, "own", at=at.at, **values)
                return
            if not entry.origin.reductions and is_raw(entry, trained[-1], first):
                scaled, raw = trained[-1].values, entry.values
                values = {"mean": scaled.mean(), "spread": scaled.std()}
                values |= {"raw_mean": raw.mean(), "raw_spread": raw.std()}
                yield self.finding(evidence, "raw", at=first.at, **values)
                return

    wrong = (
        LOOP.replace("y = x", "wide = 3 * x + 1\ny = x")
        + """
x_train, y_train, x_test, y_test = wide[:32], y[:32], wide[32:], y[32:]
mean, spread = x_train.mean(axis=0), x_train.std(axis=0)
x_train = (x_train - mean) / spread
w = np.zeros((3, 1))
for epoch in range(20):
    error = x_train @ w - y_train
    print(np.mean(error**2))
    w -= 0.1 * x_train.T @ error / 16
print(np.mean((x_test @ w - y_test) ** 2))
"""
    )
    right = wrong.replace("(x_test @", "((x_test - mean) / spread @")


def statistics(entry: Entry, samples: Array, before: int | None = None) -> frozenset[Reduction]:
    """Return what an input contains that was computed from some samples alone."""
    return frozenset(
        one
        for one in entry.origin.reductions
        if one.function is not None
        and not one.fitted
        and len(one.samples) >= ENOUGH
        and (before is None or one.index <= before)
        and np.isin(one.samples, samples).all()
    )


def is_raw(entry: Entry, trained: Entry, statistic: Reduction) -> bool:
    """Return whether inputs are distributed as the training data were before they were scaled."""
    before = statistic.values
    if not before.shape[1:] == entry.values.shape[1:] == trained.values.shape[1:]:
        return False
    return (
        difference(entry.values, before) < ALIKE
        and difference(entry.values, trained.values) > OTHER
    )


def difference(one: Array, other: Array) -> float:
    """Return how much two distributions differ in most features: in mean or in spread."""
    spread = np.maximum(other.std(axis=0), 1e-12)
    shift = np.abs(one.mean(axis=0) - other.mean(axis=0)) / spread
    ratio = np.abs(np.log(np.maximum(one.std(axis=0), 1e-12) / spread))
    return float(np.median(np.maximum(shift, ratio)))
