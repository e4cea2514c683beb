"""WeightNorm and SpectralNorm: layers whose weight is computed from other parameters."""

from typing import Any

import numpy as np
from numpy.random import Generator

from firstlight.module import Module
from firstlight.nn import init
from firstlight.nn.conv1d import Conv1d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.linear import Linear
from firstlight.parameter import Buffer, Parameter
from firstlight.support.array import Array

WARM_UP = 15  # power iterations at the start, as in PyTorch


class ComputedWeight:
    """A weight that forward computes: its values, and the gradient that a layer's backward adds."""

    data: Array
    grad: Array

    def __init__(self, data: Array):
        self.set(data)

    def set(self, data: Array) -> None:
        """Replace the values, and set the gradient to zero."""
        self.data, self.grad = data, np.zeros_like(data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> Any:
        return self.data.dtype


class ComputedWeightLayer(Module):
    """Base class: run a layer with a weight W that is computed from parameters.

    Attributes
    ----------
    layer : Linear, Conv1d or Conv2d
        Its ``weight`` is a `ComputedWeight`, and no parameter.
    bias : Parameter or None
        The layer's.
    """

    indivisible: bool = True

    def __init__(self, layer: Any):
        if not isinstance(layer, (Linear, Conv1d, Conv2d)):
            raise TypeError(
                f"{self._name}: expected a Linear, Conv1d or Conv2d, got {layer!r}; wrap each of "
                "the layers, not the network"
            )
        if not isinstance(layer.weight, Parameter):
            raise ValueError(f"{self._name}: the weight of {layer!r} is computed already")
        weight = ComputedWeight(layer.weight.data)
        for part in layer.modules():  # a Conv1d contains the Conv2d that computes it
            part.weight = weight
        self.layer: Any = layer
        self.bias: Parameter | None = layer.bias
        self.needs_dx = layer.needs_dx

    def lend(self, w: Array) -> ComputedWeight:
        """Make W the layer's weight, with a gradient of zero, and return it."""
        weight = self.layer.weight
        weight.set(w)
        return weight


class WeightNorm(ComputedWeightLayer):
    """Train the length and the direction of each row of a layer's weight separately.

    Formula, for each output o, with W_o its weights as one vector::

        W_o = g_o v_o / |v_o|

    Gradient, from dW, which the layer's backward computes; a step along v_o changes only the
    direction, so dv_o is at right angles to v_o::

        dg_o = Σ dW_o v̂_o                           v̂_o = v_o / |v_o|
        dv_o = g_o / |v_o| (dW_o - dg_o v̂_o)

    Parameters
    ----------
    layer : Linear, Conv1d or Conv2d
        Starts with its weight: v = W and g = |W|.

    Attributes
    ----------
    weight_g : Parameter, shape (O, 1, ...)
    weight_v : Parameter, shape of the layer's weight
    bias : Parameter, shape (O,), or None

    Raises
    ------
    TypeError
        Another layer.

    References
    ----------
    Salimans & Kingma, "Weight Normalization", 2016, eq. 2 and 3. The names are those of
    ``torch.nn.utils.weight_norm``.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.WeightNorm(nn.Linear(3, 2))
    >>> layer(np.ones((4, 3), "float32")).shape
    (4, 2)
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight_g', 'weight_v']
    """

    def __init__(self, layer: Linear | Conv1d | Conv2d):
        v: Any = getattr(layer, "weight", None)
        super().__init__(layer)
        g = _row_lengths(v.data)
        ones = v.torch_shape and (len(g),) + (1,) * (len(v.torch_shape) - 1)
        self.weight_g: Parameter = Parameter(g, torch_axes=v.torch_axes, torch_shape=ones)
        self.weight_v: Parameter = v

    def forward(self, x: Array) -> Array:
        v = self.weight_v.data  # (O, ...)
        length = _row_lengths(v)  # (O, 1, ...)
        w = self.weight_g.data * v / length  # (O, ...)
        self.lend(w)
        y = self.layer(x)
        self.save(w, v / length, self.weight_g.data / length)
        return y

    def backward(self, dy: Array) -> Array | Any:
        w, v_hat, scale = self.saved()
        weight = self.lend(w)
        dx = self.layer.backward(dy)
        dg = _row_sums(weight.grad * v_hat)  # (O, 1, ...)
        self.weight_g.grad += dg
        self.weight_v.grad += scale * (weight.grad - dg * v_hat)  # (O, ...)
        return dx

    def flops(self, x: Array, y: Array) -> int:
        return 4 * self.weight_v.size  # the rest is counted by the layer


class SpectralNorm(ComputedWeightLayer):
    """Divide a layer's weight by its largest singular value, so that the layer is 1-Lipschitz.

    Formula, with W as a matrix (O, K) of one row for each output. Each forward in training does a
    power iteration, which turns u and v to the singular vectors of σ over the steps::

        v ← Wᵀ u / |Wᵀ u|        u ← W v / |W v|        σ = uᵀ W v        Ŵ = W / σ

    Gradient, from dŴ, which the layer's backward computes. u and v count as constants: at the
    singular vectors σ is stationary in them, so dσ/dW = u vᵀ::

        dW = dŴ / σ - (Σ dŴ W) / σ² u vᵀ = (dŴ - (Σ dŴ Ŵ) u vᵀ) / σ

    Parameters
    ----------
    layer : Linear, Conv1d or Conv2d
    n_power_iterations : int
        Iterations for each forward in training; 0 keeps u and v, as evaluation does.
    eps : float
        Least length that u and v are divided by.
    rng : numpy.random.Generator, optional
        Generator of the first u; the ``init`` stream by default.

    Attributes
    ----------
    weight_orig : Parameter, shape of the layer's weight
        W.
    weight_u : Buffer, shape (O,)
    weight_v : Buffer, shape of the layer's weight without its first axis
    bias : Parameter, shape (O,), or None

    Raises
    ------
    TypeError
        Another layer.
    ValueError
        n_power_iterations below 0.

    References
    ----------
    Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018, algorithm 1.
    The names are those of ``torch.nn.utils.spectral_norm``.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> layer = nn.SpectralNorm(nn.Linear(3, 2))
    >>> for _ in range(50):
    ...     y = layer(np.eye(3, dtype="float32"))
    >>> bool(abs(np.linalg.norm(layer.layer.weight.data, 2) - 1) < 1e-5)
    True
    """

    def __init__(
        self,
        layer: Linear | Conv1d | Conv2d,
        n_power_iterations: int = 1,
        eps: float = 1e-12,
        *,
        rng: Generator | None = None,
    ):
        if n_power_iterations < 0:
            raise ValueError(
                f"SpectralNorm: expected n_power_iterations of 0 or more, got {n_power_iterations}"
            )
        weight: Any = getattr(layer, "weight", None)
        super().__init__(layer)
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        self.weight_orig: Parameter = weight
        matrix = self._matrix()
        u = np.asarray(init.normal((len(matrix),), rng=rng), like=matrix)
        u, v = self._iterated(matrix, u, WARM_UP)
        shape, inner = weight.shape[1:], weight.torch_axes and weight.torch_axes[1:]
        self.weight_u: Buffer = Buffer(u)
        self.weight_v: Buffer = Buffer(
            v.reshape(shape),
            torch_axes=inner and tuple(axis - 1 for axis in inner),
            torch_shape=inner and (v.size,),
        )
        self.lend(weight.data / (u @ matrix @ v))

    def forward(self, x: Array) -> Array:
        matrix = self._matrix()  # (O, K)
        u, v = self.weight_u.data.copy(), self.weight_v.data.reshape(-1).copy()  # (O,), (K,)
        if self.training and self.n_power_iterations:
            u, v = self._iterated(matrix, u, self.n_power_iterations)
            self.weight_u.data[...] = u
            self.weight_v.data[...] = v.reshape(self.weight_v.data.shape)
        sigma = (u[:, None] * matrix * v).sum()
        w_hat = self.weight_orig.data / sigma  # (O, ...)
        self.lend(w_hat)
        y = self.layer(x)
        self.save(w_hat, sigma, u, v)
        return y

    def backward(self, dy: Array) -> Array | Any:
        w_hat, sigma, u, v = self.saved()
        weight = self.lend(w_hat)
        dx = self.layer.backward(dy)
        dw = weight.grad  # dL/dŴ (O, ...)
        dsigma = (dw * w_hat).sum()  # -σ dL/dσ
        self.weight_orig.grad += (dw - dsigma * np.outer(u, v).reshape(dw.shape)) / sigma
        return dx

    def _matrix(self):
        """Return W as a matrix (O, K)."""
        return self.weight_orig.data.reshape(self.weight_orig.shape[0], -1)

    def _iterated(self, matrix, u, count):
        """Return u and v after some power iterations.

        The products are sums, as a CUDA graph can capture no call of cuBLAS by CuPy.
        """
        for _ in range(count):
            v = self._unit((matrix * u[:, None]).sum(axis=0))  # (K,)
            u = self._unit((matrix * v).sum(axis=1))  # (O,)
        return u, v

    def _unit(self, vector):
        return vector / np.maximum(np.sqrt((vector * vector).sum()), self.eps)

    def flops(self, x: Array, y: Array) -> int:
        return 4 * self.n_power_iterations * self.weight_orig.size  # the layer counts the rest

    def extra_repr(self) -> str:
        return f"n_power_iterations={self.n_power_iterations}"


def _row_sums(w):
    """Return the sum of each row w_o, (O, 1, ...)."""
    return w.sum(axis=tuple(range(1, w.ndim)), keepdims=True)


def _row_lengths(w):
    """Return |w_o| of each row w_o, (O, 1, ...)."""
    return np.sqrt(_row_sums(w * w))
