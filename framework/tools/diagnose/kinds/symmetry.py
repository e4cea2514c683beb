"""Units that are equal, and stay so."""

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.model.gradient_flow import GradientFlow
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import writes


class Symmetry(Kind):
    """Weights whose units start equal and get equal gradients."""

    name = "symmetry"
    about = GradientFlow, TrainingLoop
    title = "symmetric units", "gleiche Einheiten"
    look = (
        "random initial weights, e.g. nn.init.kaiming_uniform",
        "zufällige Anfangsgewichte, etwa nn.init.kaiming_uniform",
    )
    says = {
        "equal": (
            "all units of {name} start with equal weights and get equal gradients",
            "alle Einheiten von {name} beginnen mit gleichen Gewichten und bekommen gleiche "
            "Gradienten",
        ),
        "zero": (
            "{names} are all zero at the start, and each multiplies the other: none of them ever "
            "gets a gradient",
            "{names} sind zu Beginn alle null, und jedes multipliziert das andere: keines bekommt "
            "je einen Gradienten",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: GradientFlow | TrainingLoop) -> Findings:
        """Name the first weight with equal units; several that are zero without any gradient."""
        if isinstance(evidence, TrainingLoop):
            yield from self._of_arrays(evidence)
            return
        names = list(evidence.symmetric)
        parameters = dict(evidence.twin.named_parameters())
        stuck = [n for n in names if not parameters[n].data.any() and not parameters[n].grad.any()]
        if len(stuck) > 1:
            where, *others = {name.rpartition(".")[0] for name in stuck}
            part = dict(evidence.twin.named_modules())[where]
            place = {"where": where, "type": type(part).__name__}
            if others:
                place = {"where": stuck[0], "type": ""}
            yield self.finding(evidence, "zero", names=", ".join(stuck[:4]), **place)
        elif names:
            yield self.finding(evidence, "equal", where=names[0], name=names[0])

    def _of_arrays(self, evidence):
        """Name the first of a script's own matrices whose units are equal after its steps."""
        matrices = [
            (first, last)
            for first, last in evidence.own_arrays()
            if np.ndim(last.after) == 2 and min(last.after.shape) > 1
        ]
        equal = [
            first
            for first, last in matrices
            if _has_equal_units(first.before) and _has_equal_units(last.after)
        ]
        if equal and len(matrices) > 1:
            first = min(equal, key=lambda event: event.index)
            made = [n for text, n in writes(evidence.tree) if text == first.name]
            at = Place.of(first.at.file, made[0].lineno) if made else first.at
            yield self.finding(evidence, "equal", name=first.name, at=at)

    right = script()
    wrong = right.replace(
        "\nnet.loss", "\nfor p in net.parameters():\n    p.data[...] = 0.1\nnet.loss"
    )


def _has_equal_units(array: Array) -> bool:
    """Return whether all rows or all columns of a matrix are equal."""
    return any(not np.ptp(array, axis=axis).any() for axis in (0, 1))
