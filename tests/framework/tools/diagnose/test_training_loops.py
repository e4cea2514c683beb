"""Healthy hand-written loops that look unusual, and own optimizers with one mistake."""

import numpy as np
import pytest
from campaigns import slow_but

from firstlight import Parameter
from firstlight.optim import Optimizer
from firstlight.tools.diagnose.kind import all_kinds, ask
from firstlight.tools.diagnose.probes.optimizers.optimizer_recording import FirstUpdate
from firstlight.tools.diagnose.probes.optimizers.optimizer_runs import OptimizerRun
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.trace import trace

START = """
import numpy as np
import firstlight as fl
from firstlight import nn, optim

fl.seed_everything(0)
rng = np.random.default_rng(0)
x = rng.standard_normal((96, 4)).astype("float32")
y = (x[:, :1] * x[:, 1:2] + x[:, 2:3]).astype("float32")
mse = nn.MSELoss()
net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
opt = optim.Adam(net.parameters(), lr=0.01)
"""
HEALTHY = {
    "micro-batches": """
for n, s in enumerate(list(range(0, 96, 8)) * 5):
    loss = mse(net(x[s : s + 8]), y[s : s + 8])
    net.backward(mse.backward() / np.float32(3))
    if (n + 1) % 3 == 0:
        opt.step()
        opt.zero_grad()
""",
    "adversarial samples": """
for step in range(30):
    mse(net(x), y)
    dx = net.backward(mse.backward())
    net.zero_grad()
    loss = mse(net(x + np.float32(0.05) * np.sign(dx)), y)
    net.backward(mse.backward())
    opt.step()
    opt.zero_grad()
""",
    "leftovers of another optimizer's step": """
critic = nn.Linear(1, 1)
both = optim.Adam(critic.parameters(), lr=0.01)
for step in range(30):
    critic.zero_grad()
    loss = mse(critic(y), y)
    critic.backward(mse.backward())
    both.step()
    net.zero_grad()
    loss = mse(critic(net(x)), y)
    net.backward(critic.backward(mse.backward()))
    opt.step()
""",
    "target network": """
target = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
for step in range(30):
    goal = target(x) * np.float32(0.9) + y
    loss = mse(net(x), goal)
    opt.zero_grad()
    net.backward(mse.backward())
    opt.step()
    if step % 10 == 0:
        for t, p in zip(target.parameters(), net.parameters()):
            t.data[...] = p.data
""",
    "average of the weights": """
mean = [p.data.copy() for p in net.parameters()]
for step in range(30):
    loss = mse(net(x), y)
    opt.zero_grad()
    net.backward(mse.backward())
    opt.step()
    for m, p in zip(mean, net.parameters()):
        m *= 0.9
        m += 0.1 * p.data
for m, p in zip(mean, net.parameters()):
    p.data[...] = m
""",
    "warm-up from zero": """
for epoch in range(10):
    opt.lr = 0.01 * min(1, epoch / 2)
    for s in range(0, 96, 16):
        loss = mse(net(x[s : s + 16]), y[s : s + 16])
        opt.zero_grad()
        net.backward(mse.backward())
        opt.step()
""",
}
MISTAKES = {
    "": {},
    "betas-swapped": {"m": "b2 * m + (1 - b2) * g", "v": "b1 * v + (1 - b1) * g * g"}
    | {"m_hat": "m / (1 - b2**t)", "v_hat": "v / (1 - b1**t)"},
    "not-squared": {"v": "b2 * v + (1 - b2) * g"},
    "no-correction": {"m_hat": "m", "v_hat": "v"},
    "no-root": {"step": "w -= lr * m_hat / (v_hat + 1e-8)"},
    "uphill": {"step": "w += lr * m_hat / (np.sqrt(v_hat) + 1e-8)"},
    "momentum-lost": {"m": "(1 - b1) * g"},
    "lr-unused": {"step": "w -= m_hat / (np.sqrt(v_hat) + 1e-8)"},
    "decay-sign": {"step": "w -= lr * (m_hat / (np.sqrt(v_hat) + 1e-8) - 0.1 * w)"},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_loops_have_no_findings(name, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(START + HEALTHY[name])
    assert ask(TrainingLoop(trace(script, []))) == []


@pytest.mark.slow
@pytest.mark.parametrize("mistake", slow_but(MISTAKES, "", "no-root", "momentum-lost"))
def test_an_own_adam_with_one_mistake(mistake):
    formulas = {
        "m": "b1 * m + (1 - b1) * g",
        "v": "b2 * v + (1 - b2) * g * g",
        "m_hat": "m / (1 - b1**t)",
        "v_hat": "v / (1 - b2**t)",
        "step": "w -= lr * m_hat / (np.sqrt(v_hat) + 1e-8)",
    } | MISTAKES[mistake]

    class MyAdam(Optimizer):
        state_names = ("m", "v")

        def __init__(self, params, lr=0.01, beta1=0.9, beta2=0.999):
            super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

        def update(self, group, t, w, g, m, v):
            known = {"np": np, "t": t, "w": w, "g": g, "m": m, "v": v, "lr": group["lr"]}
            known |= {"b1": group["beta1"], "b2": group["beta2"]}
            for name in ("m", "v"):
                known[name][...] = eval(formulas[name], known)
            for name in ("m_hat", "v_hat"):
                known[name] = eval(formulas[name], known)
            exec(formulas["step"], known)

    rng = np.random.default_rng(0)
    parameters = [Parameter(rng.normal(size=shape)) for shape in ((3, 4), (4,), (4, 2))]
    found = ask(OptimizerRun(FirstUpdate(MyAdam(parameters))))
    says = all_kinds()["update-rule"].says
    assert len(found) == bool(mistake)
    if mistake:
        start = says[mistake][0].split("{who}")[-1].split("{")[0]
        assert start in found[0].message


@pytest.mark.parametrize("written", [True, False])
def test_a_state_that_update_assigns_to_its_name_only(written):
    class MyMomentum(Optimizer):
        state_names = ("mean",)

        def __init__(self, params):
            super().__init__(params, {"lr": 0.01})

        if written:

            def update(self, group, t, w, g, mean):
                mean[...] = 0.9 * mean + g
                w -= group["lr"] * mean

        else:

            def update(self, group, t, w, g, mean):
                mean = 0.9 * mean + g
                w -= group["lr"] * mean

    parameters = [Parameter(np.random.default_rng(0).normal(size=(3, 4)))]
    found = ask(OptimizerRun(FirstUpdate(MyMomentum(parameters))))
    assert len(found) == (not written)
    assert all("mean" in one.message for one in found)
