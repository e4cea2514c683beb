"""How the gradient flows in one step: its size by depth, and the dtypes on the way."""

import contextlib

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.diagnose.backward import subject
from firstlight.tools.diagnose.bench import as_float64, is_float, unburdened
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.parts import mapped
from firstlight.tools.diagnose.recording import recording

LOOK = (
    "float64 numbers and arrays that float32 ones meet: np.sqrt(8) is one, float(np.sqrt(8)) none; "
    "a mask or random numbers: .astype(x.dtype)"
)
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
    """Return a `Finding` about a weight whose units are equal and stay so, or None.

    Units that start alike and get the same gradient learn the same; two are no more than one.
    Where all weights are zero they may get none at all. A gradient is noise below a millionth of
    the model's largest.
    """
    weights = [(n, p) for n, p in model.named_parameters() if p.data.ndim > 1 and p.requires_grad]
    noise = 1e-6 * max((float(np.abs(p.grad).max()) for p in model.parameters()), default=0.0)
    for name, parameter in weights:
        for axis in {0, parameter.data.ndim - 1}:  # units are rows, in some layers columns
            w, g = (np.moveaxis(a, axis, 0) for a in (parameter.data, parameter.grad))
            same = len(w) > 1 and (w == w[:1]).all()
            if same and np.allclose(g, g[:1], rtol=1e-4, atol=noise):
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


def drift(model, batch):
    """Return a `Finding` if a step raises only because a forward makes another dtype, or None."""
    twin, wide = unburdened(model).train(), unburdened(model).to(dtype="float64").train()
    with recording(twin) as tops, contextlib.suppress(Exception):
        twin.training_step(batch)
    try:
        wide.training_step(mapped(batch, as_float64))
    except Exception:
        return None
    calls = [call for top in tops for _, call in top.walk() if not call.parts]
    found = next((call for call in calls if of_forward(call)), None)
    if found is None:
        return None
    message = f"{of_forward(found)}, which the next layer refuses"
    return Finding("dtype", found.name, found.type, message, LOOK)


def of_forward(call):
    """Say which dtype a forward makes of another one, None if it keeps it."""
    floats = {x.dtype for x in call.inputs if is_float(x)}
    if len(floats) != 1 or not is_float(call.output) or call.output.dtype in floats:
        return None
    return f"{subject(call)}.forward makes {call.output.dtype} of {floats.pop()}"


def dtypes(calls):
    """Return a `Finding` about a dx of another dtype than x, a note about such a y, or None."""
    for call in calls:
        if of_forward(call):
            return Finding("dtype", call.name, call.type, of_forward(call), LOOK, note=True)
        dtype = next((x.dtype for x in call.inputs if is_float(x)), None)
        if is_float(call.dx) and is_float(call.dy) and call.dx.dtype != call.dy.dtype == dtype:
            message = (
                f"{subject(call)}.backward returns a dx of {call.dx.dtype} for a dy of {dtype}"
            )
            return Finding("dtype", call.name, call.type, message, LOOK, "dx")
    return None
