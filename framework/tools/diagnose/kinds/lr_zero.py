"""Learning rates of zero."""

import ast

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.script.events import OptimizerStep, Scalar
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop


class LearningRateZero(Kind):
    """An optimizer, or a group of it, whose learning rate is 0."""

    name = "lr-zero"
    about = TrainingLoop
    title = "learning rate zero", "Learning Rate null"
    look = (
        "the schedule's length and its arguments, // in place of /, and the groups of the "
        "optimizer",
        "Länge und Argumente des Schedules, // statt /, und die Gruppen des Optimizers",
    )
    causes = frozenset({"overfit", "lr-low", "not-trained"})
    says = {
        "group": (
            "group {number} of the optimizer has lr = 0: its {count} parameters never move",
            "Gruppe {number} des Optimizers hat lr = 0: Ihre {count} Parameter bewegen sich nie",
        ),
        "schedule": (
            "the learning rate is 0 in {count} of the first {steps} steps: nothing moves there",
            "die Learning Rate ist in {count} der ersten {steps} Schritte 0: Nichts bewegt sich",
        ),
    }

    def judge(self, evidence: TrainingLoop) -> Findings:
        """Look at the learning rates of all steps."""
        for made, steps in evidence.by_optimizer():
            zeros = [step for step in steps if not any(step.lrs)]
            turns = {step.loops[0].number if step.loops else step.index for step in zeros}
            if len(zeros) > 1 and (len(turns) > 1 or not any(steps[-1].lrs)):
                at = setting(evidence, zeros[0])
                yield self.finding(evidence, "schedule", at=at, count=len(zeros), steps=len(steps))
                continue
            for index, rates in enumerate(zip(*(step.lrs for step in steps), strict=False)):
                count = _moved_by_nothing(steps, index)
                if len(steps) > 1 and not any(rates) and any(steps[0].lrs) and count:
                    at = zero_rate(evidence, made) or made
                    yield self.finding(evidence, "group", at=at, number=index + 1, count=count)

    wrong = TRAINED.replace("    loss", "    optimizer.lr = 0.02 * ((40 - epoch) // 40)\n    loss")
    right = wrong.replace("//", "/")


def _moved_by_nothing(steps, index):
    """Return how many trained parameters with a gradient a group has."""
    members = {id(p) for p in steps[0].optimizer.param_groups[index]["params"] if p.requires_grad}
    pairs = zip(steps[0].parameters, steps[0].gradients, strict=True)
    return sum(id(p) in members and bool(g.any()) for p, g in pairs)


def setting(evidence: TrainingLoop, step: OptimizerStep) -> Place:
    """Return the line that set the learning rate of a step to 0, or the step's."""
    for event in reversed(evidence.trace.events[: step.index]):
        named = isinstance(event, Scalar) and "lr" in event.name.lower().split(".")[-1]
        if named and event.value == 0:
            return evidence.call_line(event)
    return step.at


def zero_rate(evidence: TrainingLoop, made: Place) -> Place | None:
    """Return the line up to the optimizer's that writes a learning rate of 0."""
    for node in ast.walk(evidence.tree):
        pairs = list(zip(node.keys, node.values, strict=True)) if isinstance(node, ast.Dict) else []
        pairs += [(ast.Constant(k.arg), k.value) for k in getattr(node, "keywords", ())]
        for key, value in pairs:
            named = isinstance(key, ast.Constant) and key.value == "lr"
            if named and isinstance(value, ast.Constant) and value.value == 0:
                return Place.of(made.file, value.lineno)
    return None
