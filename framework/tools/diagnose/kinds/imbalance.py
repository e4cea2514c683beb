"""Classes of very different size, and losses that weigh them the wrong way."""

import math

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.loss_view import LossView

RATIO = 8  # of the largest class to the smallest
PER_CLASS = 20  # samples, below which a ratio is a coincidence
SHARE = 0.8  # of the largest class; below it, predicting it always does not pay
FEW = 100  # samples, below which imbalance is a note
KNOWN = 1.1  # times the loss of the classes' shares, below which the first outputs are these
SKEWED = 0.8  # of the entropy of equal classes, from which on this can be told
TWICE = 2  # ratio of counts, and of weights, from which on weights are called wrong


class Imbalance(Kind):
    """Classes of very different size in a plain cross-entropy, or weights that add to it."""

    name = "imbalance"
    about = FirstStep
    title = "class imbalance", "ungleiche Klassen"
    look = (
        "CrossEntropyLoss(weight=...), more samples of the rare ones, and metrics per class",
        "CrossEntropyLoss(weight=...), mehr Beispiele der seltenen Klassen, Metriken pro Klasse",
    )
    says = {
        "counts": (
            "class {most} has {high:,} samples and class {least} {low:,}, and the loss counts them "
            "alike: always predicting {most} is right for {share:.0%}",
            "Klasse {most} hat {high:,} Beispiele und Klasse {least} {low:,}, und der Verlust "
            "zählt sie gleich: immer {most} vorherzusagen, ist in {share:.0%} der Fälle richtig",
        ),
        "proportional": (
            "a sample of class {most}, of which there are {high:,}, counts {factor:.3g} times as "
            "much in the loss as one of class {least}, of which there are {low:,}: the weights "
            "grow with the counts, where 1 / count would balance them",
            "ein Beispiel der Klasse {most} mit {high:,} Beispielen zählt im Verlust "
            "{factor:.3g}-mal so viel wie eines der Klasse {least} mit {low:,}: die Gewichte "
            "wachsen mit der Anzahl; 1 / Anzahl gleicht sie aus",
        ),
    }

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare the largest class with the smallest, and their samples' shares in the loss."""
        samples = evidence.samples
        if samples is None or not samples.has_classes or not evidence.has_class_scores:
            return
        classes, counts = np.unique(samples.y[samples.y >= 0], return_counts=True)
        if len(classes) < 2 or counts.sum() < PER_CLASS * len(classes):
            return
        most, least = counts.argmax(), counts.argmin()
        values = {"most": classes[most], "high": counts[most]}
        values |= {"least": classes[least], "low": counts[least]}
        if counts[most] < TWICE * counts[least]:
            return
        plain, factor = self._weights(evidence, classes[most], classes[least])
        if factor >= TWICE and not plain:
            loss = getattr(evidence.model, "loss", None)
            place = {"where": "loss", "type": "" if loss is None else type(loss).__name__}
            yield self.finding(evidence, "proportional", factor=factor, **values, **place)
        share, usual = counts[most] / counts.sum(), np.median(counts)
        if plain and counts[most] >= RATIO * counts[least]:
            # Skewed frequencies are natural among many classes, such as letters.
            rare = counts[most] < TWICE * usual and usual >= RATIO * counts[least]
            note = counts.sum() < FEW or not (share >= SHARE or rare)
            note = bool(note or self._is_known(evidence, classes, counts / counts.sum()))
            yield self.finding(evidence, "counts", share=share, note=note, **values)

    @staticmethod
    def _is_known(evidence, classes, shares):
        """Return whether the first outputs are the shares of the classes, rather than equal."""
        entropy = -(shares * np.log(shares)).sum()
        labels = evidence.y[evidence.y >= 0]
        loss = -np.log(shares[np.searchsorted(classes, labels)]).mean()
        return evidence.loss < KNOWN * loss and entropy < SKEWED * math.log(len(classes))

    @staticmethod
    def _weights(evidence, most, least):
        """Return whether the loss is a plain cross-entropy, and the ratio of the two weights."""
        batch = evidence.batch
        if not isinstance(batch, tuple) or len(batch) != 2 or evidence.y.ndim != 1:
            return False, 1.0
        labels = np.array([most, least], batch[1].dtype)
        view = LossView(evidence.model, (batch[0][:2], labels))
        zeros, h = view.loss_of_zeros(), 1e-5

        def slope(row):
            def up(z):
                moved = np.zeros_like(z)
                moved[row, labels[row]] = h
                return moved

            return (view.loss(up) - zeros) / h

        def sure(z):  # a logit of 3 for the right class: a focal loss is smaller
            moved = np.zeros_like(z)
            moved[np.arange(2), labels] = 3
            return moved

        first, second = slope(0), slope(1)
        factor = first / second if second else 1.0
        ratio, others = view.loss(sure) / zeros, np.shape(view.output)[-1] - 1
        expected = math.log1p(others * math.exp(-3)) / math.log1p(others)
        return abs(ratio - expected) < 1e-3 and abs(factor - 1) < 1e-3, factor

    wrong = script(
        """
y = (rng.random(400) < 0.05).astype(int)
x = (rng.standard_normal((400, 4)) + y[:, None]).astype("float32")
""",
        "net = nn.Sequential(nn.Linear(4, 2))",
    )
    right = wrong.replace(
        "nn.CrossEntropyLoss()", 'nn.CrossEntropyLoss(weight=np.array([1, 20], "float32"))'
    )
