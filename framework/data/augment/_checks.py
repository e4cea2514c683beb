"""Check the arguments of augmentations, and their batches."""

from typing import Any

from firstlight.support.array import Array


def check_images(who: str, x: Array) -> None:
    """Raise an error unless x holds floating-point images (N, H, W, C)."""
    if x.ndim != 4:
        raise ValueError(
            f"{who}: expected images x of shape (N, H, W, C), got {x.shape}; give grey images a "
            "last axis with x[..., np.newaxis]"
        )
    if x.dtype.kind != "f":
        raise TypeError(
            f"{who}: expected floating-point images, got {x.dtype}; put a Scale before it, e.g. "
            f"Compose([Scale(255), {who}(...)])"
        )


def interval(who: str, name: str, value: Any, low: float | None = None) -> tuple[float, float]:
    """Return an interval ``(min, max)``: (-d, d) for a number d; a pair passes unchanged.

    Raises
    ------
    ValueError
        Anything else, a pair in the wrong order, or numbers below ``low``.
    """
    if isinstance(value, (int, float)):
        if value >= 0:
            return -float(value), float(value)
        raise ValueError(f"{who}: expected {name} of 0 or more, or a pair (min, max), got {value}")
    pair = tuple(value)
    if len(pair) != 2 or not pair[0] <= pair[1] or (low is not None and pair[0] < low):
        least = "" if low is None else f" of {low} or more"
        raise ValueError(f"{who}: expected {name} as a pair (min, max){least}, got {value}")
    return float(pair[0]), float(pair[1])


def check_probability(who: str, name: str, value: float) -> None:
    """Raise a ValueError unless a probability is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{who}: expected {name} from 0 to 1, got {value}")
