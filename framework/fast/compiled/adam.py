"""Adam's step in one pass, for which NumPy needs thirteen."""

import math
from typing import Any

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array


def descend(group: dict[str, Any], t: int, w: Array, g: Array, m: Array, v: Array) -> None:
    """Compute what `BlockedAdam.descend` does, equal to the last bit."""
    beta1, beta2 = group["betas"]
    number = w.dtype.type
    _descend(
        *(w, g, m, v),
        *(number(beta1), number(1 - beta1), number(beta2), number(1 - beta2)),
        *(
            number((1 - beta2**t) ** -0.5),
            number(group["eps"]),
            number(group["lr"] / (1 - beta1**t)),
        ),
    )


@cached_njit(error_model="numpy")
def _descend(w, g, m, v, beta1, rest1, beta2, rest2, correction, eps, lr):
    for i in range(w.size):
        m[i] = m[i] * beta1 + g[i] * rest1
        v[i] = v[i] * beta2 + g[i] * g[i] * rest2
        w[i] -= m[i] / (math.sqrt(v[i]) * correction + eps) * lr
