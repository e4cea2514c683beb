import numpy as np
import pytest

from firstlight import Parameter, optim

torch = pytest.importorskip("torch")

SHAPES = [(5, 3), (7,), (2, 3, 2), (4,)]
MATRICES = [(5, 3), (7, 2), (3, 4), (4, 4)]
CASES = [
    ("SGD", {}),
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"momentum": 0.8, "nesterov": True}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.05}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.7, "weight_decay": 0.05, "alpha": 0.95}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.05, "weight_decay": 0.05}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adam", {}),
    ("Adam", {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.05}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"betas": (0.8, 0.95), "weight_decay": 0.2}),
    ("AdamW", {"amsgrad": True, "eps": 1e-4}),
    ("NAdam", {}),
    ("NAdam", {"betas": (0.8, 0.95), "weight_decay": 0.05, "momentum_decay": 0.02}),
    ("NAdam", {"weight_decay": 0.05, "decoupled_weight_decay": True}),
    ("Lion", {}),
    ("Lion", {"betas": (0.8, 0.95), "weight_decay": 0.2}),
    ("Muon", {}),
    ("Muon", {"momentum": 0.8, "nesterov": False, "ns_steps": 3, "eps": 1e-4}),
    ("Muon", {"adjust_lr_fn": "match_rms_adamw", "ns_coefficients": (2.0, -1.5, 0.5)}),
]
IDS = [f"{name}-{'-'.join(map(str, settings))}" for name, settings in CASES]


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of its paper, which PyTorch does not have."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                mean = self.state[p].get("mean", torch.zeros_like(p))
                direction = torch.sign(mean * first + p.grad * (1 - first))
                p -= group["lr"] * (direction + group["weight_decay"] * p)
                self.state[p]["mean"] = mean * second + p.grad * (1 - second)


def reference(name):
    return Lion if name == "Lion" else getattr(torch.optim, name)


@pytest.fixture(autouse=True)
def in_double(monkeypatch):
    """Let Muon compute, and NAdam keep its product, in float64 rather than in half of it."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def twins(name, settings, groups):
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s) for s in (MATRICES if name == "Muon" else SHAPES)]
    ours = [Parameter(array.copy()) for array in arrays]
    theirs = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in arrays]

    def grouped(params):
        if not groups:
            return params
        return [
            {"params": params[:2]},
            {"params": params[2:3], "lr": 0.002},
            {"params": params[3:], "weight_decay": 0.3},
        ]

    return (
        ours,
        theirs,
        getattr(optim, name)(grouped(ours), lr=0.01, **settings),
        reference(name)(grouped(theirs), lr=0.01, **settings),
    )


def frozen_at(step):
    """Return which parameters are frozen: the second early, the third in the middle."""
    return {index for index, when in ((1, step < 20), (2, 30 <= step < 60)) if when}


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
@pytest.mark.parametrize("groups", [False, True], ids=["one-group", "groups, freezing"])
def test_same_trajectory_over_100_steps(name, settings, groups):
    ours, theirs, mine, other = twins(name, settings, groups)
    rng = np.random.default_rng(2)
    for step in range(100):
        if step in (40, 80):
            for group in mine.param_groups + other.param_groups:
                group["lr"] *= 0.3
        for index, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            gradient = rng.standard_normal(p.shape) + 0.5 * p.data
            p.requires_grad = not (groups and index in frozen_at(step))
            p.grad[...] = gradient
            q.grad = torch.from_numpy(gradient) if p.requires_grad else None
        mine.step()
        other.step()
        if step > 2 and step % 9:
            continue  # what differs stays different
        for index, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            np.testing.assert_allclose(
                p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=f"{step} {index}"
            )


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_same_defaults(name):
    ours = getattr(optim, name)([Parameter(np.zeros((2, 2)))]).param_groups[0]
    theirs = reference(name)([torch.nn.Parameter(torch.zeros(2, 2))]).param_groups[0]
    assert {k: v for k, v in ours.items() if k != "params"} == {
        k: theirs[k] for k in ours if k != "params"
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clip_grad_norm(dtype, max_norm):
    from firstlight.callbacks.gradient_clip import GradientClip

    rng = np.random.default_rng(3)
    gradients = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [Parameter(np.zeros_like(g)) for g in gradients]
    theirs = [
        torch.nn.Parameter(torch.zeros(g.shape, dtype=getattr(torch, dtype))) for g in gradients
    ]
    optimizer = optim.SGD(ours)
    for p, q, g in zip(ours, theirs, gradients, strict=True):
        p.grad[...], q.grad = g, torch.from_numpy(g.copy())
    clip = GradientClip(max_norm=max_norm)
    clip.on_before_optimizer_step(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    rtol = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(clip.last_norm, norm.numpy(), rtol=rtol)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=rtol)
        assert p.grad.dtype == dtype


def test_clip_grad_value():
    from firstlight.callbacks.gradient_clip import GradientClip

    gradient = np.random.default_rng(4).standard_normal(50)
    ours, theirs = Parameter(np.zeros(50)), torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
    optimizer = optim.SGD([ours])
    ours.grad[...], theirs.grad = gradient, torch.from_numpy(gradient.copy())
    GradientClip(clip_value=0.4).on_before_optimizer_step(optimizer)
    torch.nn.utils.clip_grad_value_([theirs], 0.4)
    np.testing.assert_array_equal(ours.grad, theirs.grad.numpy())
