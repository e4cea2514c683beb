"""CrossEntropyLoss: softmax and negative log-likelihood in one, for classification."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from firstlight import fast
from firstlight.module import Module
from firstlight.nn._checks import check_arrays, check_reduction, gradient_factor, reduced
from firstlight.parameter import Buffer
from firstlight.support.array import Array


class CrossEntropyLoss(Module):
    """Negative log-probability of the target class, or of target probabilities.

    Formula, for row n with logits x_n, label t_n and class weights w (all 1 by default)::

        s_n = Σ_c exp(x_nc - max_c x_nc)      p_nc = exp(x_nc - max_c x_nc) / s_n      softmax
        L   = Σ_n w_tₙ · (-log p_ntₙ) / D     D = Σ_n w_tₙ for "mean", 1 for "sum"

    Label smoothing ε distributes part of the target over all classes. With a_n = (1 - ε) w_tₙ for
    the target class and b_c = ε w_c / C for all::

        L = Σ_n [a_n (-log p_ntₙ) + Σ_c b_c (-log p_nc)] / D

    Rows labelled ``ignore_index`` are ignored, whatever their logits: their a_n and b_c are 0.
    If all rows are ignored, so that D = 0, then L and dx are 0.

    Gradient: from -log p_nk = log s_n - (x_nk - max) follows d(-log p_nk)/dx_nc = p_nc - [c = k],
    probability minus one at k. Weighted and summed::

        dx_nc = [(a_n + Σ_k b_k) p_nc - a_n [c = tₙ] - b_c] / D

    Targets may be probabilities q_nc of all classes instead (floats of the logits' shape, as from
    `MixUp`). No row is ignored then, and D is their number N for "mean"::

        g_nc  = w_c [(1 - ε) q_nc + ε / C]
        L     = Σ_n Σ_c g_nc (-log p_nc) / D
        dx_nc = [(Σ_k g_nk) p_nc - g_nc] / D

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class, for imbalanced data.
    ignore_index : int
        Label of rows to ignore, such as padding.
    reduction : {"mean", "sum", "none"}
        "none" returns each row's loss; backward takes one number for all, or one per row.
    label_smoothing : float
        ε, from 0 to 1.

    Attributes
    ----------
    weight : Buffer, or None

    Raises
    ------
    TypeError
        Labels that are not integers, probabilities that are not floating-point, nor logits.
    ValueError
        Labels out of range, probabilities of a row that do not sum to 1, wrong shapes, an empty
        batch.

    Notes
    -----
    One array of the logits' size is allocated: forward stores exp(x - max) in it, and backward
    overwrites it with dx. The range of labels is checked in NumPy arrays only, as reading values
    from a GPU would synchronize.

    References
    ----------
    Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7 (label smoothing).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.CrossEntropyLoss()
    >>> logits, labels = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
    >>> print(loss(logits, labels).round(4))
    0.41
    >>> loss.backward().round(2)
    array([[-0.06,  0.06],
           [ 0.25, -0.25]])
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        check_reduction("CrossEntropyLoss", reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"CrossEntropyLoss: expected label_smoothing from 0 to 1, got {label_smoothing}"
            )
        self.weight: Buffer | None = None if weight is None else Buffer(np.array(weight, "float64"))
        if weight is not None and self.weight.data.ndim != 1:
            raise ValueError(
                "CrossEntropyLoss: expected weight with one number for each class, shape (C,), "
                f"got shape {self.weight.data.shape}"
            )
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(
        self, prediction: Array, target: Array
    ) -> Array:  # prediction (..., C), target (...) or (..., C)
        self._check(prediction, target)
        if target.shape == prediction.shape:
            return self._forward_probabilities(prediction, target)
        x = prediction.reshape(-1, prediction.shape[-1])  # (N, C)
        counted = (target != self.ignore_index).reshape(-1)  # (N,)
        t = np.where(counted, target.reshape(-1), 0)  # (N,)  valid indices
        self._check_range(t, x.shape[1])
        w, a, b = self._weights(x, t, counted)  # w (N,), a (N,), b (C,)
        if self.weight is not None and b is None:
            counted = w != 0  # (N,)  a row of weight 0 is ignored
        total = w.sum() if self.reduction == "mean" else 1.0
        total = total + (total == 0)  # if all rows are ignored, 0 / 1
        e, s, log_s, x_t, b_x = fast.softmax_parts(x, t, counted, b)  # (N, C), (N,) four times
        if b is not None:
            x_t = np.where(a != 0, x_t, 0)  # (N,)  0 · (-inf) is 0
        losses = a * (log_s - x_t)  # (N,)
        if b is not None:
            losses += np.where(counted, b.sum() * log_s - b_x, 0)
        self.save(e, s, t, a, b, counted, total, prediction.shape)
        return reduced(self, losses.reshape(target.shape), total)

    def _forward_probabilities(self, prediction, target):  # both (..., C)
        classes = prediction.shape[-1]
        x = prediction.reshape(-1, classes)  # (N, C)
        q = target.reshape(-1, classes).astype(x.dtype, copy=False)  # (N, C)
        self._check_probabilities(q)
        epsilon = self.label_smoothing
        g = (1 - epsilon) * q + epsilon / classes  # (N, C)
        if self.weight is not None:
            g *= self.weight.data.astype(x.dtype, copy=False)
        g_sum = g.sum(axis=1)  # (N,)
        total = len(x) if self.reduction == "mean" else 1.0
        x = x - x.max(axis=1, keepdims=True)  # (N, C)
        g_x = (g * np.where(g != 0, x, 0)).sum(axis=1)  # (N,)  0 · (-inf) is 0
        e = np.exp(x, out=x)  # (N, C)  overwrites x
        s = e.sum(axis=1)  # (N,)
        self.save(e, s, None, g_sum, g, None, total, prediction.shape)
        losses = (g_sum * np.log(s) - g_x).reshape(prediction.shape[:-1])
        return reduced(self, losses, total)

    def backward(self, dloss: Any = 1.0) -> Array:
        e, s, t, a, b, counted, total, shape = self.saved()
        scale = gradient_factor(self, dloss, total, shape[:-1])
        of_rows = scale
        if np.ndim(scale):  # one per row
            scale, of_rows = scale.reshape(-1), scale.reshape(-1, 1)  # (N,), (N, 1)
        if t is None:  # probabilities: a is Σ_k g_nk, b is g
            e *= (scale * a / s)[:, None]  # (N, C)
            e -= of_rows * b
            return e.reshape(shape)  # (..., C)
        if b is None:
            if np.ndim(scale):
                scale, a = 1.0, scale * a
            return fast.softmax_parts_dx(e, s, t, a, scale).reshape(shape)  # (..., C)
        rows = np.arange(len(t), like=e)  # (N,)
        dx = e
        dx *= (scale * (a + b.sum()) / s)[:, None]  # (N, C)
        dx[rows, t] -= scale * a
        dx -= of_rows * b
        dx[~counted] = 0
        return dx.reshape(shape)  # (..., C)

    def metrics(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return ``{"acc": share of rows, without ignored ones, with the correct class}``.

        The correct class of target probabilities is the most probable one.
        """
        if target.shape == prediction.shape:
            right = prediction.argmax(axis=-1) == target.argmax(axis=-1)
            return {"acc": np.count_nonzero(right) / right.size}
        counted = target != self.ignore_index
        right = (prediction.argmax(axis=-1) == target) & counted
        return {"acc": np.count_nonzero(right) / np.maximum(np.count_nonzero(counted), 1)}

    def denominators(self, prediction: Array, target: Array) -> dict[str, Any]:
        """Return the denominators ``{"loss": D, "acc": rows that are not ignored}``.

        D is None for a sum.
        """
        if target.shape == prediction.shape:
            rows = total = target.size // target.shape[-1]
        else:
            counted = target != self.ignore_index  # (...)
            rows = total = np.count_nonzero(counted)
            if self.weight is not None:
                w = self.weight.data[np.where(counted, target, 0)]  # (...)
                total = (w * counted).sum(dtype="float64")
        return {"loss": total if self.reduction == "mean" else None, "acc": rows}

    def _weights(self, x, t, counted):
        """Return w_t and a of each row, and b of the classes (None without smoothing)."""
        w, b = counted.astype(x.dtype), None
        if self.weight is not None:
            class_weight = self.weight.data.astype(x.dtype, copy=False)  # (C,)
            w *= class_weight[t]
        if self.label_smoothing:
            if self.weight is None:
                class_weight = np.ones_like(x, shape=x.shape[1])
            b = class_weight * (self.label_smoothing / x.shape[1])
        return w, w * (1 - self.label_smoothing), b

    def _check(self, prediction, target):
        check_arrays("CrossEntropyLoss", prediction, target)
        if not prediction.ndim:
            raise ValueError(
                "CrossEntropyLoss: expected prediction of shape (..., C), a logit for each class, "
                "got one number, of shape (); use BCEWithLogitsLoss for yes-or-no questions"
            )
        if prediction.ndim > 1 and target.shape == prediction.shape:
            if target.dtype.kind != "f":
                raise TypeError(
                    f"CrossEntropyLoss: expected class indices of shape {prediction.shape[:-1]}, "
                    f"or probabilities as floats, got one-hot targets of dtype {target.dtype}; "
                    "pass class indices: y.argmax(-1)"
                )
            self._check_class_weights(prediction)
            return
        if target.dtype.kind not in "iu":
            raise TypeError(
                f"CrossEntropyLoss: expected integer class labels of shape "
                f"{prediction.shape[:-1]}, got {target.dtype}; cast with y.astype('int64'), or "
                "use MSELoss for regression"
            )
        if target.shape != prediction.shape[:-1]:
            raise ValueError(
                f"CrossEntropyLoss: expected target of shape {prediction.shape[:-1]} for "
                f"prediction {prediction.shape}, got {target.shape}; the classes are "
                "prediction's last axis, and target has one label for each row of it"
            )
        self._check_class_weights(prediction)

    def _check_class_weights(self, prediction):
        if self.weight is not None and self.weight.data.shape != prediction.shape[-1:]:
            raise ValueError(
                f"CrossEntropyLoss: expected {prediction.shape[-1]} class weights, as prediction "
                f"has classes, got {self.weight.data.size}"
            )

    def _check_probabilities(self, q):
        if not isinstance(q, np.ndarray):
            return
        sums = q.sum(axis=1)
        if not (q.min() >= 0 and np.abs(sums - 1).max() <= 1e-2):  # NaN is neither
            raise ValueError(
                "CrossEntropyLoss: expected class probabilities, 0 or more and 1 in sum for each "
                f"row, got values from {q.min():.3g} to {q.max():.3g} with sums from "
                f"{sums.min():.3g} to {sums.max():.3g}; use MSELoss for regression"
            )

    def _check_range(self, t, classes):
        if isinstance(t, np.ndarray) and (t.max() >= classes or t.min() < 0):
            raise ValueError(
                f"CrossEntropyLoss: expected labels from 0 to {classes - 1}, as prediction has "
                f"{classes} classes, got labels from {t.min()} to {t.max()}; number the classes "
                "from 0, give the model one output for each class, or set ignore_index to the "
                "label to leave out"
            )

    def extra_repr(self) -> str:
        weight = "" if self.weight is None else f"weight of {self.weight.data.size} classes, "
        return (
            f"{weight}ignore_index={self.ignore_index}, reduction={self.reduction!r}, "
            f"label_smoothing={self.label_smoothing}"
        )
