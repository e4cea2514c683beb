"""The training scripts that the examples of kinds are variations of."""

HEAD = """
import numpy as np
import firstlight as fl
from firstlight import nn

fl.seed_everything(0)
rng = np.random.default_rng(0)
"""
SCRIPT = (
    HEAD.replace("fl.seed_everything(0)\n", "")
    + """\
{data}

{net}
net.loss = {loss}
net.configure_optimizer = lambda: {optimizer}
fl.Trainer(max_epochs=5).fit(net, {fit})
"""
)
LOOP = (
    HEAD
    + """\
x = rng.standard_normal((64, 3)).astype("float32")
y = x[:, :1] - x[:, 1:2]
net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
mse = nn.MSELoss()
optimizer = fl.optim.Adam(net.parameters(), lr=0.02)
"""
)  # the start of a loop by hand
CLASSES = """
x = rng.standard_normal((400, 4)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype(int)
"""
LINE = """
x = rng.standard_normal((400, 4)).astype("float32")
y = (x[:, :1] - 2 * x[:, 1:2]).astype("float32")
"""
TEXT = """
text = np.array([ord(c) - 97 for c in "abracadabra" * 40])
windows = text[np.arange(0, 400, 3)[:, None] + np.arange(9)]
x, y = windows[:, :-1], windows[:, 1:]
"""


def script(
    data: str = CLASSES,
    net: str = "net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))",
    loss: str = "nn.CrossEntropyLoss()",
    optimizer: str = "fl.optim.Adam(net.parameters(), lr=0.01)",
    fit: str = "(x, y)",
) -> str:
    """Return a training script with some of its parts replaced."""
    return SCRIPT.format(
        data=data.strip(), net=net.strip(), loss=loss, optimizer=optimizer, fit=fit
    )


def regression(data: str = LINE, **parts: str) -> str:
    """Return the script of a regression."""
    net = "net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))"
    return script(**{"data": data, "net": net, "loss": "nn.MSELoss()"} | parts)


TRAINED = (
    LOOP
    + """\
for epoch in range(40):
    loss = mse(net(x), y)
    net.zero_grad()
    net.backward(mse.backward())
    optimizer.step()
"""
)
BATCHES = (
    LOOP
    + """
for epoch in range(4):
    for i in range(0, 64, 16):
        loss = mse(net(x[i : i + 16]), y[i : i + 16])
        optimizer.zero_grad()
        net.backward(mse.backward())
        optimizer.step()
"""
)
