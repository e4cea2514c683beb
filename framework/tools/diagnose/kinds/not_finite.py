"""NaN or infinity in the inputs or the loss."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.recorded_calls import all_calls


class NotFinite(Kind):
    """Inputs or a loss that are NaN or infinite; names the first module that makes them."""

    name = "not-finite"
    about = FirstStep
    title = "NaN or infinity", "NaN oder unendlich"
    look = (
        "a log or division of 0, an exp of large numbers: subtract the largest first",
        "ein Logarithmus von 0, eine Division durch 0, exp großer Zahlen: vorher die größte "
        "abziehen",
    )
    says = {
        "inputs": (
            "{count} of {size} inputs are NaN or infinite",
            "{count} von {size} Eingaben sind NaN oder unendlich",
        ),
        "forward": (
            "its forward is the first whose result has NaN or infinity",
            "sein forward ist das erste, dessen Ergebnis NaN oder unendlich enthält",
        ),
        "loss": ("the loss is NaN or infinite", "der Verlust ist NaN oder unendlich"),
    }
    causes = frozenset({"input-scale", "initial-loss", "dead-units", "eval"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Find where the first NaN comes from."""
        x = evidence.x
        if is_float(x) and not np.isfinite(x).all():
            yield self.finding(evidence, "inputs", count=int((~np.isfinite(x)).sum()), size=x.size)
        elif not np.isfinite(evidence.loss):
            for top in evidence.tops:
                for call in sorted(all_calls([top]), key=lambda call: bool(call.parts)):
                    finite = all(not is_float(x) or np.isfinite(x).all() for x in call.inputs)
                    if is_float(call.output) and not np.isfinite(call.output).all() and finite:
                        yield self.finding(evidence, "forward", where=call.name, type=call.type)
                        return
            yield self.finding(evidence, "loss", where="loss")

    wrong = script(
        net="""
class Log(fl.Module):
    def forward(self, x):
        self.save(x)
        return np.log(x)

    def backward(self, dy):
        (x,) = self.saved()
        return dy / x


net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), Log(), nn.Linear(16, 2))
"""
    )
    right = wrong.replace("np.log(x)", "np.log(x + 1)").replace("dy / x", "dy / (x + 1)")
