"""Labels that contradict those of the nearest samples."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.samples import Samples

NEIGHBOURS = 8
QUERIES = 1500  # samples whose neighbours are searched
PREDICTIVE = 0.65  # share of the way from chance to always right
STRUCTURED, MEDIAN_DISTANCE = 32, 0.6  # features; neighbours' distance over any two samples'
LARGEST_DISTANCE = 0.9  # the same, for a neighbour whose label counts as evidence


class LabelNoise(Kind):
    """Labels that neighbours contradict, although neighbours predict labels."""

    name = "label-noise"
    about = Samples
    title = "label noise", "falsche Labels"
    look = (
        "where x and y are read, sorted or shuffled: each in the same order; some samples by eye",
        "wo x und y gelesen, sortiert oder gemischt werden: beide in derselben Reihenfolge; einige "
        "Beispiele selbst ansehen",
    )
    says = {
        "unrelated": (
            "samples that look alike share a label no more often than by chance (balanced accuracy "
            "{right:.0%}): the labels seem to belong to other samples",
            "ähnliche Beispiele haben nicht öfter als zufällig dasselbe Label (ausgewogene "
            "Genauigkeit {right:.0%}): die Labels scheinen zu anderen Beispielen zu gehören",
        ),
        "contradicted": (
            "of the samples whose {count} nearest neighbours agree on a class, {share:.0%} have "
            "another label: labels are wrong, or shifted against the inputs",
            "von den Beispielen, deren {count} nächste Nachbarn sich auf eine Klasse einigen, "
            "haben {share:.0%} ein anderes Label: Labels sind falsch oder gegen die Eingaben "
            "verschoben",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: Samples) -> Findings:
        """Predict each label from the nearest neighbours, and compare.

        Labels that neighbours do not predict are suspect only if inputs have a structure, as
        images have.
        """
        x, y = evidence.x, evidence.y
        if not evidence.has_classes or len(x) < 400 or x.dtype.kind not in "fu":
            return
        classes, given = np.unique(y, return_inverse=True)
        if len(classes) < 2 or len(y) <= 40 * len(classes):
            return
        rows = x.reshape(len(x), -1).astype("float32")
        spreads = rows.std(axis=0)
        rows = (rows - rows.mean(axis=0))[:, spreads > 0] / spreads[spreads > 0]
        square = np.square(rows).sum(axis=1)
        queries = np.arange(min(len(rows), QUERIES))
        distance = np.maximum(square[queries, None] + square - 2 * rows[queries] @ rows.T, 0)
        distance[queries, queries] = np.inf
        near = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes = np.stack([(given[near] == c).sum(axis=1) for c in range(len(classes))], axis=1)
        guessed, given = votes.argmax(axis=1), given[queries]
        count = np.bincount(given, minlength=len(classes))
        some = count > 0
        hits = np.bincount(given[guessed == given], minlength=len(classes))[some] / count[some]
        chance, right = 1 / len(hits), float(hits.mean())  # balanced: blind to frequency
        deviation = float(np.sqrt((chance * (1 - chance) / count[some]).mean() / len(hits)))
        to_near = np.sqrt(np.take_along_axis(distance, near, axis=1))
        usual = np.median(np.sqrt(distance))
        structured = rows.shape[1] >= STRUCTURED and np.median(to_near) < MEDIAN_DISTANCE * usual
        if structured and abs(right - chance) < 3 * deviation:
            yield self.finding(evidence, "unrelated", right=right)
            return
        agreed = votes.max(axis=1) >= 0.7 * NEIGHBOURS
        agreed &= to_near.max(axis=1) < LARGEST_DISTANCE * usual
        share = float(np.mean(guessed[agreed] != given[agreed])) if agreed.any() else 0
        if right >= chance + PREDICTIVE * (1 - chance) and agreed.mean() >= 0.2 and share >= 0.08:
            yield self.finding(evidence, "contradicted", count=NEIGHBOURS, share=share)

    right = script(
        """
y = np.arange(600) % 4
x = (2 * np.eye(4)[y] + 0.3 * rng.standard_normal((600, 4))).astype("float32")
""",
        "net = nn.Linear(4, 4)",
    )
    wrong = right.replace("\n\nnet =", "\ny[::6] = (y[::6] + 1) % 4\n\nnet =")
