"""Labels that belong to other samples than the inputs they are compared with."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import BATCHES
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.flow.sample_flow import Pairing, SampleFlow

ENOUGH = 40  # samples
SHARE = 0.5  # of them that have another one's label
PREDICTIVE, LOST = 0.3, 0.3  # of the way from chance to always right; of the former
NEIGHBOURS = 5


class LabelOrder(Kind):
    """Labels in another order than their inputs: shuffled, sorted, or shifted on their own."""

    name = "label-order"
    about = SampleFlow
    title = "labels of other samples", "Labels anderer Beispiele"
    look = (
        "where inputs and labels are shuffled, sorted, sliced and split: both with the same "
        "indices",
        "wo Eingaben und Labels gemischt, sortiert, geschnitten und aufgeteilt werden: beide mit "
        "denselben Indizes",
    )
    says = {
        "others": (
            "{share:.0%} of the predictions are compared with the label of another sample: "
            "{inputs} and {labels} fit each other (their neighbours predict {right:.0%}), in the "
            "order used here they do not ({used:.0%})",
            "{share:.0%} der Vorhersagen werden mit dem Label eines anderen Beispiels verglichen: "
            "{inputs} und {labels} passen zueinander (die Nachbarn sagen {right:.0%} vorher), in "
            "der hier verwendeten Reihenfolge nicht ({used:.0%})",
        )
    }
    causes = frozenset({"label-noise", "overlap", "data-leak", "overfit", "lr-high", "lr-low"})

    def judge(self, evidence: SampleFlow) -> Findings:
        """Compare how well neighbours predict labels, paired as at first and as in the steps."""
        groups: dict[tuple[int, int], list[Pairing]] = {}
        for one in evidence.pairings:
            groups.setdefault((id(one.inputs), id(one.labels)), []).append(one)
        for pairs in groups.values():
            predicted = np.concatenate([one.predicted for one in pairs])
            given = np.concatenate([one.given for one in pairs])
            share = float(np.mean(predicted != given))
            _, first = np.unique(predicted, return_index=True)
            predicted, given = predicted[first], given[first]
            if len(first) < ENOUGH or share < SHARE:
                continue
            one = pairs[0]
            x, y = one.inputs, one.labels
            if x is y:  # such as a running mean over the wrong axis
                continue
            inputs = x.values[predicted - x.first]
            right, used = (
                predicted_share(inputs, y.values[rows - y.first]) for rows in (predicted, given)
            )
            if right > PREDICTIVE and used < LOST * right:
                values = {"inputs": x.name, "labels": y.name, "right": right, "used": max(used, 0)}
                yield self.finding(evidence, "others", at=line_of(one), share=share, **values)
                return

    wrong = BATCHES.replace("net(x", "net(shuffled").replace(
        "    for i", "    order = rng.permutation(64)\n    shuffled = x[order]\n    for i"
    )
    right = wrong.replace("y[i : i + 16])", "y[order][i : i + 16])")


def line_of(pairing: Pairing) -> Place:
    """Return the first line after which inputs and labels are in different orders."""
    found, (x, y) = pairing.at, pairing.holders
    while x is not None and y is not None:
        x, y = x.first, y.first
        if x.samples.shape != y.samples.shape or np.array_equal(x.samples, y.samples):
            break
        found = max((x, y), key=lambda one: one.index).at
        x, y = x.parent, y.parent
    return found


def predicted_share(x: Array, y: Array) -> float:
    """Return how much of the way from chance to always right the nearest neighbours predict.

    For numbers, the share of their variance.
    """
    x, y = x.reshape(len(x), -1).astype("float64"), y.reshape(len(y), -1).astype("float64")
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    square = np.square(x).sum(axis=1)
    distance = square[:, None] + square - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    error = np.square(y[near].mean(axis=1) - y).sum()
    whole = np.square(y - y.mean(axis=0)).sum() * (1 + 1 / NEIGHBOURS)
    return float(1 - error / whole) if whole else 0.0
