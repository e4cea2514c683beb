"""The second opinion: layers against PyTorch's of the same name, forward and backward.

Differences cannot show that a forward computes something else than its name says, for backward
then agrees with the wrong forward. A layer from `firstlight.nn`, or a class of one's own that
bears such a name and has the same parameters, is compared with ``torch.nn`` and its autograd; what
has no twin there is listed.
"""

import numpy as np

from firstlight.tools.diagnose.backward import subject
from firstlight.tools.diagnose.bench import Bench, UnsupportedError, is_float
from firstlight.tools.diagnose.findings import Finding
from firstlight.tools.diagnose.twins import MAKERS, NoTwinError, twin_of

TOLERANCE = {"rtol": 1e-6, "atol": 1e-8}


def check_installed():
    """Raise an ImportError if PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("the comparison with PyTorch needs it: pip install torch") from error


def against_torch(top, report):
    """Add a line for each layer below a `Call` that has a twin in PyTorch, and list the others."""
    seen, others = set(), {}
    for call in outermost(top):
        if call.name in seen:
            continue
        seen.add(call.name)
        try:
            report.add("torch", subject(call), [compared(call)])
        except (NoTwinError, UnsupportedError) as why:
            others.setdefault(f"{call.type}: {why}", []).append(call.name or call.type)
    for why, names in others.items():
        report.skip("torch", ", ".join(names), f"not compared, {why}")


def outermost(call):
    """Yield the calls to compare: those of layers that have a twin, else of their parts."""
    if call.type in MAKERS or not call.parts:
        yield call
    else:
        for part in call.parts:
            yield from outermost(part)


def compared(call):
    """Return the `Finding` about a layer that computes something else than its twin, or None."""
    import torch

    def prepare(own):
        if hasattr(own, "dropout"):
            own.dropout = 0.0  # chance decides it, and another chance in PyTorch
        twin_of(own)  # raises where there is none, before anything runs

    bench = Bench(call.module, call.inputs, prepare=prepare)
    twin = twin_of(bench.module)  # with the parameters that the bench has given it since
    gradients = bench.backward()
    inputs = [tensors(value) for value in bench.inputs]
    y = twin(*inputs)
    y.backward(torch.from_numpy(bench.dy))
    pairs = [("forward", bench.y, y)]
    pairs += [
        (name, gradients[name], tensor.grad)
        for name, tensor in zip(("dx", "dx[1]"), inputs, strict=False)
        if gradients.get(name) is not None and getattr(tensor, "requires_grad", False)
    ]
    theirs = dict(twin.module.named_parameters())
    for name, parameter in bench.trained:
        one = gradients[name]
        axes = parameter.torch_axes
        pairs.append((name, np.transpose(one, axes) if axes else one, theirs[name].grad))
    for what, one, other in pairs:
        other = other.detach().numpy()
        if one.shape != other.shape or not np.allclose(one, other, equal_nan=True, **TOLERANCE):
            kind = "forward" if what == "forward" else "term"
            message = f"{subject(call)}: {what} differs from torch.nn.{type(twin.module).__name__}"
            look = "the formula of forward, its constants and axes"
            return Finding(
                kind, call.name, call.type, message, look, "" if kind == "forward" else what
            )
    return None


def tensors(value):
    """Return an argument of forward for PyTorch: arrays as tensors, floating ones with gradient."""
    import torch

    if isinstance(value, (tuple, list)):
        return tuple(map(tensors, value))
    if not isinstance(value, np.ndarray):
        return value
    return torch.tensor(value, requires_grad=is_float(value))
