"""Right layers and losses as students write them; tests make one mistake in a subclass."""

import numpy as np
from nets import Net

import firstlight as fl
from firstlight import Parameter, nn, optim


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def between(layer):
    """A layer between two linear ones, on digits."""
    return Net(nn.Flatten(), nn.Linear(64, 32), layer, nn.Linear(32, 10))


class Dense(fl.Module):
    def __init__(self, inputs, outputs):
        self.W = Parameter(normal(1, inputs, outputs) / inputs**0.5)
        self.b = Parameter(np.zeros(outputs, "float32"))

    def forward(self, x):
        self.save(x)
        return x @ self.W.data + self.b.data

    def backward(self, dy):
        (x,) = self.saved()
        self.W.grad += x.T @ dy
        self.b.grad += dy.sum(axis=0)
        return dy @ self.W.data.T


class Dropout(fl.Module):
    p = 0.3

    def __init__(self):
        self.rng = np.random.default_rng(3)

    def scale(self):
        return 1 / (1 - self.p)

    def forward(self, x):
        if not self.training:
            return x
        mask = (self.rng.random(x.shape) > self.p).astype(x.dtype) * self.scale()
        self.save(mask)
        return x * mask

    def backward(self, dy):
        (mask,) = self.saved()
        return dy * mask


class BatchNorm(fl.Module):
    def __init__(self, size=32):
        self.gamma = Parameter(np.ones(size, "float32"))
        self.mean = fl.Buffer(np.zeros(size, "float32"))
        self.var = fl.Buffer(np.ones(size, "float32"))

    def keeps(self):
        return self.training

    def forward(self, x):
        if self.keeps():
            self.mean.data[...] = 0.9 * self.mean.data + 0.1 * x.mean(axis=0)
            self.var.data[...] = 0.9 * self.var.data + 0.1 * x.var(axis=0)
        mean, var = (
            (x.mean(axis=0), x.var(axis=0))
            if self.training
            else (
                self.mean.data,
                self.var.data,
            )
        )
        r = 1 / np.sqrt(var + 1e-5)
        z = (x - mean) * r
        self.save(z, r)
        return self.gamma.data * z

    def backward(self, dy):
        z, r = self.saved()
        self.gamma.grad += (dy * z).sum(axis=0)
        dz = dy * self.gamma.data
        return r * (dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0))


class Embedding(fl.Module):
    def __init__(self):
        self.table = Parameter(normal(2, 12, 16))

    def forward(self, tokens):
        self.save(tokens)
        return self.table.data[tokens]

    def backward(self, dy):
        (tokens,) = self.saved()
        np.add.at(self.table.grad, tokens, dy)


class Recurrent(fl.Module):
    """h_t = tanh(x_t A + h_{t-1} B)."""

    def __init__(self, inputs, hidden, size=1.0):
        self.A = Parameter(normal(3, inputs, hidden) / inputs**0.5)
        q, _ = np.linalg.qr(normal(4, hidden, hidden))
        self.B = Parameter((size * q).astype("float32"))

    def act(self, a):
        return np.tanh(a)

    def slope(self, h):
        return 1 - h * h

    def start(self, x):
        return np.zeros((len(x), len(self.B.data)), x.dtype)

    def forward(self, x):
        states = [self.start(x)]
        for t in range(x.shape[1]):
            states.append(self.act(x[:, t] @ self.A.data + states[-1] @ self.B.data))
        self.save(x, states)
        return np.stack(states[1:], axis=1)

    def backward(self, dy):
        x, states = self.saved()
        dx, dh = np.zeros_like(x), 0
        for t in reversed(range(x.shape[1])):
            da = (dy[:, t] + dh) * self.slope(states[t + 1])
            self.A.grad += x[:, t].T @ da
            self.B.grad += states[t].T @ da
            dx[:, t], dh = da @ self.A.data.T, da @ self.B.data.T
        return dx


class WithState(Recurrent):
    """Returns ``(y, (last state,))``."""

    def forward(self, x):
        y = super().forward(x)
        return y, (y[:, -1],)


class Cell(fl.Module):
    """One step that takes and returns a pair of states, as an LSTM's."""

    def __init__(self, inputs, hidden):
        self.A = Parameter(normal(5, inputs, hidden) / inputs**0.5)

    def forward(self, x, state):
        h, c = state
        a = np.tanh(x @ self.A.data + h)
        new = 0.5 * c + a
        y = np.tanh(new)
        self.save(x, a, y)
        return y, new

    def backward(self, dstate):
        dy, dnew = dstate
        x, a, y = self.saved()
        dnew = dnew + dy * (1 - y * y)
        da = dnew * (1 - a * a)
        self.A.grad += x.T @ da
        return da @ self.A.data.T, (da, self.keep() * dnew)

    def keep(self):
        return 0.5


class Unrolled(fl.Module):
    """A cell along the rows of a digit."""

    def __init__(self, cell):
        self.cell, self.head, self.loss = cell, nn.Linear(12, 10), nn.CrossEntropyLoss()

    def forward(self, x):
        x = x.reshape(-1, 8, 8)
        state = np.zeros((2, len(x), 12), x.dtype)
        h, c = state
        for t in range(8):
            h, c = self.cell(x[:, t], (h, c))
        return self.head(h)

    def backward(self, dy):
        dh = self.head.backward(dy)
        dc, dx = np.zeros_like(dh), []
        for _ in range(8):
            d, (dh, dc) = self.cell.backward((dh, dc))
            dx.append(d)
        return np.stack(dx[::-1], axis=1)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-2)


class Last(fl.Module):
    """The last step of a sequence."""

    def forward(self, x):
        self.save(x.shape)
        return x[:, -1]

    def backward(self, dy):
        (shape,) = self.saved()
        dx = np.zeros(shape, dy.dtype)
        dx[:, -1] = dy
        return dx


class CrossEntropy(fl.Module):
    """Of logits."""

    def forward(self, z, y):
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.save(np.exp(log_p), y)
        return -log_p[np.arange(len(y)), y].mean()

    def backward(self, dloss=1.0):
        p, y = self.saved()
        p = p.copy()
        p[np.arange(len(y)), y] -= 1
        return dloss * p / len(y)


class NegativeLogLikelihood(fl.Module):
    """Of log-probabilities."""

    def forward(self, log_p, y):
        self.save(log_p.shape, y)
        return -log_p[np.arange(len(y)), y].mean()

    def backward(self, dloss=1.0):
        shape, y = self.saved()
        dx = np.zeros(shape, "float32")
        dx[np.arange(len(y)), y] = -dloss / len(y)
        return dx


class Hinge(fl.Module):
    def forward(self, z, y):
        rows = np.arange(len(y))
        margin = np.maximum(0, z - z[rows, y][:, None] + 1)
        margin[rows, y] = 0
        self.save(margin > 0, y)
        return margin.sum() / len(y)

    def backward(self, dloss=1.0):
        over, y = self.saved()
        dz = over.astype("float32")
        dz[np.arange(len(y)), y] = -dz.sum(axis=1)
        return dloss * dz / len(y)


class MeanSquare(fl.Module):
    def forward(self, p, y):
        self.save(p - y)
        return np.square(p - y).mean()

    def backward(self, dloss=1.0):
        (d,) = self.saved()
        return 2 * dloss * d / d.size
