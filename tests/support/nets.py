"""Networks that tests share; `firstlight.testing.TinyNet` is the smallest with dropout."""

import firstlight as fl
from firstlight import nn, optim


class Net(fl.Module):
    """Layers one after another.

    Parameters
    ----------
    *layers : Module
    loss : Module
    optimizer : callable
        Makes an optimizer of parameters.
    """

    def __init__(self, *layers, loss=None, optimizer=lambda p: optim.Adam(p, lr=1e-3)):
        self.body = nn.Sequential(*layers)
        self.loss = loss or nn.CrossEntropyLoss()
        self.optimizer = optimizer

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return self.optimizer(self.parameters())


class Line(fl.Module):
    """One linear layer with a squared error: the smallest thing that trains."""

    def __init__(self, width=3, lr=0.1):
        self.body = nn.Linear(width, 1)
        self.loss = nn.MSELoss()
        self.lr = lr

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=self.lr)


class FloatNet(Net):
    """Two layers in float64 and any loss; steps of plain gradient descent show the gradient."""

    def __init__(self, loss, out=3, lr=1.0):
        fl.seed_everything(1)
        layers = nn.Linear(5, 7), nn.GELU(), nn.Linear(7, out)
        super().__init__(*layers, loss=loss, optimizer=lambda p: optim.SGD(p, lr=lr))
        self.to(dtype="float64")
