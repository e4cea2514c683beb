"""Samples of the validation data that the training data contain too."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import CLASSES, script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import are_tokens
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.samples import Samples

SHARE = 0.02  # of the validation samples
COVERED, ENOUGH = 0.8, 10  # part of a window, and evaluated samples
BEYOND_CHANCE = 2  # times the coincidences that chance explains


class Overlap(Kind):
    """Validation samples that are in the training data, more than by chance."""

    name = "overlap"
    about = Samples, SampleFlow
    title = "train and validation overlap", "Training und Validierung überschneiden sich"
    look = (
        "split before shuffling, augmenting or duplicating; remove duplicates first",
        "erst aufteilen, dann mischen, verändern oder vervielfachen; Doppelte vorher entfernen",
    )
    says = {
        "shared": (
            "{shared} of {count} validation samples are among {train} training samples, by chance "
            "it would be {expected:.1%}: the validation loss is too optimistic",
            "{shared} von {count} Beispielen der Validierung sind unter {train} "
            "Trainingsbeispielen, durch Zufall wären es {expected:.1%}: der Validierungsverlust "
            "ist zu optimistisch",
        ),
        "trained": (
            "{shared} of the {count} samples evaluated here ({name}) were trained on before",
            "{shared} der {count} hier ausgewerteten Beispiele ({name}) wurden davor trainiert",
        ),
        "windows": (
            "{shared} of {count} held-out windows overlap windows of the training: split by time",
            "{shared} von {count} zurückgehaltenen Fenstern überlappen die des Trainings",
        ),
    }

    def judge(self, evidence: Samples | SampleFlow) -> Findings:
        """Compare samples of the training and of the validation."""
        if isinstance(evidence, SampleFlow):
            yield from self._of_flow(evidence)
        elif evidence.val is not None:
            yield from self._of_samples(evidence)

    def _of_flow(self, evidence):
        unknown = any(len(split.held_out) for split in evidence.splits)
        for part in evidence.parts:
            shared = np.intersect1d(part.samples, part.trained)
            others = np.setdiff1d(part.trained, part.samples)
            honest = part.holder.index in evidence.batched or (
                unknown and len(shared) == len(part.samples)  # beside others that are held out
            )
            if not honest and len(others) and len(shared) > max(ENOUGH, SHARE * len(part.samples)):
                values = {"shared": len(shared), "count": len(part.samples)}
                name = part.holder.name
                yield self.finding(evidence, "trained", at=part.at, name=name, **values)
                return
            held_out = np.setdiff1d(part.samples, part.trained)
            seen = evidence.seen_in_windows(held_out, part.trained)
            repeated = int((seen >= COVERED).sum())
            if repeated > len(seen) / 2 and len(seen) >= ENOUGH:
                values = {"shared": repeated, "count": len(seen)}
                yield self.finding(evidence, "windows", at=part.holder.at, **values)
                return

    def _of_samples(self, evidence):
        """Compare the shared samples with those that coincide by chance."""
        train = {row.tobytes() for row in np.ascontiguousarray(evidence.x)}
        val = [row.tobytes() for row in np.ascontiguousarray(evidence.val)]
        shared, expected = sum(row in train for row in val), coincidences(evidence.x)
        if shared > max(1, SHARE * len(val), BEYOND_CHANCE * expected * len(val)):
            values = {"shared": shared, "count": len(val), "train": len(evidence.x)}
            yield self.finding(evidence, "shared", expected=expected, **values)

    wrong = script(CLASSES, fit="(x, y), (x[300:], y[300:])")
    right = script(CLASSES, fit="(x[:300], y[:300]), (x[300:], y[300:])")


def coincidences(x: Array) -> float:
    """Return the share of samples that equal one of the samples x by chance, at most 1.

    Sequences of tokens: how many of a half occur in the other half. Other inputs: as if features
    were independent, since real copies must not count as chance.
    """
    if are_tokens(x):
        rows = [row.tobytes() for row in np.ascontiguousarray(x)]
        half = set(rows[::2])
        return min(1.0, 2 * float(np.mean([row in half for row in rows[1::2]] or [0])))
    equal = 1.0
    for column in x.reshape(len(x), -1).T:
        _, counts = np.unique(column, return_counts=True)
        equal *= float(np.square(counts / len(x)).sum())
    return min(1.0, len(x) * equal)
