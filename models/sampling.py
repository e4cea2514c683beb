"""Sampling: draw the next token from a language model's logits."""

import numpy as np

from firstlight.support.array import Array


def sample(
    logits: Array,
    rng: np.random.Generator,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Array:
    """Draw a token for each row of logits.

    Parameters
    ----------
    logits : array, shape (N, V)
        -inf for tokens that must not be drawn; if some are inf, one of them is drawn.
    rng : numpy.random.Generator
    temperature : float
        Logits are divided by it: below 1 less random, above 1 more random; 0 is greedy.
    top_k : int, optional
        Draw from the k most probable tokens only.
    top_p : float, optional
        Draw from the most probable tokens whose probabilities sum to p or more.

    Returns
    -------
    array of int64, shape (N,)

    Raises
    ------
    ValueError
        Logits with NaN, as from a model that has diverged, or a row of -inf only; invalid
        arguments.

    References
    ----------
    Holtzman et al., "The Curious Case of Neural Text Degeneration", 2019, section 3.1 (top_p).

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.models.sampling import sample
    >>> sample(np.array([[0.0, 5.0, 1.0]]), np.random.default_rng(0), top_k=1)
    array([1])
    """
    check(temperature, top_k, top_p)
    largest = logits.max(axis=1, keepdims=True).astype("float64")  # (N, 1)  NaN if there is one
    if not (largest > -np.inf).all():
        what = "NaN" if np.isnan(largest).any() else "a row of -inf alone"
        raise ValueError(
            f"sample: no token can be drawn from logits with {what}; the model has diverged, or a "
            "mask leaves nothing: look at its training loss, or load an earlier checkpoint"
        )
    if temperature == 0:
        return logits.argmax(axis=1).astype("int64")
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf; beyond -1e308
        gap = np.where(logits == largest, 0, logits - largest)  # (N, V)  0 at most
        scores = gap / temperature  # (N, V)
    order = np.argsort(-scores, axis=1, kind="stable")  # (N, V)  the most probable first
    ranked = np.take_along_axis(scores, order, axis=1)
    if top_k is not None:
        ranked[:, top_k:] = -np.inf
    p = np.exp(ranked - ranked[:, :1])
    p /= p.sum(axis=1, keepdims=True)
    if top_p is not None:
        before = np.cumsum(p, axis=1) - p  # probability of more probable tokens
        p[before >= top_p] = 0
        p /= p.sum(axis=1, keepdims=True)
    below = np.cumsum(p, axis=1) <= rng.random((len(p), 1))  # (N, V)
    rank = np.minimum(below.sum(axis=1), (p > 0).sum(axis=1) - 1)  # sums may end just below 1
    return order[np.arange(len(p)), rank]


def check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise a ValueError for invalid arguments of sampling."""
    if not 0 <= temperature < np.inf:
        raise ValueError(f"generate: expected temperature of 0 or more, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"generate: expected top_k of 1 or more, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"generate: expected top_p above 0 and up to 1, got {top_p}")
