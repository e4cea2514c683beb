"""Checks of the gradient on its way back: its size by depth and along time, and its dtype."""

from collections.abc import Sequence

import numpy as np

from firstlight.module import Module
from firstlight.parameter import Parameter
from firstlight.support.array import Array
from firstlight.tools.diagnose.arrays import Batch, as_float64, is_float, leaves
from firstlight.tools.diagnose.findings import Finding, Report
from firstlight.tools.diagnose.module_state import float64_copy
from firstlight.tools.diagnose.recorded_calls import Call, all_calls, recorded_step
from firstlight.tools.diagnose.units import symmetric_units

DTYPE_LOOK = (
    "float64 numbers and arrays that float32 ones meet: np.sqrt(8) is one, float(np.sqrt(8)) none; "
    "a mask or random numbers: .astype(x.dtype)"
)
VANISHED = 1e-4  # of the gradient's size near the output; it has exploded above the reciprocal
TIME_STEPS = 8  # of a sequence, from which on it is checked
PER_STEP = 0.35  # a gradient that vanishes faster than that hardly recovers


def check_flow(model: Module, batch: Batch, report: Report) -> None:
    """Run one step on a copy; add lines about gradients by depth, equal units and dtypes."""
    twin, _, tops = recorded_step(model, batch, backward=True)
    own = [top for top in tops if top.name == ""]
    calls = [call for call in all_calls(own) if not call.parts]
    report.add("health", "gradients by depth", *by_depth(twin, calls))
    report.add("health", "symmetric units", [symmetric_units(twin)])
    report.add("health", "dtypes", [changed_dtype(calls)])


