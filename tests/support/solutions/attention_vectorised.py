# ruff: noqa: F821
import numpy as np


def _scores(q, k):
    return np.matmul(q, k.transpose(0, 1, 3, 2)) / q.shape[3] ** 0.5


def _softmax(s):
    top = s.max(axis=-1, keepdims=True)
    e = np.exp(s - np.where(np.isinf(top), 0, top))
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _hidden(q, k):
    t, s = q.shape[2], k.shape[2]
    later = np.arange(s) > np.arange(t)[:, None] + s - t
    return np.where(later, -np.inf, 0).astype(q.dtype)


class MultiHeadAttention:
    def forward(self, x, context=None, mask=None):
        q, k, v = self._project(x, context)
        p = _softmax(_scores(q, k) + self._bias(mask, q, k))
        m = self._draw(p)
        self.save(x, context, q, k, v, p, m)
        y = np.matmul(m * p, v).transpose(0, 2, 1, 3).reshape(*x.shape)
        return self.out_proj(y)

    def backward(self, dy):
        x, context, q, k, v, p, m = self.saved()
        g = self._split(self.out_proj.backward(dy))
        dv = np.matmul((m * p).transpose(0, 1, 3, 2), g)
        pdp = p * m * np.matmul(g, v.transpose(0, 1, 3, 2))
        ds = (pdp - p * pdp.sum(axis=-1, keepdims=True)) / self.head_dim**0.5
        dq, dk = np.matmul(ds, k), np.matmul(ds.transpose(0, 1, 3, 2), q)
        parts = self._project_backward(dq, dk, dv, x, context)
        return parts[0] + parts[1] if context is None else parts
