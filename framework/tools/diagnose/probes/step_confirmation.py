"""Confirmation of a step's wrong gradients at a second point, with smaller parameters."""

import re
from typing import Any

from firstlight.tools.diagnose.probes.replay import Window, scaled
from firstlight.tools.diagnose.probes.step_check import StepCheck
from firstlight.tools.diagnose.probes.step_units import output_units, value_units, windows

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
