"""Inputs far from the mean 0 and spread 1 that initial weights assume."""

import math

import numpy as np

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.input_scale import InputScale

LARGE, SMALL = 4.0, 0.05  # root mean square
OFFSET = 3.0  # spreads from 0 to the mean
UNLIKE = 30.0  # ratio of the spreads of two features
BETTER = 0.5  # average loss of the standardised inputs, relative to the inputs as they are
FIRST = 1.5  # ratio of the first losses that shows the harm of wrapped integers
LEARNED = 0.2  # of the first loss: an average below it does no harm


class InputScaleKind(Kind):
    """Inputs of another scale, where a standardised copy reaches a clearly lower loss."""

    name = "input-scale"
    about = InputScale
    title = "scale of the inputs", "Größenordnung der Eingaben"
    look = (
        "standardise each feature, (x - mean) / std of the training data; convert integers to "
        "float before any subtraction",
        "jedes Merkmal standardisieren, (x - Mittelwert) / Streuung der Trainingsdaten; ganze "
        "Zahlen vor jeder Subtraktion in float umwandeln",
    )
    says = {
        "large": (
            "the inputs are large, {low:.3g} to {high:.3g} with mean {mean:.3g} and spread "
            "{spread:.3g}; initial weights assume mean 0 and spread 1",
            "die Eingaben sind groß, {low:.3g} bis {high:.3g} mit Mittelwert {mean:.3g} und "
            "Streuung {spread:.3g}; Anfangsgewichte setzen Mittelwert 0 und Streuung 1 voraus",
        ),
        "small": (
            "the inputs are small, {low:.3g} to {high:.3g} with mean {mean:.3g} and spread "
            "{spread:.3g}; initial weights assume mean 0 and spread 1",
            "die Eingaben sind klein, {low:.3g} bis {high:.3g} mit Mittelwert {mean:.3g} und "
            "Streuung {spread:.3g}; Anfangsgewichte setzen Mittelwert 0 und Streuung 1 voraus",
        ),
        "offset": (
            "the inputs are not centred, {low:.3g} to {high:.3g} with mean {mean:.3g} and spread "
            "{spread:.3g}: the samples hardly differ from their mean; initial weights assume mean "
            "0 and spread 1",
            "die Eingaben sind nicht zentriert, {low:.3g} bis {high:.3g} mit Mittelwert "
            "{mean:.3g} und Streuung {spread:.3g}: die Beispiele unterscheiden sich kaum von "
            "ihrem Mittelwert; Anfangsgewichte setzen Mittelwert 0 und Streuung 1 voraus",
        ),
        "unlike": (
            "the features have very different spreads, {narrow:.3g} for feature {i} and {wide:.3g} "
            "for feature {j}; initial weights assume mean 0 and spread 1 for each",
            "die Merkmale haben sehr verschiedene Streuungen, {narrow:.3g} bei Merkmal {i} und "
            "{wide:.3g} bei Merkmal {j}; Anfangsgewichte setzen bei jedem Mittelwert 0 und "
            "Streuung 1 voraus",
        ),
        "wrapped": (
            "the inputs lie at both ends of a range of 256 steps of {unit:.3g} with nothing "
            "between: negative numbers wrapped round in unsigned 8-bit integers (0 - 1 = 255)",
            "die Eingaben liegen an beiden Enden eines Bereichs von 256 Schritten zu {unit:.3g}, "
            "dazwischen nichts: negative Zahlen sind in vorzeichenlosen 8-Bit-Zahlen übergelaufen "
            "(0 - 1 = 255)",
        ),
        "proof": (
            "{what}. Over {steps} steps on a batch the loss is {harm:.3g} on average, with "
            "standardised inputs {after:.3g}",
            "{what}. Über {steps} Schritte mit einem Batch ist der Verlust im Mittel {harm:.3g}, "
            "mit standardisierten Eingaben {after:.3g}",
        ),
        "first": (
            "{what}. The first loss is {harm:.3g}, with standardised inputs {after:.3g}",
            "{what}. Der erste Verlust ist {harm:.3g}, mit standardisierten Eingaben {after:.3g}",
        ),
        "unproved": (
            "{what}; whether this does harm was not tried",
            "{what}; ob das schadet, wurde nicht versucht",
        ),
    }
    causes = frozenset(
        {"initial-loss", "saturated-units", "dead-units", "exploding", "symmetry"}
        | {"overfit", "lr-high", "lr-low"}
    )

    def judge(self, evidence: InputScale) -> Findings:
        """Describe the distribution; report it if training on a standardised copy is better."""
        x = evidence.x
        if x is None or x.ndim < 2 or len(x) < 8 or not np.isfinite(x).all():
            return
        described = self._described(evidence)
        if described is None:
            return
        key, values = described
        values |= {"mean": x.mean(), "spread": x.std(), "low": x.min(), "high": x.max()}
        what = self.words(key, **values)
        if not evidence.comparable:
            if key in ("large", "unlike", "wrapped"):
                yield self.finding(evidence, "unproved", what=what, note=True)
            return
        plain, better = evidence.trial(), evidence.trial(evidence.standardised)
        if key == "wrapped":
            undone = evidence.trial(lambda x: evidence.standardised(evidence.unwrapped(x)))
            better = min(better, undone, key=lambda trial: np.mean(trial.losses))
        if key == "wrapped" and plain.losses[0] > FIRST * better.losses[0]:
            values = {"harm": plain.losses[0], "after": better.losses[0]}
            yield self.finding(evidence, "first", what=what, **values)
            return
        harm, after = np.mean(plain.losses), np.mean(better.losses)
        if not math.isfinite(after) or harm < LEARNED * better.losses[0]:
            return
        if not after > BETTER * harm:  # also for NaN
            ends = {"harm": harm, "after": after, "steps": len(plain.losses)}
            yield self.finding(evidence, "proof", what=what, **ends)

    @staticmethod
    def _described(evidence):
        """Return the key and values of what is unusual about a distribution, or None."""
        x, (mean, spread) = evidence.x, evidence.features
        size, varied = float(np.sqrt(np.square(x, dtype="float64").mean())), spread > 0
        if evidence.unit:
            return "wrapped", {"unit": evidence.unit}
        if not varied.any():
            return None
        narrow, wide = np.where(varied, spread, np.inf).argmin(), spread.argmax()
        if size > LARGE and np.median(spread[varied]) > LARGE:
            return "large", {}
        if spread[wide] > UNLIKE * spread[narrow] and spread[wide] > LARGE:
            values = {"narrow": spread[narrow], "wide": spread[wide], "i": narrow, "j": wide}
            return "unlike", values
        if size > LARGE:
            return "large", {}
        if size < SMALL:
            return "small", {}
        if np.mean(np.abs(mean[varied]) > OFFSET * spread[varied]) > 0.5:
            return "offset", {}
        return None

    right = regression(
        data="""
x = rng.standard_normal((400, 4)) * [1, 10, 0.1, 30] + [0, 50, 0, 900]
y = ((x[:, :1] - x[:, 1:2] / 10 + 5)).astype("float32")
x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
"""
    )
    wrong = right.replace("x = ((x - x.mean(axis=0)) / x.std(axis=0)).", "x = x.")
