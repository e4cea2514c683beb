"""Statistics of held-out samples that are part of the inputs of the training."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.flow.traced_array import Reduction

SHARE = 0.5  # of the held-out samples
MATTERS = 1e-3  # relative change of a statistic without them


class DataLeak(Kind):
    """A mean, spread or other statistic of all samples, used to prepare those of the training."""

    name = "data-leak"
    about = SampleFlow
    title = "statistics of held-out samples", "Statistik zurückgehaltener Beispiele"
    look = (
        "split first; then compute mean, spread, components and vocabulary from the training "
        "samples, and apply them to all",
        "zuerst aufteilen; dann Mittelwert, Streuung, Komponenten und Vokabular aus den "
        "Trainingsdaten berechnen und auf alle anwenden",
    )
    says = {
        "statistic": (
            "the training inputs contain what this line computes from {held_out} held-out samples",
            "die Trainingseingaben enthalten, was diese Zeile aus {held_out} Testdaten berechnet",
        )
    }

    def judge(self, evidence: SampleFlow) -> Findings:
        """Look for held-out samples among those of the statistics in the steps."""
        for split in evidence.splits:
            for one in sorted(split.statistics, key=lambda one: one.index):
                inside = np.intersect1d(one.samples, split.held_out)
                if len(inside) > SHARE * len(split.held_out) and matters(one, split.trained):
                    values = {"count": len(one.samples), "held_out": len(inside)}
                    yield self.finding(evidence, "statistic", at=one.at, **values)
                    return

    wrong = TRAINED.replace(
        "y = x", "wide = 3 * x + 1\nx = (wide - wide.mean()) / wide.std()\ny = x"
    )
    wrong = wrong.replace("net(x), y", "net(x[:48]), y[:48]")
    wrong += "print(((net(x[48:]) - y[48:]) ** 2).mean())\n"
    right = wrong.replace("wide.mean()) / wide.std()", "wide[:48].mean()) / wide[:48].std()")


def matters(statistic: Reduction, trained: Array) -> bool:
    """Return whether a statistic changes if only the samples of the training are counted."""
    ids = statistic.ids
    rows = ids.ravel() if ids.size == len(ids) else None
    if statistic.function is None or rows is None:
        return True
    kept = statistic.values[np.isin(rows, trained)]
    try:
        whole, part = (np.asarray(statistic.function(v)) for v in (statistic.values, kept))
    except Exception:  # a function of arrays of one size
        return True
    if whole.shape != part.shape or not len(kept):
        return True
    size = np.abs(whole).max() + statistic.values.std()
    return bool(np.abs(whole - part).max() > MATTERS * size)
