"""How the gradient flows in one step: its size by depth, and the dtypes on the way."""

import numpy as np

from firstlight.diagnose.backward import subject
from firstlight.diagnose.bench import is_float, unburdened
from firstlight.diagnose.findings import Finding
from firstlight.diagnose.recording import recording
from firstlight.parameter import Parameter

FADED = 1e-4  # of the size near the output, at which a gradient has vanished


def flow(model, batch, report):
    """Run one step on a copy; add lines about the gradient's size by depth, and about dtypes."""
    twin = unburdened(model).train()
    twin.zero_grad()
    with recording(twin) as tops:
        output = twin.training_step(batch)
        twin.backward(output.dy)
    calls = [c for top in tops if top.name == "" for _, c in top.walk() if not c.parts]
    report.add("health", "gradients by depth", *by_depth(twin, calls))
    report.add("health", "units that differ", [alike(twin)])
    report.add("health", "dtypes", [dtypes(calls)])


def size(array):
    """Return the norm of an array."""
    return float(np.linalg.norm(np.asarray(array, "float64")))


def alike(model):
    """Return a `Finding` about a weight whose rows are equal and stay so, or None.

    Units that start alike and get the same gradient learn the same; two are no more than one.
    """
    for name, parameter in model.named_parameters():
        w, g = parameter.data, parameter.grad
        if w.ndim < 2 or len(w) < 2 or not (w.any() and g.any()):
            continue
        if (w == w[:1]).all() and np.allclose(g, g[:1], rtol=1e-4, atol=1e-6 * np.abs(g).max()):
            message = f"all units of {name} start with equal weights and get equal gradients"
            look = "random initial weights, e.g. nn.init.kaiming_uniform"
            return Finding("symmetry", name, "", message, look)
    return None


def by_depth(model, calls):
    """Return ``(findings, detail)`` about gradients that fade or grow on the way back."""
    matrices = [(n, p) for n, p in model.named_parameters() if p.data.ndim > 1 and p.requires_grad]
    weights = [(n, size(p.grad) / p.size**0.5) for n, p in matrices]
    arriving = [
        (call.name, size(call.dy))
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
        if low[1] < FADED * at_end:
            words = f"{what} {low[0]} is {at_end / low[1]:.1g} times smaller than that of {last}"
            look = "the activation (ReLU, GELU), the initial weights, normalisation, shortcuts"
            return [
                Finding("vanishing", low[0], "", f"{words}: it fades on the way back", look)
            ], ""
        if high[1] > at_end / FADED:
            words = f"{what} {high[0]} is {high[1] / at_end:.1g} times larger than that of {last}"
            look = "the initial weights, normalisation, gradient_clip"
            return [
                Finding("exploding", high[0], "", f"{words}: it grows on the way back", look)
            ], ""
    detail = f"first to last {weights[0][1] / (weights[-1][1] or 1):.2g}" if weights else ""
    return [], detail


def dtypes(calls):
    """Return a `Finding` about a dx of another dtype than x, a note about such a y, or None."""
    look = "np.float64 numbers and arrays that float32 ones are multiplied with: use float(...)"
    for call in calls:
        floats = {x.dtype for x in call.inputs if is_float(x)}
        if len(floats) != 1 or not is_float(call.output):
            continue
        dtype = floats.pop()
        if call.output.dtype != dtype:
            message = f"{subject(call)}.forward makes {call.output.dtype} of {dtype}"
            return Finding("dtype", call.name, call.type, message, look, note=True)
        if is_float(call.dx) and is_float(call.dy) and call.dx.dtype != call.dy.dtype == dtype:
            message = (
                f"{subject(call)}.backward returns a dx of {call.dx.dtype} for a dy of {dtype}"
            )
            return Finding("dtype", call.name, call.type, message, look, "dx")
    return None
