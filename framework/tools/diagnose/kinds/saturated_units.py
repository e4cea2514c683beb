"""Units at the flat ends of their activation."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.units import UnitActivity
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.recorded_calls import Call

MANY = 0.6  # share of a layer's values
BETWEEN = 0.002  # share of values that are neither end, below which it may be a sign or a step


class SaturatedUnits(Kind):
    """Layers most of whose values are near the ends of (0, 1) or (-1, 1)."""

    name = "saturated-units"
    about = UnitActivity
    title = "saturated units", "gesättigte Einheiten"
    look = (
        "the scale of the inputs, and of the weights before it",
        "die Größe der Eingaben und der Gewichte davor",
    )
    says = {
        "flat": (
            "{share:.0%} of the values of {what} are at the flat ends of the activation, where its "
            "slope is almost zero",
            "{share:.0%} der Werte von {what} liegen an den flachen Enden der Aktivierung, wo ihre "
            "Steigung fast null ist",
        )
    }
    causes = frozenset({"vanishing", "overfit", "lr-low"})

    def judge(self, evidence: UnitActivity) -> Findings:
        """Count the values near the ends."""
        for call, y, what in evidence.arrays:
            share = saturated_share(y)
            if share > MANY and not (at_the_ends(y) and is_a_step(call)):
                place = {"where": call.name, "type": call.type}
                yield self.finding(evidence, "flat", share=share, what=what, **place)
                return

    right = regression()
    wrong = right.replace("\nnet.loss", "\nnet[0].weight.data *= 100\nnet.loss")


def saturated_share(y: Array) -> float:
    """Return the share of values at the ends of (0, 1) or (-1, 1); 0 for another range."""
    if not is_float(y) or y.ndim < 2 or y.size < 32 or np.abs(y).max() > 1 or y.max() < 0.9:
        return 0.0
    if np.abs(y.sum(axis=-1) - 1).max() < 1e-3:  # a softmax
        return 0.0
    if y.min() < -0.9:
        return float(np.mean(np.abs(y) > 0.99))
    if 0 <= y.min() < 0.1 and np.mean(y == 0) < 0.02:
        return float(np.mean((y > 0.99) | (y < 0.01)))
    return 0.0


def at_the_ends(y: Array) -> bool:
    """Return whether values are exactly -1, 0 or 1."""
    return bool(np.mean(np.isin(y, (-1, 0, 1))) > 1 - BETWEEN)


def is_a_step(call: Call) -> bool:
    """Return whether a module has no slope: much smaller inputs give the ends too."""
    x = call.inputs[0]
    try:
        return at_the_ends(detached_copy(call.module)(1e-3 / (np.abs(x).max() or 1) * x))
    except Exception:  # it does not run alone
        return True
