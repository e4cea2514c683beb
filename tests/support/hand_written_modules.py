"""Modules in several styles whose backward is right: their source, and the shape of an input."""

HEAD = """
import numpy as np
import firstlight as fl
from firstlight import nn

rng = np.random.default_rng(0)


def par(*shape):
    return fl.Parameter((0.5 * rng.standard_normal(shape)).astype("float32"))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""

MODULES = {
    "layernorm inline": (
        (7, 6),
        """
class Net(fl.Module):
    def __init__(self):
        self.g = fl.Parameter(np.ones(6, "float32"))
    def forward(self, x):
        c = x - x.mean(-1, keepdims=True)
        s = np.sqrt(np.mean(c ** 2, axis=-1, keepdims=True) + 1e-5)
        self.save(c / s, s)
        return self.g.data * (c / s)
    def backward(self, dy):
        n, s = self.saved()
        self.g.grad += np.sum(dy * n, axis=0)
        d = dy * self.g.data
        return (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True)) / s
""",
    ),
    "batchnorm long": (
        (7, 4),
        """
class Net(fl.Module):
    def __init__(self):
        self.weight = fl.Parameter(np.ones(4, "float32"))
        self.bias = fl.Parameter(np.zeros(4, "float32"))
    def forward(self, x):
        N = x.shape[0]
        mu = np.sum(x, axis=0) / N
        xmu = x - mu
        sq = xmu ** 2
        var = np.sum(sq, axis=0) / N
        sqrtvar = np.sqrt(var + 1e-5)
        ivar = 1.0 / sqrtvar
        xhat = xmu * ivar
        self.cache = (xhat, xmu, ivar, sqrtvar, var)
        return self.weight.data * xhat + self.bias.data
    def backward(self, dout):
        xhat, xmu, ivar, sqrtvar, var = self.cache
        N, D = dout.shape
        self.bias.grad += dout.sum(axis=0)
        self.weight.grad += (dout * xhat).sum(axis=0)
        dxhat = dout * self.weight.data
        divar = np.sum(dxhat * xmu, axis=0)
        dxmu1 = dxhat * ivar
        dsqrtvar = -1.0 / (sqrtvar ** 2) * divar
        dvar = 0.5 / np.sqrt(var + 1e-5) * dsqrtvar
        dsq = np.ones((N, D)) / N * dvar
        dxmu2 = 2 * xmu * dsq
        dx1 = dxmu1 + dxmu2
        dmu = -np.sum(dx1, axis=0)
        dx2 = np.ones((N, D)) / N * dmu
        return dx1 + dx2
""",
    ),
    "attention": (
        (3, 5, 4),
        """
def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
class Net(fl.Module):
    def __init__(self):
        self.wq, self.wk, self.wv = par(4, 4), par(4, 4), par(4, 4)
    def forward(self, x):
        q, k, v = x @ self.wq.data, x @ self.wk.data, x @ self.wv.data
        a = softmax(np.einsum("bid,bjd->bij", q, k) / 2.0)
        self.save(x, q, k, v, a)
        return np.einsum("bij,bjd->bid", a, v)
    def backward(self, dy):
        x, q, k, v, a = self.saved()
        dv = np.einsum("bij,bid->bjd", a, dy)
        da = np.einsum("bid,bjd->bij", dy, v)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / 2.0
        dq = np.einsum("bij,bjd->bid", ds, k)
        dk = np.einsum("bij,bid->bjd", ds, q)
        for w, d in ((self.wq, dq), (self.wk, dk), (self.wv, dv)):
            w.grad += np.einsum("bti,btj->ij", x, d)
        return dq @ self.wq.data.T + dk @ self.wk.data.T + dv @ self.wv.data.T
""",
    ),
    "highway parts": (
        (6, 5),
        """
class Net(fl.Module):
    def __init__(self):
        self.t, self.h = nn.Linear(5, 5), nn.Linear(5, 5)
    def forward(self, x):
        t = sigmoid(self.t(x))
        h = np.tanh(self.h(x))
        self.save(x, t, h)
        return t * h + (1 - t) * x
    def backward(self, dy):
        x, t, h = self.saved()
        dx = dy * (1 - t)
        dt = dy * (h - x)
        dx += self.h.backward(dy * t * (1 - h * h))
        dx += self.t.backward(dt * t * (1 - t))
        return dx
""",
    ),
    "rnn loop": (
        (4, 6, 3),
        """
class Net(fl.Module):
    def __init__(self):
        self.W, self.U = par(3, 5), par(5, 5)
    def forward(self, x):
        B, T, _ = x.shape
        self.h = [np.zeros((B, 5))]
        for t in range(T):
            self.h.append(np.tanh(x[:, t] @ self.W.data + self.h[-1] @ self.U.data))
        self.x = x
        return np.stack(self.h[1:], axis=1)
    def backward(self, dy):
        dx, carry = np.zeros_like(self.x), 0
        for t in range(dy.shape[1] - 1, -1, -1):
            dz = (dy[:, t] + carry) * (1 - self.h[t + 1] ** 2)
            self.W.grad += self.x[:, t].T @ dz
            self.U.grad += self.h[t].T @ dz
            dx[:, t] = dz @ self.W.data.T
            carry = dz @ self.U.data.T
        return dx
