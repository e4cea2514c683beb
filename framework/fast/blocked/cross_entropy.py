"""CrossEntropyLoss with one array of the logits' size, and no array of the targets' weights."""

from typing import Any

import numpy as np

from firstlight.fast.conditions import numpy_float32
from firstlight.nn._loss_checks import check_dloss
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(CrossEntropyLoss, when=[numpy_float32])
class BlockedCrossEntropy:
    """Store exp(x - max) in forward, and overwrite it with dx in backward.

    Of a row's weights g only two kinds differ: a_n = (1 - ε) w_tₙ at the label, and b_c = ε w_c / C
    at all classes, the same in all rows::

        L     = Σ_n [a_n (-log p_ntₙ) + Σ_c b_c (-log p_nc)] / D
        dx_nc = [(a_n + Σ_k b_k) p_nc - a_n [c = tₙ] - b_c] / D
    """

    def forward(self, layer: CrossEntropyLoss, prediction: Array, target: Array) -> Array:
        if target.shape == prediction.shape:
            return self.forward_probabilities(layer, prediction, target)
        x = prediction.reshape(-1, prediction.shape[-1])  # (N, C)
        counted = (target != layer.ignore_index).reshape(-1)  # (N,)
        t = np.where(counted, target.reshape(-1), 0)  # (N,)  valid indices
        w, a, b = _weights(layer, x, t, counted)  # w (N,), a (N,), b (C,)
        if layer.weight is not None and b is None:
            counted = w != 0  # (N,)  a row of weight 0 is ignored
        total = w.sum() if layer.reduction == "mean" else 1.0
        total = total + (total == 0)  # if all rows are ignored, 0 / 1
        e, s, log_s, x_t, b_x = self.parts(x, t, counted, b)  # (N, C), (N,) four times
        if b is not None:
            x_t = np.where(a != 0, x_t, 0)  # (N,)  0 · (-inf) is 0
        losses = a * (log_s - x_t)  # (N,)
        if b is not None:
            losses += np.where(counted, b.sum() * log_s - b_x, 0)
        layer.save(e, s, t, a, b, counted, total, prediction.shape)
        return _reduced(layer, losses.reshape(target.shape), total)

    def forward_probabilities(
        self, layer: CrossEntropyLoss, prediction: Array, target: Array
    ) -> Array:  # both (..., C)
        """Compute forward for target probabilities of all classes."""
        classes = prediction.shape[-1]
        x = prediction.reshape(-1, classes)  # (N, C)
        q = target.reshape(-1, classes).astype(x.dtype, copy=False)  # (N, C)
        epsilon = layer.label_smoothing
        g = (1 - epsilon) * q + epsilon / classes  # (N, C)
        if layer.weight is not None:
            g *= layer.weight.data.astype(x.dtype, copy=False)
        g_sum = g.sum(axis=1)  # (N,)
        total = len(x) if layer.reduction == "mean" else 1.0
        x = x - x.max(axis=1, keepdims=True)  # (N, C)
        g_x = (g * np.where(g != 0, x, 0)).sum(axis=1)  # (N,)  0 · (-inf) is 0
        e = np.exp(x, out=x)  # (N, C)  overwrites x
        s = e.sum(axis=1)  # (N,)
        layer.save(e, s, None, g_sum, g, None, total, prediction.shape)
        losses = (g_sum * np.log(s) - g_x).reshape(prediction.shape[:-1])
        return _reduced(layer, losses, total)

    def backward(self, layer: CrossEntropyLoss, dloss: Any = 1.0) -> Array:
        return self.differentiate(layer, dloss, *layer.saved())

    def differentiate(
        self,
        layer: CrossEntropyLoss,
        dloss: Any,
        e: Array,
        s: Array,
        t: Array | None,
        a: Array,
        b: Array | None,
        counted: Array | None,
        total: Any,
        shape: tuple[int, ...],
    ) -> Array:
        """Compute backward from what forward has saved."""
        dloss = check_dloss(layer, dloss, e.reshape(shape)[..., 0])
        scale = of_rows = dloss if layer.reduction == "none" else dloss / total
        if np.ndim(scale):  # one per row
            scale, of_rows = scale.reshape(-1), scale.reshape(-1, 1)  # (N,), (N, 1)
        if t is None:  # probabilities: a is Σ_k g_nk, b is g
            e *= (scale * a / s)[:, None]  # (N, C)
            e -= of_rows * b
            return e.reshape(shape)  # (..., C)
        if b is None:
            if np.ndim(scale):
                scale, a = 1.0, scale * a
            return self.parts_dx(e, s, t, a, scale).reshape(shape)  # (..., C)
        rows = np.arange(len(t), like=e)  # (N,)
        dx = e
        dx *= (scale * (a + b.sum()) / s)[:, None]  # (N, C)
        dx[rows, t] -= scale * a
        dx -= of_rows * b
        np.copyto(dx, 0, where=~counted[:, None])
        return dx.reshape(shape)  # (..., C)

    @staticmethod
    def parts(
        x: Array, t: Array, counted: Array, b: Array | None
    ) -> tuple[Array, Array, Array, Array, Array | None]:
        """Return the parts of softmax and of the log-probability at t.

        Parameters
        ----------
        x : array, shape (N, C)
            Logits.
        t : array of int, shape (N,)
            Target class of each row.
        counted : array of bool, shape (N,)
            True for rows that are not ignored.
        b : array, shape (C,), or None
            Weight of each class.

        Returns
        -------
        e : array, shape (N, C)
            exp(x - max). Ignored rows are treated as zeros.
        s, log_s, x_t : array, shape (N,)
            Σ e, its logarithm, and x - max at t.
        b_x : array, shape (N,), or None
            (x - max) b.
        """
        rows = np.arange(len(t))  # (N,)
        largest = x.max(axis=1, keepdims=True)  # (N, 1)  subtracted so that exp cannot overflow
        if counted.all():
            x = x - largest  # (N, C)
        else:
            with np.errstate(invalid="ignore"):  # inf - inf
                x = x - largest  # (N, C)
            x[~counted] = 0
        x_t = x[rows, t]  # (N,)
        b_x = None if b is None else (x if b.all() else np.where(b != 0, x, 0)) @ b  # (N,)
        e = np.exp(x, out=x)  # (N, C)  overwrites x
        s = e.sum(axis=1)  # (N,)
        return e, s, np.log(s), x_t, b_x

    @staticmethod
    def parts_dx(e: Array, s: Array, t: Array, a: Array, scale: Any) -> Array:
        """Overwrite e of `parts` with scale · a (e/s - [c = t]), and return it."""
        rows = np.arange(len(t))  # (N,)
        e *= (scale * a / s)[:, None]
        e[rows, t] -= scale * a
        return e


def _weights(layer, x, t, counted):
    """Return w_t and a of each row, and b of the classes (None without smoothing)."""
    w, b = counted.astype(x.dtype), None
    if layer.weight is not None:
        class_weight = layer.weight.data.astype(x.dtype, copy=False)  # (C,)
        w *= class_weight[t]
    if layer.label_smoothing:
        if layer.weight is None:
            class_weight = np.ones_like(x, shape=x.shape[1])
        b = class_weight * (layer.label_smoothing / x.shape[1])
    return w, w * (1 - layer.label_smoothing), b


def _reduced(layer, losses, total):
    return losses if layer.reduction == "none" else losses.sum() / total
