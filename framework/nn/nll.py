"""NLLLoss: the negative log-likelihood of log-probabilities, for classification."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from firstlight.nn._loss_checks import check_dloss
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class NLLLoss(CrossEntropyLoss):
    """`CrossEntropyLoss` of a model that ends with `LogSoftmax`.

    Formula, for log-probabilities x_n of row n, with g and D as in `CrossEntropyLoss`, which are
    for plain labels g_nc = [c = tₙ] and D the number of rows::

        L = -Σ_n Σ_c g_nc x_nc / D

    Gradient; that of `LogSoftmax` makes of it the one of `CrossEntropyLoss`::

        dx_nc = -g_nc / D

    A class of which g is 0 may have the log-probability -inf. The model's outputs can also be used
    as logits, as softmax(log p) = p: metrics and figures are those of `CrossEntropyLoss`.

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class, for imbalanced data.
    ignore_index : int
        Label of rows to ignore, such as padding.
    reduction : {"mean", "sum", "none"}
        "none" returns each row's loss; backward takes one number for all, or one per row.

    Raises
    ------
    TypeError, ValueError
        As `CrossEntropyLoss` does.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> loss = nn.NLLLoss()
    >>> log_p, labels = np.log([[0.9, 0.1], [0.5, 0.5]]), np.array([0, 1])
    >>> print(loss(log_p, labels).round(4))
    0.3993
    >>> loss.backward()
    array([[-0.5, -0. ],
           [-0. , -0.5]])
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ):
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)

    @accelerated
    def forward(
        self, prediction: Array, target: Array
    ) -> Array:  # prediction (..., C), target (...) or (..., C)
        g, D = self._targets(prediction, target)  # (..., C), a number
        self.save(g, D)
        losses = -(g * np.where(g != 0, prediction, 0)).sum(axis=-1)  # (...)  0 · inf is 0
        return losses if self.reduction == "none" else losses.sum() / D

    @accelerated
    def backward(self, dloss: Any = 1.0) -> Array:
        g, D = self.saved()
        dloss = check_dloss(self, dloss, g[..., 0])
        if np.ndim(dloss):  # one for each row
            dloss = dloss[..., None]  # (..., 1)
        return -dloss / D * g  # (..., C)

    denominators = CrossEntropyLoss.denominators  # they are those of this forward too

    def extra_repr(self) -> str:
        return super().extra_repr().removesuffix(", label_smoothing=0.0")