""",
    ),
    "lstm cell parts": (
        (4, 5, 3),
        """
class Cell(fl.Module):
    def __init__(self, n, m):
        self.lin = nn.Linear(n + m, 4 * m)
        self.m = m
    def forward(self, x, h, c):
        z = self.lin(np.concatenate([x, h], axis=1))
        m = self.m
        i, f, o = sigmoid(z[:, :m]), sigmoid(z[:, m:2*m]), sigmoid(z[:, 2*m:3*m])
        g = np.tanh(z[:, 3*m:])
        c_new = f * c + i * g
        tc = np.tanh(c_new)
        self.save(i, f, o, g, c, tc, x.shape[1])
        return o * tc, c_new
    def backward(self, dh, dc):
        i, f, o, g, c, tc, n = self.saved()
        do = dh * tc
        dc = dc + dh * o * (1 - tc ** 2)
        di, df = dc * g * i * (1 - i), dc * c * f * (1 - f)
        dz = np.concatenate([di, df, do * o * (1 - o), dc * i * (1 - g ** 2)], axis=1)
        d = self.lin.backward(dz)
        return d[:, :n], d[:, n:], dc * f
class Net(fl.Module):
    def __init__(self):
        self.cell = Cell(3, 4)
    def forward(self, x):
        h = c = np.zeros((len(x), 4), x.dtype)
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], h, c)
        self.save(x.shape)
        return h
    def backward(self, dh):
        (shape,) = self.saved()
        dc = np.zeros_like(dh)
        dx = np.zeros(shape, dh.dtype)
        for t in reversed(range(shape[1])):
            dx[:, t], dh, dc = self.cell.backward(dh, dc)
        return dx
""",
    ),
    "tied decoder": (
        (5, 6),
        """
class Net(fl.Module):
    def __init__(self):
        self.w = par(6, 4)
    def forward(self, x):
        h = np.tanh(x @ self.w.data)
        self.save(x, h)
        return h @ self.w.data.T
    def backward(self, dy):
        x, h = self.saved()
        dz = dy @ self.w.data * (1 - h * h)
        self.w.grad += x.T @ dz + dy.T @ h
        return dz @ self.w.data.T
""",
    ),
    "unet three": (
        (5, 4),
        """
class Net(fl.Module):
    def __init__(self):
        self.e1, self.e2 = nn.Linear(4, 4), nn.Linear(4, 4)
        self.d1, self.d2 = nn.Linear(8, 4), nn.Linear(8, 2)
    def forward(self, x):
        a = self.e1(x)
        b = self.e2(a)
        c = self.d1(np.hstack([a, b]))
        return self.d2(np.hstack((c, a)))
    def backward(self, dy):
        dca = self.d2.backward(dy)
        dc, da = dca[:, :4], dca[:, 4:]
        dab = self.d1.backward(dc)
        da = da + dab[:, :4]
        da = da + self.e2.backward(dab[:, 4:])
        return self.e1.backward(da)
""",
    ),
    "moe top": (
        (6, 4),
        """
class Net(fl.Module):
    def __init__(self):
        self.gate = nn.Linear(4, 2)
        self.experts = [nn.Linear(4, 3), nn.Linear(4, 3)]
    def forward(self, x):
        z = self.gate(x)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        out = [e(x) for e in self.experts]
        self.save(p, out)
        return p[:, :1] * out[0] + p[:, 1:] * out[1]
    def backward(self, dy):
        p, out = self.saved()
        dx = sum(e.backward(p[:, [k]] * dy) for k, e in enumerate(self.experts))
        dp = np.stack([(dy * o).sum(1) for o in out], axis=1)
        dz = p * (dp - (p * dp).sum(1, keepdims=True))
        return dx + self.gate.backward(dz)
""",
    ),
    "cosine head": (
        (6, 5),
        """
class Net(fl.Module):
    def __init__(self):
        self.w = par(3, 5)
    def forward(self, x):
        nx = x / np.linalg.norm(x, axis=1, keepdims=True)
        nw = self.w.data / np.linalg.norm(self.w.data, axis=1, keepdims=True)
        self.save(x, nx, nw)
        return nx @ nw.T
    def backward(self, dy):
        x, nx, nw = self.saved()
        dnx, dnw = dy @ nw, dy.T @ nx
        lx = np.linalg.norm(x, axis=1, keepdims=True)
        lw = np.linalg.norm(self.w.data, axis=1, keepdims=True)
        self.w.grad += (dnw - nw * (dnw * nw).sum(1, keepdims=True)) / lw
        return (dnx - nx * (dnx * nx).sum(1, keepdims=True)) / lx
""",
    ),
    "blocks three times": (
        (6, 5),
        """
class Block(fl.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 5)
    def forward(self, x):
        h = np.maximum(self.a(x), 0)
        self.save(h > 0)
        return x + self.b(h)
    def backward(self, dy):
        (m,) = self.saved()
        return dy + self.a.backward(self.b.backward(dy) * m)
class Net(fl.Module):
    def __init__(self):
        self.blocks = [Block(), Block(), Block()]
    def forward(self, x):
        for b in self.blocks: x = b(x)
        return x
    def backward(self, dy):
        for b in self.blocks[::-1]: dy = b.backward(dy)
        return dy
""",
    ),
}
