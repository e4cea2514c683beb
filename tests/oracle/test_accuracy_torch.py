"""Every form's error in float32 against float64: within twice that of PyTorch, at any scale.

A form that computes the same function otherwise may lose digits at sizes that no other test has, as
when a sum is rounded before its parts are compared with it.
"""

import numpy as np
import pytest

from firstlight import Parameter, nn, optim
from firstlight.support import forms

torch = pytest.importorskip("torch")
F, tnn = torch.nn.functional, torch.nn

SCALES = [1e-2, 1.0, 1e3]
ROUNDING = 2e-7  # of PyTorch's result itself, where it is exact by chance


def images(tensor):
    """From PyTorch's layout to ours, or back for axes (0, 3, 1, 2)."""
    return tensor.permute(0, 2, 3, 1)


class Images(tnn.Module):
    """PyTorch's layer on channels-last images."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return images(self.layer(x.permute(0, 3, 1, 2)))


LAYERS = {
    "Linear": (lambda: nn.Linear(48, 32), lambda: tnn.Linear(48, 32), (40, 48)),
    "GELU": (nn.GELU, tnn.GELU, (40, 64)),
    "GELU tanh": (lambda: nn.GELU("tanh"), lambda: tnn.GELU("tanh"), (40, 64)),
    "SiLU": (nn.SiLU, tnn.SiLU, (40, 64)),
    "Softmax": (nn.Softmax, lambda: tnn.Softmax(-1), (40, 64)),
    "LayerNorm": (lambda: nn.LayerNorm(64), lambda: tnn.LayerNorm(64), (80, 64)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(8), lambda: tnn.BatchNorm1d(8), (300, 8)),
    "Conv2d": (
        lambda: nn.Conv2d(8, 16, 3, padding=1),
        lambda: Images(tnn.Conv2d(8, 16, 3, padding=1)),
        (4, 9, 10, 8),
    ),
    "Conv2d, depthwise": (
        lambda: nn.Conv2d(16, 16, 3, padding=1, groups=16),
        lambda: Images(tnn.Conv2d(16, 16, 3, padding=1, groups=16)),
        (4, 9, 10, 16),
    ),
    "AvgPool2d": (lambda: nn.AvgPool2d(3), lambda: Images(tnn.AvgPool2d(3)), (4, 9, 9, 8)),
}


def error(found, exact):
    """Return how long the error is, against the exact result."""
    length = np.linalg.norm(exact)
    return float(np.linalg.norm(found.astype("float64") - exact) / length) if length else 0.0


def assert_as_exact(ours, theirs, exact):
    """Compare lists of results, one list for each random case."""
    for number, parts in enumerate(zip(*exact, strict=True)):
        mine, torchs = (
            np.mean([error(r[number], part) for r, part in zip(results, parts, strict=True)])
            for results in (ours, theirs)
        )
        assert mine <= 2 * torchs + ROUNDING, f"result {number}: {mine:.1e} against {torchs:.1e}"


def with_torch(function, arrays, dy, dtype):
    """Return y and the gradients of arrays and of a module's parameters, as NumPy arrays."""
    tensors = [torch.tensor(array.astype(dtype), requires_grad=True) for array in arrays]
    y = function(*tensors)
    y.backward(torch.tensor(dy.astype(dtype)))
    parameters = list(function.parameters()) if isinstance(function, tnn.Module) else []
    found = [y.detach(), *(tensor.grad for tensor in (*tensors, *parameters))]
    return [part.permute(0, 2, 3, 1).numpy() if part.ndim == 4 and n > 1 else part.numpy()
            for n, part in enumerate(found)]  # fmt: skip


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, scale, form):
    make, make_twin, shape = LAYERS[name]
    ours, theirs, exact = [], [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        twin = make_twin()
        layer = make().from_torch(getattr(twin, "layer", twin).state_dict()).to(device=form.device)
        x = (scale * rng.standard_normal(shape)).astype("float32")
        y = layer(form.there(x))
        dy = rng.standard_normal(y.shape).astype("float32")
        dx = layer.backward(form.there(dy))
        gradients = [parameter.grad for parameter in layer.parameters()]
        ours.append([form.here(part) for part in (y, dx, *gradients)])
        theirs.append(with_torch(twin, [x], dy, "float32"))
        twin.zero_grad()
        exact.append(with_torch(twin.double(), [x], dy, "float64"))
    assert_as_exact(ours, theirs, exact)


ATTENTION = {
    "numpy": "BlockedAttention",
    "compiled": "CompiledAttention",
    "kernels": "CudaAttention",
}


@pytest.mark.forms
@pytest.mark.parametrize(
    "form", ["numpy", "compiled", pytest.param("kernels", marks=pytest.mark.gpu)], indirect=True
)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mean", [0, 1])
def test_attention(causal, scale, mean, form):
    """``scale`` is that of the scores; values that are alike hide in dp what weights lose."""
    name = ATTENTION[form.name]
    (used,) = [found.instance for found in forms.registered() if found.name == name]
    ours, theirs, exact = [], [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        q, k, v, dy = rng.standard_normal((4, 2, 2, 64, 32))
        arrays = [scale**0.5 * q, scale**0.5 * k, v + mean]
        arrays = [array.astype("float32") for array in arrays]
        dy = dy.astype("float32")
        placed, there_dy = [form.there(array) for array in arrays], form.there(dy)
        y, *gradients = (form.there(np.full_like(dy, np.nan)) for _ in range(4))
        lse = used.attend(*placed, y, causal=causal)
        used.attend_backward(there_dy, *placed, y, lse, *gradients, causal=causal)
        ours.append([form.here(part) for part in (y, *gradients)])
        for results, dtype in ((theirs, "float32"), (exact, "float64")):
            results.append(attend(arrays, dy, causal, dtype))
    assert_as_exact(ours, theirs, exact)


def attend(arrays, dy, causal, dtype):
    tensors = [torch.tensor(array.astype(dtype), requires_grad=True) for array in arrays]
    y = F.scaled_dot_product_attention(*tensors, is_causal=causal)
    y.backward(torch.tensor(dy.astype(dtype)))
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


@pytest.mark.parametrize("scale", SCALES)
def test_cross_entropy(scale, form):
    ours, theirs, exact = [], [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = (scale * rng.standard_normal((40, 30))).astype("float32")
        t, loss = rng.integers(0, 30, 40), nn.CrossEntropyLoss()
        value = loss(form.there(x), form.there(t))
        ours.append([form.here(value), form.here(loss.backward())])
        for results, dtype in ((theirs, "float32"), (exact, "float64")):
            tensor = torch.tensor(x.astype(dtype), requires_grad=True)
            y = F.cross_entropy(tensor, torch.tensor(t))
            y.backward()
            results.append([y.detach().numpy(), tensor.grad.numpy()])
    assert_as_exact(ours, theirs, exact)


@pytest.mark.parametrize("scale", SCALES)
def test_rows_of_an_embedding(scale, form):
    ours, theirs, exact = [], [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, dy = rng.integers(0, 9, 700), (scale * rng.standard_normal((700, 8))).astype("float32")
        layer = nn.Embedding(9, 8).to(device=form.device)
        layer(form.there(x))
        layer.backward(form.there(dy))
        ours.append([form.here(layer.weight.grad)])
        for results, dtype in ((theirs, "float32"), (exact, "float64")):
            weight = torch.zeros((9, 8), dtype=getattr(torch, dtype), requires_grad=True)
            F.embedding(torch.tensor(x), weight).backward(torch.tensor(dy.astype(dtype)))
            results.append([weight.grad.numpy()])
    assert_as_exact(ours, theirs, exact)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("name", "options"),
    [("Adam", {}), ("AdamW", {"weight_decay": 0.1}), ("SGD", {"momentum": 0.9, "nesterov": True})],
)
def test_optimizers(name, options, scale, form):
    """What 10 steps change in the parameters."""
    rng = np.random.default_rng(0)
    w, gradients = rng.standard_normal(900), scale * rng.standard_normal((10, 900))
    w, gradients = w.astype("float32"), gradients.astype("float32")
    parameter = Parameter(form.there(w))
    optimizer = getattr(optim, name)([parameter], lr=0.01, **options)
    for g in gradients:
        parameter.grad[...] = form.there(g)
        optimizer.step()
    results = []
    for dtype in ("float32", "float64"):
        tensor = torch.tensor(w.astype(dtype), requires_grad=True)
        twin = getattr(torch.optim, name)([tensor], lr=0.01, **options)
        for g in gradients:
            tensor.grad = torch.tensor(g.astype(dtype))
            twin.step()
        results.append([[tensor.detach().numpy()]])
    assert_as_exact([[form.here(parameter.data)]], *results)
