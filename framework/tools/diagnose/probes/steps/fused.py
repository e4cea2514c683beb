"""Fused step: gradients of parameters that are right although the parts do not fit alone."""

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.script.events import OptimizerStep, Scalar
from firstlight.tools.diagnose.probes.steps.replay import direction as random_direction
from firstlight.tools.diagnose.probes.steps.replay import inner, owned, scaled
from firstlight.tools.diagnose.probes.steps.step_check import LOSS_NAMES, H, StepCheck
from firstlight.tools.diagnose.probes.steps.step_losses import close

SEEDS = (601, 602)


class FusedStep(Evidence):
    """A step whose dy is not the derivative of its loss, while the parameters' gradients are.

    A softmax whose backward passes on p - y is an example: it is right only together with the
    cross-entropy.
    """

    group, subject = "training", "the step as a whole"
    where = "training_step"

    def __init__(self, detail: str = ""):
        self.detail = detail


def fits_as_a_whole(check: StepCheck) -> bool:
    """Return whether the parameters' gradients at the optimizer step are those of one loss.

    The step is repeated without cutting out its modules, with all parameters moved together.
    """
    steps = check.window.of(OptimizerStep)
    if len(steps) != 1:
        return False
    numbers, step = owned(check.window.trace.parameters), steps[0]
    fitting: set | None = None
    for seed in SEEDS:
        moves, claim = {}, 0.0
        for parameter, value, gradient in zip(
            step.parameters, step.before, step.gradients, strict=True
        ):
            v = random_direction(value, seed + len(moves))
            weight = float(np.sqrt(np.square(gradient * v).sum()))
            if not weight or id(parameter) not in numbers:
                return False
            v = v / weight  # no small gradient is lost among larger ones
            moves["parameter", numbers[id(parameter)]] = v
            claim += inner(gradient, v)
        up, down = (
            check.replay({key: scaled(v, h) for key, v in moves.items()}, free=True).found.scalars
            for h in (H, -H)
        )
        slopes = {key: (up[key] - down[key]) / (2 * H) for key in up if key in down}
        found = {
            (loss.name, loss.line)
            for loss in _final(check, check.candidates(slopes))
            if close(claim, loss.of(slopes), len(moves) ** 0.5)
        }
        fitting = found if fitting is None else fitting & found
    return bool(fitting)


def _final(check, losses):
    """Return the losses without those that a later one, such as a total, follows."""
    named = [w for w in losses if any(part in w.name.lower() for part in LOSS_NAMES)]
    places = {event.key: event.index for event in check.window.of(Scalar)}
    last = max((places.get(w.keys[-1], -1) for w in named), default=None)
    return losses if last is None else [w for w in named if places.get(w.keys[-1], -1) == last]
