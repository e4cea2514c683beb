"""Initial weights."""

from firstlight import rng as randomness


def uniform(shape, low=0.0, high=1.0, *, rng=None):
    """Draw from the uniform distribution on [low, high), as float32."""
    rng = randomness.stream("init") if rng is None else rng
    return rng.uniform(low, high, shape).astype("float32")
