"""The second opinion: layers against PyTorch's of the same name, forward and backward.

Differences cannot show that a forward computes something else than its name says, for backward
then agrees with the wrong forward. A layer from `firstlight.nn`, or a class of one's own that
bears such a name and has the same parameters, is compared with ``torch.nn`` and its autograd.
"""

import numpy as np

from firstlight.diagnose.backward import subject
from firstlight.diagnose.bench import Bench, is_float
from firstlight.diagnose.findings import Finding

TOLERANCE = {"rtol": 1e-6, "atol": 1e-8}
PLAIN = ("ReLU", "Tanh", "Sigmoid", "SiLU", "Softplus")  # no arguments that matter
CHANNELS = ("Conv2d", "BatchNorm2d", "MaxPool2d", "AvgPool2d")  # channels last here, first there


def against_torch(top, report):
    """Add a line for each layer below a `Call` that has a twin in PyTorch.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("the comparison with PyTorch needs it: pip install torch") from error
    seen = set()
    for _, call in top.walk():
        if call.parts or call.name in seen:
            continue
        seen.add(call.name)
        twin = twin_of(call.module)
        if twin is not None:
            report.add("torch", subject(call), [compared(call, twin)])


def twin_of(module):
    """Return the PyTorch module that computes the same, None where there is none."""
    import torch

    name, own = type(module).__name__, vars(module)
    make = getattr(torch.nn, name, None)
    bias = own.get("bias") is not None
    if make is None:
        return None
    if name in PLAIN:
        return make()
    if name == "Linear" and "weight" in own:
        rows, columns = module.weight.shape
        return make(columns, rows, bias=bias)
    if name == "LayerNorm" and "weight" in own and module.weight is not None:
        return make(module.weight.shape, eps=own.get("eps", 1e-5), bias=bias)
    if name in ("BatchNorm1d", "BatchNorm2d") and own.get("weight") is not None:
        return make(module.weight.size, eps=own.get("eps", 1e-5), momentum=own.get("momentum", 0.1))
    return None


def compared(call, twin):
    """Return the `Finding` about a layer that computes something else than its twin, or None."""
    import torch

    bench = Bench(call.module, call.inputs)
    x, dy = bench.inputs[0], bench.dy
    gradients = bench.backward()
    twin = twin.double().train()
    state = bench.module.to_torch()
    if set(state) - set(twin.state_dict()):
        return None  # other parameters than PyTorch's: another layer of the same name
    twin.load_state_dict(state, strict=False)
    images = call.type in CHANNELS
    tensor = torch.tensor(np.moveaxis(x, -1, 1) if images else x, requires_grad=is_float(x))
    y = twin(tensor)
    y.backward(torch.tensor(np.moveaxis(dy, -1, 1).copy() if images else dy))
    back = (lambda a: np.moveaxis(a, 1, -1)) if images else (lambda a: a)
    pairs = [("forward", bench.y, back(y.detach().numpy()))]
    if gradients.get("dx") is not None:
        pairs.append(("dx", gradients["dx"], back(tensor.grad.numpy())))
    theirs = dict(twin.named_parameters())
    pairs += [(n, gradients[n], theirs[n].grad.numpy()) for n, _ in bench.trained if n in theirs]
    for what, one, other in pairs:
        if one.shape != other.shape or not np.allclose(one, other, **TOLERANCE):
            kind = "forward" if what == "forward" else "term"
            message = f"{subject(call)}: {what} differs from torch.nn.{call.type}"
            look = "the formula of forward, its constants and axes"
            return Finding(
                kind, call.name, call.type, message, look, "" if kind == "forward" else what
            )
    return None
