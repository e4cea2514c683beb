"""Weight initialisers, scaled so that signals neither vanish nor explode with depth.

Each function takes a shape and returns a float32 array, for ``Linear(init_weight=...)``::

    nn.Linear(784, 10, init_weight=init.kaiming_normal)
    nn.Linear(784, 10, init_weight=functools.partial(init.normal, std=0.02))

Names, arguments and defaults are those of ``torch.nn.init``, without the underscore. A weight
is (out, in), or (out, kernel height, kernel width, in) for a convolution; one output sums over
``fan_in`` = in · kh · kw inputs, one input reaches ``fan_out`` = out · kh · kw outputs.
"""

import math

import numpy as np
from numpy.random import Generator

from firstlight.support import rng as randomness
from firstlight.support.array import Array

GAINS = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def uniform(
    shape: tuple[int, ...],
    low: float = 0.0,
    high: float = 1.0,
    *,
    rng: Generator | None = None,
) -> Array:
    """Draw from the uniform distribution on [low, high), as float32."""
    return _generator(rng).uniform(low, high, shape).astype("float32")


def normal(
    shape: tuple[int, ...],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: Generator | None = None,
) -> Array:
    """Draw from the normal distribution, as float32."""
    return _generator(rng).normal(mean, std, shape).astype("float32")


def trunc_normal(
    shape: tuple[int, ...],
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: Generator | None = None,
) -> Array:
    """Draw from the normal distribution truncated to [a, b]; a and b are no multiples of std.

    Raises
    ------
    ValueError
        Less than 1 % of the normal distribution lies between a and b.
    """

    def cdf(x):
        return (1 + math.erf((x - mean) / (std * math.sqrt(2)))) / 2

    if cdf(b) - cdf(a) < 0.01:
        raise ValueError(
            f"trunc_normal: expected limits around the mean {mean}, got a={a} and b={b} with "
            f"std={std}, which hold less than 1 % of the distribution; move or widen them"
        )
    rng = _generator(rng)
    values = rng.normal(mean, std, shape)
    outside = (values < a) | (values > b)
    while outside.any():  # draw again; few rounds, as at least 1 % are inside
        values[outside] = rng.normal(mean, std, int(outside.sum()))
        outside = (values < a) | (values > b)
    return values.astype("float32")


def constant(shape: tuple[int, ...], value: float, *, rng: Generator | None = None) -> Array:
    """Fill with one value, as float32; ``rng`` is not used."""
    return np.full(shape, value, "float32")


def zeros(shape: tuple[int, ...], *, rng: Generator | None = None) -> Array:
    """Fill with zeros, as float32; ``rng`` is not used."""
    return constant(shape, 0)


def ones(shape: tuple[int, ...], *, rng: Generator | None = None) -> Array:
    """Fill with ones, as float32; ``rng`` is not used."""
    return constant(shape, 1)


def xavier_uniform(
    shape: tuple[int, ...], gain: float = 1.0, *, rng: Generator | None = None
) -> Array:
    """Draw uniformly with variance gain² · 2 / (fan_in + fan_out).

    A compromise between keeping the variance of signals (1 / fan_in) and of gradients
    (1 / fan_out); a uniform distribution on ±√3 s has standard deviation s.

    References
    ----------
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, eq. 16.
    """
    bound = math.sqrt(3) * _xavier_std(shape, gain)
    return uniform(shape, -bound, bound, rng=rng)


def xavier_normal(
    shape: tuple[int, ...], gain: float = 1.0, *, rng: Generator | None = None
) -> Array:
    """Draw normally with variance gain² · 2 / (fan_in + fan_out); see `xavier_uniform`."""
    return normal(shape, 0.0, _xavier_std(shape, gain), rng=rng)


def kaiming_uniform(
    shape: tuple[int, ...],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Generator | None = None,
) -> Array:
    """Draw uniformly with variance gain² / fan, He's rule for ReLU networks.

    ReLU halves the mean square of a signal; gain² = 2 compensates.

    Parameters
    ----------
    shape : tuple of int
    a : float
        Negative slope of the LeakyReLU that follows; 0 for ReLU.
    mode : {"fan_in", "fan_out"}
        Preserve the variance of the signals, or of the gradients.
    nonlinearity : str
        Activation after the layer, see `gain`.
    rng : numpy.random.Generator, optional

    References
    ----------
    He et al., "Delving Deep into Rectifiers", 2015, eq. 10 and 14.
    """
    bound = math.sqrt(3) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, rng=rng)


def kaiming_normal(
    shape: tuple[int, ...],
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: Generator | None = None,
) -> Array:
    """Draw normally with variance gain² / fan; see `kaiming_uniform`."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), rng=rng)


def orthogonal(shape: tuple[int, ...], gain: float = 1.0, *, rng: Generator | None = None) -> Array:
    """Draw a random matrix whose rows (or columns, if fewer) are orthogonal, of norm gain.

    It is Q of the QR decomposition of a normal matrix, times the signs of R's diagonal, which make
    Q uniformly distributed. All axes after the first count as one.

    References
    ----------
    Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2013, section 3.
    """
    fans(shape)  # checks the number of axes
    rows, columns = shape[0], math.prod(shape[1:])
    tall = _generator(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    q = q if rows >= columns else q.T  # (rows, columns)
    return (gain * q).reshape(shape).astype("float32")


def gain(nonlinearity: str, param: float | None = None) -> float:
    """Return PyTorch's recommended gain of the layer before an activation.

    Parameters
    ----------
    nonlinearity : {"linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
    param : float, optional
        The negative slope of leaky_relu, 0.01 by default.

    Raises
    ------
    ValueError
        Unknown name.

    Examples
    --------
    >>> gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        names = ", ".join([*GAINS, "leaky_relu"])
        raise ValueError(f"gain: expected a nonlinearity of {names}, got {nonlinearity!r}")
    return GAINS[nonlinearity]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return ``(fan_in, fan_out)`` of a weight (out, in) or (out, kh, kw, in).

    Raises
    ------
    ValueError
        Fewer than two axes.

    Examples
    --------
    >>> fans((64, 3, 3, 32))
    (288, 576)
    """
    if len(shape) < 2:
        raise ValueError(
            f"init: expected a weight with two axes or more, (out, ..., in), got shape {shape}; "
            "use zeros, constant, normal or uniform for biases"
        )
    kernel = math.prod(shape[1:-1])
    return kernel * shape[-1], kernel * shape[0]


def _xavier_std(shape, gain):
    return gain * math.sqrt(2 / sum(fans(shape)))


def _kaiming_std(shape, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'init: expected mode "fan_in" or "fan_out", got {mode!r}')
    fan = fans(shape)[mode == "fan_out"]
    return gain(nonlinearity, a) / math.sqrt(fan)


def _generator(rng):
    return randomness.stream("init") if rng is None else rng
