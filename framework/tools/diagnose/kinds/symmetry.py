"""Units that are equal, and stay so."""

from collections.abc import Iterator

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Finding, Kind
from firstlight.tools.diagnose.probes.gradient_flow import GradientFlow


class Symmetry(Kind):
    """Weights whose units start equal and get equal gradients."""

    name = "symmetry"
    about = GradientFlow
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

    def judge(self, evidence: GradientFlow) -> Iterator[Finding]:
        """Name the first weight with equal units; several that are zero without any gradient."""
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

    right = script()
    wrong = right.replace(
        "\nnet.loss", "\nfor p in net.parameters():\n    p.data[...] = 0.1\nnet.loss"
    )
