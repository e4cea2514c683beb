"""Dropout that does not keep the mean of what it drops from."""

import numpy as np

from firstlight.tools.diagnose.examples import LOOP
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.flow.traced_array import Draw

ENTRIES = 2000  # of the masks
CERTAIN = 5  # standard deviations


class DropoutScale(Kind):
    """A mask whose kept entries are divided by the probability of the others."""

    name = "dropout-scale"
    about = SampleFlow
    title = "wrong scale of dropout", "falsche Skala des Dropouts"
    look = (
        "the kept units are divided by the probability of being kept, 1 - p",
        "die behaltenen Einheiten werden durch die Wahrscheinlichkeit geteilt, behalten zu werden, "
        "1 - p",
    )
    says = {
        "exchanged": (
            "the mask keeps {kept:.0%} of the units and multiplies them by {factor:.3g}, that is "
            "by 1 / {dropped:.2g}, the share of the dropped ones: the mean changes by a factor of "
            "{mean:.3g}, and with 1 / {kept:.2g} it would stay",
            "die Maske behält {kept:.0%} der Einheiten und multipliziert sie mit {factor:.3g}, "
            "also mit 1 / {dropped:.2g}, dem Anteil der weggelassenen: der Mittelwert ändert sich "
            "um den Faktor {mean:.3g}, mit 1 / {kept:.2g} bliebe er gleich",
        )
    }

    def judge(self, evidence: SampleFlow) -> Findings:
        """Compare the scale of the masks of each line with the share that they keep."""
        groups: dict[tuple[int, float], list[Draw]] = {}
        for draw in evidence.masks:
            if draw.mask.min() == 0 and len(np.unique(draw.mask)) == 2:
                groups.setdefault((draw.at.line, float(draw.mask.max())), []).append(draw)
        for (_, factor), draws in groups.items():
            kept = np.concatenate([draw.mask.ravel() > 0 for draw in draws])
            share, error = kept.mean(), CERTAIN * kept.std() / np.sqrt(len(kept))
            if len(kept) < ENTRIES or abs(share - 0.5) < 2 * error:
                continue
            if abs(1 / factor - (1 - share)) < error < abs(1 / factor - share):
                values = {"kept": share, "factor": factor, "dropped": 1 - share}
                yield self.finding(
                    evidence, "exchanged", at=draws[0].at, mean=share * factor, **values
                )
                return

    wrong = (
        LOOP
        + """
w, v = rng.normal(size=(3, 30)), rng.normal(size=(30, 1)) / 9
for epoch in range(20):
    h = np.tanh(x @ w)
    mask = (rng.random(h.shape) >= 0.2) / 0.2
    error = h * mask @ v - y
    print(np.mean(error**2))
    dh = error @ v.T * mask * (1 - h**2)
    v -= 0.001 * (h * mask).T @ error / 32
    w -= 0.001 * x.T @ dh / 32
"""
    )
    right = wrong.replace("/ 0.2\n", "/ 0.8\n")
