"""Evaluations that run in training mode: of a module, or of a script's own code."""

from bisect import bisect
from collections import Counter
from typing import Any

import numpy as np

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.flow.traced_array import Reduction
from firstlight.tools.diagnose.probes.module_state import detached_copy
from firstlight.tools.diagnose.probes.script.events import Backward, Forward, Update
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop

SEVERAL = 5  # predictions with new masks that are averaged
DIFFERENCE = 0.02  # of the outputs in both modes, relative to their size


class EvaluatedInTraining(Kind):
    """A forward of the evaluation without eval(), of a module whose output depends on it."""

    name = "eval-mode"
    about = TrainingLoop, SampleFlow
    title = "evaluation in training mode", "Auswertung im Trainingsmodus"
    look = (
        "eval(), or training=False, for the evaluation, and the training mode again after it",
        "eval() oder training=False für die Auswertung, und danach wieder der Trainingsmodus",
    )
    says = {
        "training": (
            "{name} is in training mode when its outputs are evaluated: with eval() the same "
            "inputs give outputs that differ by {difference:.0%}",
            "{name} ist im Trainingsmodus, wenn seine Ausgaben ausgewertet werden: Mit eval() "
            "ergeben dieselben Eingaben Ausgaben, die um {difference:.0%} abweichen",
        ),
        "mask": (
            "these predictions are evaluated while the dropout of line {line} is active",
            "diese Vorhersagen werden bei aktivem Dropout (Zeile {line}) ausgewertet",
        ),
        "average": (
            "this evaluation runs in training mode, and its samples change the running average",
            "diese Auswertung läuft im Trainingsmodus und ändert den laufenden Mittelwert",
        ),
    }

    def judge(self, evidence: TrainingLoop | SampleFlow) -> Findings:
        """Judge what is evaluated after the last step."""
        if isinstance(evidence, SampleFlow):
            yield from self._of_flow(evidence)
        else:
            yield from self._of_modules(evidence)

    def _of_flow(self, evidence):
        steps = [step.event.index for step in evidence.steps]
        times = Counter(
            (one.calls, one.samples.tobytes(), bisect(steps, one.forward))
            for one in evidence.evaluations
        )
        for one in evidence.evaluations:
            if (
                max(times[key] for key in times if key[:2] == (one.calls, one.samples.tobytes()))
                > 1
            ):
                continue  # the mean of several random predictions
            at, own = evidence.line(one), one.origin
            new = [draw for draw in own.draws if steps[0] < draw.index <= one.forward]
            new = [draw for draw in new if bisect(steps, draw.index) == bisect(steps, one.forward)]
            masks = [draw for draw in new if draw.mask is not None]
            again = Counter((draw.at, draw.shape) for draw in masks)
            if masks and max(again.values()) < SEVERAL:
                zeros = float(np.mean(masks[0].mask == 0))
                values = {"line": masks[0].at.line, "zeros": zeros}
                yield self.finding(evidence, "mask", at=at, **values)
                return
            if (update := averaged(evidence, one)) is not None:
                values = {"line": update.at.line, "count": len(one.samples)}
                yield self.finding(evidence, "average", at=at, **values)
                return

    def _of_modules(self, evidence):
        """Look at the forwards after the last step that no backward belongs to."""
        last = max((part.event.index for part in evidence.contributions), default=None)
        if last is None:
            return
        trained = {id(event.module) for event in evidence.trace.of(Backward)}
        after = [
            event
            for event in evidence.trace.of(Forward)
            if event.index > last and event.training and event.backward is None
        ]
        for event in after:
            again = [one for one in after if one.at == event.at]
            if id(event.module) not in trained or len(again) > 1 or not event.module.parameters():
                continue
            difference = mode_difference(event)
            if difference > DIFFERENCE:
                name = evidence.trace.name_of(event.module)
                yield self.finding(
                    evidence, "training", at=event.at, name=name, difference=difference
                )
                return

    wrong = TRAINED.replace("nn.Tanh()", "nn.Dropout(0.2)").replace("(x), y)", "(x[:48]), y[:48])")
    wrong += "print(((net(x[48:]) - y[48:]) ** 2).mean())\n"
    right = wrong.replace("print(", "net.eval()\nprint(")


def averaged(evidence: SampleFlow, evaluation: Reduction) -> Update | None:
    """Return the update of a running average by statistics that an evaluation depends on."""
    used = {one for one in evaluation.origin.reductions if one.fitted}
    steps: dict[Any, set[int]] = {}
    for event, _ in evidence.updates:
        steps.setdefault(event.value, set()).add(event.step)
    lasting = [pair for pair in evidence.updates if len(steps[pair[0].value]) > 1]
    inside = [(event, content) for event, content in lasting if used & content]
    both = {event.index for event, _ in inside}
    for event, _ in reversed(inside):
        later = [step.event.index for step in evidence.steps if step.event.index not in both]
        between = [index for index in later if event.index < index <= evaluation.index]
        fresh = [one for one in used if np.isin(one.samples, evaluation.samples).all()]
        return event if not between and fresh else None
    return None


def mode_difference(event: Forward) -> float:
    """Return the relative difference of a module's outputs in training and in evaluation."""
    outputs = [detached_copy(event.module).train(mode)(*event.inputs) for mode in (True, False)]
    if not all(isinstance(y, np.ndarray) and y.dtype.kind == "f" for y in outputs):
        return 0.0
    size = float(np.linalg.norm(outputs[1]))
    return float(np.linalg.norm(outputs[0] - outputs[1])) / size if size else 0.0
