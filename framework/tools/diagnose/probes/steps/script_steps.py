"""The steps of all trainings of a script, whose gradients it computes itself, as evidence."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.raised import Unclear
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.fused import FusedStep, fits_as_a_whole
from firstlight.tools.diagnose.probes.steps.own_updates import STEPS, own_updates
from firstlight.tools.diagnose.probes.steps.replay import DoubleRecorder, Window, scaled
from firstlight.tools.diagnose.probes.steps.second_slopes import SecondSlopes
from firstlight.tools.diagnose.probes.steps.step_check import StepCheck
from firstlight.tools.diagnose.probes.steps.step_units import output_units, value_units, windows
from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

SHRUNK = 0.5  # parameters of the second point
SATURATED = {  # those where the loss may be saturated, by what limits it
    re.compile(r"\bclip\(|maximum\([^,]+, *[\d.]*e-"): 0.02,
    re.compile(r"\blog\([^\n]*\+ *([\d.]+e-|\w*eps)", re.I): 0.3,
}


def confirmed(check: StepCheck) -> StepCheck | None:
    """Return the check if gradients are wrong with smaller parameters, too, else None.

    Where a script clips something, its losses may be saturated: then the check with the smaller
    parameters is returned.
    """
    window = check.window
    source = check.path.read_text(encoding="utf-8")
    saturates = [scale for limit, scale in SATURATED.items() if limit.search(source)]
    scale = saturates[0] if saturates else SHRUNK
    moves = {unit.key: scaled(unit.value, scale - 1) for unit in value_units(window)}
    if not moves:
        return check
    found = check.replay(moves, free=True).finish()
    again = [w for w in windows(found) if _place(w) == _place(window)]
    if not again:
        return None
    second = StepCheck(check.path, check.arguments, again[0])
    second.base = moves
    units = {unit.key: unit for unit in output_units(again[0]) + value_units(again[0])}
    check.wrong = [one for one in check.wrong if second.is_wrong(units.get(one.unit.key))]
    if not check.wrong:
        return None
    if saturates:
        second.run()
    return second if second.wrong else check


def _place(window: Window) -> Any:
    return window.trace.events[window.end].key


BOOTSTRAPS = re.compile(r"(gamma|discount)\w* *\* *[^\n]*(next|new|future|s2|boot)", re.I)
BUDGET = 2.0  # seconds of all steps together, after which no further one is begun


class RightStep(Evidence):
    """A step all of whose gradients agree with differences of the loss.

    Attributes
    ----------
    of_numbers : bool
        Whether they are single numbers, such as those of a list, of which one step shows little.
    """

    group, subject = WrongStep.group, WrongStep.subject

    def __init__(self, check: StepCheck):
        self.detail = f"arrays: {check.judged}"
        units = (unit for group, _ in check.together for unit in group)
        self.of_numbers = not any(np.ndim(unit.value) for unit in units if not unit.module)


def step_evidence(path: Path, arguments: Sequence[str] = ()) -> list[Evidence]:
    """Return the evidence of one step of each training of a script."""
    found: list[Evidence] = []
    source = path.read_text(encoding="utf-8")
    reference, longer = trace(path, arguments, DoubleRecorder(path)), None
    began = time.process_time()  # the script alone may take longer than its steps
    for number, window in enumerate(windows(reference)):
        if time.process_time() - began > BUDGET:
            break  # many trainings, such as one for each parameter that is clipped by hand
        check = StepCheck(path, list(arguments), window)
        check.run()
        judged = check.judged
        if judged:
            sure = confirmed(check) if check.wrong else None
            wrong = None if sure is None else WrongStep(sure)
            if wrong is not None and not wrong.has_loss:
                judged = 0
            elif wrong is not None and BOOTSTRAPS.search(source):
                found.append(Unclear(WrongStep.subject, "the target depends on the parameters"))
            elif wrong is not None and fits_as_a_whole(sure):
                found.append(FusedStep(f"arrays: {check.judged}"))
            elif wrong is None or wrong.is_harmless:
                found.append(RightStep(check))
                longer = longer or trace(path, arguments, DoubleRecorder(path, steps=STEPS))
                found += filter(None, [own_updates(check, longer, number)])
            else:
                found.append(wrong)
        if not judged:
            one = without_loss(check)
            found.append(one)
            if isinstance(one, RightStep):
                longer = longer or trace(path, arguments, DoubleRecorder(path, steps=STEPS))
                found += filter(None, [own_updates(check, longer, number)])
    return found


def without_loss(check: StepCheck) -> Evidence:
    """Return the evidence of a step of which no number is surely the loss."""
    slopes = SecondSlopes(check)
    if slopes.wrong or not slopes.units:
        bootstraps = BOOTSTRAPS.search(check.path.read_text(encoding="utf-8"))
        found = slopes.repaired() if slopes.wrong and not bootstraps else None
        return found or Unclear(WrongStep.subject, "no number of the step is surely its loss")
    keys = {unit.key for unit in slopes.units}
    units = [unit for group, _ in check.together for unit in group if unit.key in keys]
    check.wrong, check.judged, check.right_together = [], len(units), [id(unit) for unit in units]
    return RightStep(check)
