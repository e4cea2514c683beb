"""Comparison of layers with PyTorch's of the same name, forward and backward.

Differences cannot show that a forward computes something else than its name says, since backward
then agrees with the wrong forward. A layer of `firstlight.nn`, or a user's class with such a name
and the same parameters, is compared with ``torch.nn`` and its autograd; the others are listed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.diagnose._torch_modules import MAKERS, NoTwinError, torch_module
from firstlight.tools.diagnose.kind import Finding
from firstlight.tools.diagnose.probes.arrays import is_float
from firstlight.tools.diagnose.probes.recorded_calls import Call
from firstlight.tools.diagnose.probes.rerun import Rerun, UnsupportedError
from firstlight.tools.diagnose.report import Report

TOLERANCE = {"rtol": 1e-6, "atol": 1e-8}


def check_installed() -> None:
    """Raise an ImportError if PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("the comparison with PyTorch needs it: pip install torch") from error


def compare_with_torch(top: Call, report: Report) -> None:
    """Add a line for each layer below a call that PyTorch has too, and list the others."""
    seen, others = set(), {}
    for call in comparable_calls(top):
        if call.name in seen:
            continue
        seen.add(call.name)
        try:
            report.add("torch", call.label, [difference_from_torch(call)])
        except (NoTwinError, UnsupportedError) as why:
            others.setdefault(f"{call.type}: {why}", []).append(call.name or call.type)
    for why, names in others.items():
        report.skip("torch", ", ".join(names), f"not compared, {why}")


def comparable_calls(call: Call) -> Iterator[Call]:
    """Yield the calls to compare: those of layers that PyTorch has, else of their parts."""
    if call.type in MAKERS or not call.parts:
        yield call
    else:
        for part in call.parts:
            yield from comparable_calls(part)


def difference_from_torch(call: Call) -> Finding | None:
    """Return a finding about a layer that differs from PyTorch's, or None."""
    import torch

    def prepare(own: Module) -> None:
        if hasattr(own, "dropout"):
            own.dropout = 0.0  # both draw other random numbers
        torch_module(own)  # raises before anything runs

    rerun = Rerun(call.module, call.inputs, prepare=prepare)
    twin = torch_module(rerun.module)  # with the parameters that the rerun has moved
    gradients = rerun.backward()
    inputs = [as_tensors(value) for value in rerun.inputs]
    y = twin(*inputs)
    y.backward(torch.from_numpy(rerun.dy))
    pairs = [("forward", rerun.y, y)]
    pairs += [
        (name, gradients[name], tensor.grad)
        for name, tensor in zip(("dx", "dx[1]"), inputs, strict=False)
        if gradients.get(name) is not None and getattr(tensor, "requires_grad", False)
    ]
    theirs = dict(twin.module.named_parameters())
    for name, parameter in rerun.trained:
        own, axes = gradients[name], parameter.torch_axes
        pairs.append((name, np.transpose(own, axes) if axes else own, theirs[name].grad))
    for what, own, other in pairs:
        other = other.detach().numpy()
        if own.shape != other.shape or not np.allclose(own, other, equal_nan=True, **TOLERANCE):
            kind, gradient = ("forward", "") if what == "forward" else ("term", what)
            message = f"{call.label}: {what} differs from torch.nn.{type(twin.module).__name__}"
            look = "the formula of forward, its constants and axes"
            return Finding(kind, call.name, call.type, message, look, gradient)
    return None


def as_tensors(value: Any) -> Any:
    """Return an argument of forward with tensors for arrays; floating ones need a gradient."""
    import torch

    if isinstance(value, (tuple, list)):
        return tuple(map(as_tensors, value))
    if not isinstance(value, np.ndarray):
        return value
    return torch.tensor(value, requires_grad=is_float(value))
