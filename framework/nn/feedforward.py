"""FeedForward and SwiGLU: the position-wise layers of a Transformer."""

from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn.dropout import Dropout
from firstlight.nn.gelu import GELU
from firstlight.nn.linear import Linear
from firstlight.nn.sigmoid import SiLU
from firstlight.support.array import Array
from firstlight.support.forms import accelerated


class FeedForward(Module):
    """Two linear layers with an activation between, applied to each position.

    Formula::

        y = dropout(GELU(x W₁ᵀ + b₁) W₂ᵀ + b₂)        x, y (..., C), W₁ (hidden, C)

    Gradient: that of its layers, from the last to the first.

    Parameters
    ----------
    embed_dim : int
        C.
    hidden : int, optional
        4 C by default.
    dropout : float
    bias : bool
        If False, there are no b₁ and b₂.
    approximate : {"none", "tanh"}
        Form of `GELU`.
    rng : numpy.random.Generator, optional
        Generator of the initial values.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, eq. 2 (there with ReLU).
    """

    def __init__(
        self,
        embed_dim: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        approximate: str = "none",
        rng: Generator | None = None,
    ):
        hidden = 4 * embed_dim if hidden is None else hidden
        self.linear1: Linear = Linear(embed_dim, hidden, bias, rng=rng)
        self.activation: GELU = GELU(approximate)
        self.linear2: Linear = Linear(hidden, embed_dim, bias, rng=rng)
        self.dropout: Dropout = Dropout(dropout)

    @accelerated
    def forward(self, x: Array) -> Array:  # x (..., C)
        h = self.activation(self.linear1(x))  # (..., hidden)
        return self.dropout(self.linear2(h))  # (..., C)

    @accelerated
    def backward(self, dy: Array) -> Array:  # dy (..., C)
        dh = self.linear2.backward(self.dropout.backward(dy))  # (..., hidden)
        return self.linear1.backward(self.activation.backward(dh))

    def check_input(self, x: Array) -> None:
        self.linear1.check_input(x)

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers


class SwiGLU(Module):
    """Feed-forward layer whose hidden units are gated by others, as in LLaMA.

    Formula, with the gate SiLU(a) and the values u::

        a = x W₁ᵀ      u = x W₃ᵀ      y = (SiLU(a) u) W₂ᵀ        W₁, W₃ (hidden, C), W₂ (C, hidden)

    Gradient, with g = dy W₂, by the product rule; x contributes through both paths::

        da = g u SiLU'(a)      du = g SiLU(a)      dx = da W₁ + du W₃

    Parameters
    ----------
    embed_dim : int
        C.
    hidden : int, optional
        8/3 C by default, for as many weights as `FeedForward`.
    bias : bool
    rng : numpy.random.Generator, optional
        Generator of the initial values.

    References
    ----------
    Shazeer, "GLU Variants Improve Transformer", 2020, eq. 6.
    """

    def __init__(
        self,
        embed_dim: int,
        hidden: int | None = None,
        bias: bool = False,
        *,
        rng: Generator | None = None,
    ):
        hidden = 8 * embed_dim // 3 if hidden is None else hidden
        self.linear1: Linear = Linear(embed_dim, hidden, bias, rng=rng)
        self.linear2: Linear = Linear(hidden, embed_dim, bias, rng=rng)
        self.linear3: Linear = Linear(embed_dim, hidden, bias, rng=rng)
        self.activation: SiLU = SiLU()

    def forward(self, x: Array) -> Array:  # x (..., C)
        gate, u = self.activation(self.linear1(x)), self.linear3(x)  # (..., hidden)
        self.save(gate, u)
        return self.linear2(gate * u)  # (..., C)

    def backward(self, dy: Array) -> Array:  # dy (..., C)
        gate, u = self.saved()
        g = self.linear2.backward(dy)  # (..., hidden)
        da = self.activation.backward(g * u)  # (..., hidden)
        return self.linear1.backward(da) + self.linear3.backward(g * gate)  # (..., C)

    def flops(self, x: Array, y: Array) -> int:
        return 0  # counted by the layers
