"""The steps of all trainings of a script, whose gradients it computes itself, as evidence."""

import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firstlight.tools.diagnose.kind import Evidence
from firstlight.tools.diagnose.probes.fused import FusedStep, fits_as_a_whole
from firstlight.tools.diagnose.probes.own_updates import STEPS, own_updates
from firstlight.tools.diagnose.probes.replay import DoubleRecorder
from firstlight.tools.diagnose.probes.step_check import StepCheck
from firstlight.tools.diagnose.probes.step_confirmation import confirmed
from firstlight.tools.diagnose.probes.step_units import windows
from firstlight.tools.diagnose.probes.trace import trace
from firstlight.tools.diagnose.probes.untrained import Unclear
from firstlight.tools.diagnose.probes.wrong_step import WrongStep

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
        if check.judged:
            sure = confirmed(check) if check.wrong else None
            wrong = None if sure is None else WrongStep(sure)
            if wrong is not None and not wrong.has_loss:
                found.append(Unclear(WrongStep.subject, "no number of the step is surely its loss"))
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
    return found
