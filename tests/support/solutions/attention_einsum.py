# ruff: noqa: F821
import numpy as np


def _scores(q, k):
    return np.einsum("nhtd,nhsd->nhts", q, k) / np.sqrt(q.shape[-1]).astype(q.dtype)


def _softmax(s):
    e = np.exp(s - np.nan_to_num(s.max(axis=-1, keepdims=True), neginf=0.0))
    return e / np.maximum(np.einsum("nhts->nht", e)[..., None], np.finfo(s.dtype).tiny)


def _hidden(q, k):
    t, s = q.shape[2], k.shape[2]
    seen = np.tri(t, s, s - t, dtype=bool)
    mask = np.full((t, s), -np.inf, q.dtype)
    mask[seen] = 0
    return mask


class MultiHeadAttention:
    def forward(self, x, context=None, mask=None):
        q, k, v = self._project(x, context)
        p = _softmax(_scores(q, k) + self._bias(mask, q, k))
        mp = p * self._draw(p)
        m = np.divide(mp, p, out=np.zeros_like(p), where=p > 0)
        self.save(x, context, q, k, v, p, m)
        return self.out_proj(np.einsum("nhts,nhsd->nthd", mp, v).reshape(x.shape))

    def backward(self, dy):
        x, context, q, k, v, p, m = self.saved()
        g = self.out_proj.backward(dy)
        g = g.reshape(*g.shape[:2], self.num_heads, self.head_dim)
        dv = np.einsum("nhts,nthd->nhsd", p * m, g)
        dp = np.einsum("nthd,nhsd->nhts", g, v) * m
        ds = p * (dp - np.einsum("nhts,nhts->nht", p, dp)[..., None])
        ds = ds * self.head_dim**-0.5
        dq = np.einsum("nhts,nhsd->nhtd", ds, k)
        dk = np.einsum("nhts,nhtd->nhsd", ds, q)
        dx, dcontext = self._project_backward(dq, dk, dv, x, context)
        return (dx, dcontext) if context is not None else dx + dcontext