def by_depth(model: Module, calls: Sequence[Call]) -> tuple[list[Finding], str]:
    """Return findings and detail about gradients that vanish or explode on the way back."""

    def norm(array):
        return float(np.linalg.norm(np.asarray(array, "float64")))

    matrices = [(n, p) for n, p in model.named_parameters() if p.data.ndim > 1 and p.requires_grad]
    weights = [(n, norm(p.grad) / p.size**0.5) for n, p in matrices]
    arriving = [
        (call.name, norm(call.dy))
        for call in calls
        if any(isinstance(v, Parameter) and v.data.ndim > 1 for v in vars(call.module).values())
        and is_float(call.dy)
    ]
    for rows, what in ((weights, "the gradient of"), (arriving, "the dy that arrives at")):
        rows = [(name, number) for name, number in rows if number > 0]
        if len(rows) < 3:
            continue
        last, at_end = rows[-1]
        early = rows[: len(rows) // 2]
        low, high = min(early, key=lambda r: r[1]), max(early, key=lambda r: r[1])
        if low[1] < VANISHED * at_end:
            words = f"{what} {low[0]} is {at_end / low[1]:.1g} times smaller than that of {last}"
            look = "the activation (ReLU, GELU), the initial weights, normalisation, shortcuts"
            message = f"{words}: it vanishes on the way back"
            return [Finding("vanishing", low[0], "", message, look)], ""
        if high[1] > at_end / VANISHED:
            words = f"{what} {high[0]} is {high[1] / at_end:.1g} times larger than that of {last}"
            look = "the initial weights, normalisation, gradient_clip"
            message = f"{words}: it explodes on the way back"
            return [Finding("exploding", high[0], "", message, look)], ""
    detail = f"first to last {weights[0][1] / (weights[-1][1] or 1):.2g}" if weights else ""
    return [], detail


def changed_dtype(calls: Sequence[Call]) -> Finding | None:
    """Return a finding about a dx of another dtype than dy, a note about such a y, or None."""
    for call in calls:
        if words := forward_dtype(call):
            return Finding.of_call(call, "dtype", words, DTYPE_LOOK, note=True)
        dtype = next((x.dtype for x in call.inputs if is_float(x)), None)
        if is_float(call.dx) and is_float(call.dy) and call.dx.dtype != call.dy.dtype == dtype:
            message = f"{call.label}.backward returns a dx of {call.dx.dtype} for a dy of {dtype}"
            return Finding("dtype", call.name, call.type, message, DTYPE_LOOK, "dx")
    return None


def forward_dtype(call: Call) -> str | None:
    """Say which other dtype a forward returns than it got; None if it keeps the dtype."""
    floats = {x.dtype for x in call.inputs if is_float(x)}
    if len(floats) != 1 or not is_float(call.output) or call.output.dtype in floats:
        return None
    return f"{call.label}.forward makes {call.output.dtype} of {floats.pop()}"


def refused_dtype(model: Module, batch: Batch) -> Finding | None:
    """Return a finding if a step raises only because a forward changes the dtype, or None."""
    try:
        recorded_step(model, batch, float64=True)
    except Exception:
        return None
    _, _, tops = recorded_step(model, batch, may_fail=True)
    for call in all_calls(tops):
        if not call.parts and (words := forward_dtype(call)):
            message = f"{words}, which the next layer refuses"
            return Finding.of_call(call, "dtype", message, DTYPE_LOOK)
    return None


def check_through_time(top: Call, report: Report) -> None:
    """Add a line for each module that hands a gradient from the last time step to the first.

    Backward gets a dy at the last step alone, and dx is compared along the steps. Exact zeros mean
    that the steps do not see each other, as in convolutions and layers for each position. A
    gradient that fades more slowly than `PER_STEP` is a note only: gates and weights of fresh
    recurrent layers do that, and learn.
    """
    seen = set()
    for call in all_calls([top]):
        unrolled = len(call.parts) > len({part.name for part in call.parts})
        x = leaves(call.inputs)[0] if call.inputs else None
        if call.name in seen or (call.parts and not unrolled):
            continue
        seen.add(call.name)
        if not is_float(x) or x.ndim != 3 or x.shape[1] < TIME_STEPS:
            continue
        norms = dx_by_step(call)
        if norms is None or not (norms > 0).all() or not np.isfinite(norms).all():
            continue
        ratio = float(norms[0] / norms[-1])
        detail = f"first to last of {len(norms)} steps {ratio:.1g}"
        finding = _through_time(call, ratio, ratio ** (1 / (len(norms) - 1)))
        report.add("health", f"{call.label} through time", [finding], detail)


def _through_time(call, ratio, each):
    """Return the finding about a gradient that fades or grows along the steps, or None."""
    words = f"at the first step of {call.label} the last output's gradient is"
    if ratio < VANISHED:
        message = (
            f"{words} {ratio:.1g} of what it is at the last, {each:.2g} times a step: it vanishes"
        )
        look = "weights between the steps of norm 1 (nn.init.orthogonal), tanh, a GRU or an LSTM"
        return Finding.of_call(call, "vanishing", message, look, note=each > PER_STEP)
    if ratio > 1 / VANISHED:
        message = f"{words} {ratio:.1g} times that at the last, {each:.2g} a step: it explodes"
        look = "weights between the steps of norm 1, gradient_clip, tanh, a GRU or an LSTM"
        return Finding.of_call(call, "exploding", message, look)
    return None


def dx_by_step(call: Call) -> Array | None:
    """Return the norm of dx at each step, for a dy at the last step; None if there is no dx."""
    twin, rng = float64_copy(call.module), np.random.default_rng(12)
    x = as_float64(leaves(call.inputs)[0])
    try:
        y = leaves(twin(*[as_float64(value) for value in call.inputs]))[0]
        dy = rng.standard_normal(y.shape)
        if y.ndim == 3 and y.shape[1] == x.shape[1]:
            dy[:, :-1] = 0
        dx = leaves(twin.backward(dy))[0]
    except Exception:  # judged elsewhere
        return None
    if np.size(dx) != x.size:
        return None
    return np.sqrt(np.square(dx.reshape(x.shape)).sum(axis=(0, 2)))
