"""Modules that change the dtype."""

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.model.gradient_flow import Dtypes, forward_dtype


class Dtype(Kind):
    """A dx of another dtype than dy."""

    name = "dtype"
    about = Dtypes
    title = "changed dtype", "geänderter Datentyp"
    look = (
        "float64 numbers and arrays that float32 ones meet: np.sqrt(8) is one, float(np.sqrt(8)) "
        "none; a mask or random numbers: .astype(x.dtype)",
        "float64-Zahlen und -Arrays, die auf float32 treffen: np.sqrt(8) ist eine, "
        "float(np.sqrt(8)) keine; eine Maske oder Zufallszahlen: .astype(x.dtype)",
    )
    says = {
        "forward": (
            "{label}.forward makes {dtype} of {given}",
            "{label}.forward macht {dtype} aus {given}",
        ),
        "refused": (
            "{label}.forward makes {dtype} of {given}, which the next layer refuses",
            "{label}.forward macht {dtype} aus {given}, was die nächste Schicht ablehnt",
        ),
        "backward": (
            "{label}.backward returns a dx of {dtype} for a dy of {given}",
            "{label}.backward gibt ein dx in {dtype} für ein dy in {given} zurück",
        ),
    }

    def judge(self, evidence: Dtypes) -> Findings:
        """Compare the dtypes of each call; a changed y is a note, a changed dx a finding."""
        if evidence.refused:
            yield self._of(evidence, evidence.refused[0], "refused")
            return
        for call in evidence.flow.calls:
            if forward_dtype(call):
                yield self._of(evidence, call, "forward", note=True)
                return
            given = next((x.dtype for x in call.inputs if is_float(x)), None)
            if is_float(call.dx) and is_float(call.dy) and call.dx.dtype != call.dy.dtype == given:
                place = {"where": call.name, "type": call.type, "gradient": "dx"}
                values = {"label": call.label, "dtype": call.dx.dtype, "given": given}
                yield self.finding(evidence, "backward", **place, **values)
                return

    def _of(self, evidence, call, key, note=False):
        given = next(x.dtype for x in call.inputs if is_float(x))
        place = {"where": call.name, "type": call.type, "note": note}
        dtype = forward_dtype(call)
        return self.finding(evidence, key, label=call.label, dtype=dtype, given=given, **place)

    wrong = script(
        net="""
class Scale(fl.Module):
    def forward(self, x):
        return x / np.float32(2)

    def backward(self, dy):
        return dy / np.sqrt(4)


net = nn.Sequential(nn.Linear(4, 16), Scale(), nn.Linear(16, 2))
"""
    )
    right = wrong.replace("np.sqrt(4)", "np.float32(2)")
