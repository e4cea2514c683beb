"""Randomness: one generator for each purpose, all grown from one seed.

Nothing in firstlight draws from NumPy's global generator. What is random, and where from:

==========  ===============================================================================
``init``    initial weights, while a model is built
``dropout`` masks, drawn step by step
``order``   the order of the samples: a fresh generator for each (seed, epoch)
``augment`` random transforms: a fresh generator for each (seed, epoch, batch)
==========  ===============================================================================

``init`` and ``dropout`` are streams: they move on with each draw, and `state_dict` saves where
they stand. ``order`` and ``augment`` have no state at all: `derived` makes their generator from
the numbers that name it, so that any batch of any epoch can be made again alone.

The seed is 0 until somebody chooses another: the same script gives the same numbers.
"""

import numpy as np

STREAMS = ("init", "dropout")
PURPOSES = (*STREAMS, "order", "augment", "split")

_seed = 0
_streams = {}


def seed_everything(seed=None):
    """Start all random streams again from one seed.

    Parameters
    ----------
    seed : int, optional
        Zero or positive. None draws one from the operating system.

    Returns
    -------
    int
        The seed in use.

    Raises
    ------
    TypeError, ValueError
        The seed is not an integer, or negative.

    Examples
    --------
    >>> import firstlight as fl
    >>> fl.seed_everything(7)
    7
    """
    global _seed
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
        raise TypeError(f"seed_everything: expected an integer seed, got {seed!r}")
    if seed < 0:
        raise ValueError(f"seed_everything: expected a seed of 0 or more, got {seed}")
    _seed = int(seed)
    _streams.update({name: derived(name, _seed) for name in STREAMS})
    return _seed


def current_seed():
    """Return the seed that `seed_everything` set last."""
    return _seed


def stream(name):
    """Return the process-wide generator for a purpose, ``"init"`` or ``"dropout"``."""
    return _streams[name]


def derived(purpose, seed, *numbers):
    """Make the generator that belongs to a purpose, a seed and, e.g., an epoch and a batch.

    Parameters
    ----------
    purpose : {"init", "dropout", "order", "augment", "split"}
    seed : int
    *numbers : int
        What else names the generator.

    Returns
    -------
    numpy.random.Generator
        PCG64; the same for the same arguments, independent for different ones.
    """
    key = (PURPOSES.index(purpose), *numbers)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def state_dict():
    """Return where every stream stands, as a JSON-able dict."""
    return {name: generator.bit_generator.state for name, generator in _streams.items()}


def load_state_dict(state):
    """Put every stream back to where `state_dict` found it."""
    for name, saved in state.items():
        _streams[name].bit_generator.state = saved


seed_everything(0)
