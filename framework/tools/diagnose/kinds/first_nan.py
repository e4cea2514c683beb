"""NaN in the loss or the weights of a script's own code."""

import re

from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.kinds.step_factor import SCRIPT
from firstlight.tools.diagnose.probes.script.single_lines import FirstNaN

FUNCTIONS = {r"\blog\d*p?\(": "log", r"\bsqrt\(": "root"}


class FirstNaNOfScript(Kind):
    """A line that makes NaN of other numbers, in the first steps of a training."""

    name = "first-nan"
    about = FirstNaN
    title = "NaN in the training", "NaN im Training"
    look = (
        "the values that this line reads, printed: what made them negative, 0 or infinite",
        "die Werte, die diese Zeile liest, ausgegeben: was sie negativ, 0 oder unendlich macht",
    )
    causes = frozenset({"overfit", "lr-high", "lr-low", "not-finite"})
    says = {
        "log": (
            "this line makes the first NaN, in {name}: the log of a negative number, or 0 · log 0",
            "diese Zeile macht das erste NaN, in {name}: log einer negativen Zahl oder 0 · log 0",
        ),
        "root": (
            "this line makes the first NaN, in {name}: the root of a negative number",
            "diese Zeile macht das erste NaN, in {name}: die Wurzel einer negativen Zahl",
        ),
        "empty": (
            "{name} has no entries after this line: the mean over no samples is NaN",
            "{name} hat nach dieser Zeile keine Einträge: Das Mittel über keine ist NaN",
        ),
        "other": (
            "this line makes the first NaN, in {name}: such as of 0 / 0, or of inf - inf",
            "diese Zeile macht das erste NaN, in {name}: etwa aus 0 / 0 oder aus inf - inf",
        ),
    }
    wrong = SCRIPT.replace("loss = (error**2).mean()", "loss = np.log(error).mean()")
    right = SCRIPT

    def judge(self, evidence: FirstNaN) -> Findings:
        """Say what the line computes."""
        code = evidence.at.code
        keys = [key for function, key in FUNCTIONS.items() if re.search(function, code)]
        key = "empty" if evidence.is_empty else keys[0] if len(keys) == 1 else "other"
        yield self.finding(evidence, key, name=evidence.name)
