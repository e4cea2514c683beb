"""Cases of the layer table: losses of log-probabilities, masks, variances and embeddings."""

import numpy as np

from firstlight import Module, nn


class Parts(Module):
    """A loss of several arrays, as one of a single array x that holds them along its first axis."""

    def __init__(self, loss, *, takes_target=False):
        self.loss, self.takes_target = loss, takes_target

    def forward(self, x, target):  # x (K, ...)
        return self.loss(*x, target) if self.takes_target else self.loss(*x)

    def backward(self, dloss=1.0):
        return np.stack(self.loss.backward(dloss))


class Variances(Module):
    """GaussianNLLLoss with means x and variances x²."""

    def __init__(self, loss, *, is_shared=False):
        self.loss, self.is_shared = loss, is_shared

    def forward(self, x, target):
        self.save(x)
        return self.loss(x, target, x[..., :1] ** 2 if self.is_shared else x**2)

    def backward(self, dloss=1.0):
        (x,) = self.saved()
        dx, dv = self.loss.backward(dloss)
        dx[..., : dv.shape[-1]] += 2 * x[..., : dv.shape[-1]] * dv
        return dx


def cases(Case, floats, fractions, integers, probabilities):
    found = []

    def add(name, make, *inputs):
        for reduction in ("mean", "sum", "none"):
            found.append(
                Case(f"{name}, {reduction}", lambda r=reduction: make(reduction=r), *inputs)
            )

    weight = [0.5, 2.0, 1.0, 3.0]
    add("NLLLoss", nn.NLLLoss, floats(6, 4), integers(4, 6))
    add(
        "NLLLoss, everything, 3 axes",
        lambda **s: nn.NLLLoss(weight, ignore_index=2, **s),
        floats(5, 3, 4),
        integers(4, 5, 3),
    )
    add("NLLLoss, probabilities", nn.NLLLoss, floats(6, 4), probabilities(6, 4))
    add("KLDivLoss", nn.KLDivLoss, floats(6, 4), probabilities(6, 4))
    add(
        "KLDivLoss, log", lambda **s: nn.KLDivLoss(log_target=True, **s), floats(6, 4), floats(6, 4)
    )
    batchmean = Case(
        "KLDivLoss, batchmean",
        lambda: nn.KLDivLoss(reduction="batchmean"),
        floats(6, 4),
        probabilities(6, 4),
    )
    found.append(batchmean)
    add("DiceLoss", nn.DiceLoss, floats(3, 4, 5, 2), fractions(3, 4, 5, 2))
    add(
        "GaussianNLLLoss",
        lambda **s: Variances(nn.GaussianNLLLoss(**s)),
        floats(6, 4),
        floats(6, 4),
    )
    add(
        "GaussianNLLLoss, shared",
        lambda **s: Variances(nn.GaussianNLLLoss(full=True, **s), is_shared=True),
        floats(6, 4),
        floats(6, 4),
    )
    unused = floats(1)
    add("TripletMarginLoss", lambda **s: Parts(nn.TripletMarginLoss(**s)), floats(3, 6, 4), unused)
    add(
        "TripletMarginLoss, p=3.5",
        lambda **s: Parts(nn.TripletMarginLoss(margin=2.0, p=3.5, **s)),
        floats(3, 6, 4),
        unused,
    )
    add(
        "ContrastiveLoss",
        lambda **s: Parts(nn.ContrastiveLoss(margin=3.0, **s), takes_target=True),
        floats(2, 6, 4),
        integers(2, 6),
    )
    add("NTXentLoss", lambda **s: Parts(nn.NTXentLoss(**s)), floats(2, 5, 4), unused)
    return found
