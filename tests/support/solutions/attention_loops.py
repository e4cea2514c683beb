# ruff: noqa: F821
import math

import numpy as np


def _scores(q, k):
    n, h, t, d = q.shape
    s = np.zeros((n, h, t, k.shape[2]), q.dtype)
    for i in range(t):
        for j in range(k.shape[2]):
            s[:, :, i, j] = (q[:, :, i] * k[:, :, j]).sum(axis=-1) / d**0.5
    return s


def _softmax(s):
    p = np.zeros_like(s)
    for index in np.ndindex(*s.shape[:-1]):
        row = s[index]
        if np.isfinite(row).any():
            e = np.exp(row - row.max())
            p[index] = e / e.sum()
    return p


def _hidden(q, k):
    t, s = q.shape[2], k.shape[2]
    mask = np.zeros((t, s), q.dtype)
    for i in range(t):
        for j in range(s):
            if j > i + s - t:
                mask[i, j] = -np.inf
    return mask


class MultiHeadAttention:
    def forward(self, x, context=None, mask=None):
        q, k, v = self._project(x, context)
        bias = np.broadcast_to(self._bias(mask, q, k), (*q.shape[:3], k.shape[2]))
        p = _softmax((_scores(q, k) + bias).astype(x.dtype))
        m = np.broadcast_to(self._draw(p), p.shape).astype(x.dtype)
        y = np.zeros_like(q)
        for n in range(q.shape[0]):
            for h in range(q.shape[1]):
                y[n, h] = (m[n, h] * p[n, h]) @ v[n, h]
        self.kept = x, context, q, k, v, p, m
        heads = [y[:, h] for h in range(self.num_heads)]
        return self.out_proj(np.concatenate(heads, axis=-1))

    def backward(self, dy):
        x, context, q, k, v, p, m = self.kept
        g = self.out_proj.backward(dy)
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        d = self.head_dim
        for n in range(q.shape[0]):
            for h in range(q.shape[1]):
                own = g[n, :, h * d : (h + 1) * d]
                dv[n, h] = (m[n, h] * p[n, h]).T @ own
                dp = m[n, h] * (own @ v[n, h].T)
                for i in range(q.shape[2]):
                    row = p[n, h, i]
                    jacobian = np.diag(row) - np.outer(row, row)
                    ds = jacobian @ dp[i] / math.sqrt(d)
                    dq[n, h, i] = ds @ k[n, h]
                    dk[n, h] += np.outer(ds, q[n, h, i])
        dx, dcontext = self._project_backward(dq, dk, dv, x, context)
        if context is None:
            return dx + dcontext
        return dx, dcontext
