"""Checks of attention's arguments and inputs."""

from typing import Any

from firstlight.nn._checks import check_dtype
from firstlight.support.array import Array
from firstlight.support.half import is_half


def check_heads(layer: Any, embed_dim: int, num_heads: int) -> None:
    """Raise a ValueError unless embed_dim is a multiple of num_heads."""
    if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
        fitting = [n for n in range(1, min(max(embed_dim, 0), 64) + 1) if embed_dim % n == 0]
        raise ValueError(
            f"{type(layer).__name__}: expected embed_dim to be a multiple of num_heads, got "
            f"{embed_dim} and {num_heads}; with embed_dim={embed_dim}, num_heads may be "
            f"{', '.join(map(str, fitting)) or 'nothing'}"
        )


def check_sequences(layer: Any, x: Array, context: Array | None) -> None:
    """Raise a ValueError or TypeError unless x and the context are (N, T, C) and (N, S, C)."""
    who, width = type(layer).__name__, layer.embed_dim
    for name, array in (("x", x), ("context", context)):
        if array is None:
            continue
        fits = array.ndim == 3 and array.shape[1] > 0 and array.shape[2] == width
        if not fits or len(array) != len(x):
            raise ValueError(
                f"{who}: expected {name} of shape (samples, positions, {width}) "
                f"(embed_dim), got shape {array.shape}"
                + (f" beside x of shape {x.shape}" if name == "context" else "")
            )
        check_dtype(layer, array, layer.in_proj_weight.dtype, name)
    if layer.is_causal and context is not None and context.shape[1] < x.shape[1]:
        raise ValueError(
            f"{who}: is_causal needs as many keys as queries or more, got "
            f"{context.shape[1]} and {x.shape[1]}"
        )


def check_mask(layer: Any, mask: Array | None, x: Array, context: Array | None) -> None:
    """Raise a ValueError or TypeError unless the mask fits the scores (N, H, T, S)."""
    if mask is None:
        return
    who, n, h, t = type(layer).__name__, len(x), layer.num_heads, x.shape[1]
    s = t if context is None else context.shape[1]
    heads = mask.shape[1] if mask.ndim == 4 else 1
    samples = mask.shape[0] if mask.ndim in (3, 4) else 1
    fits = mask.ndim in (2, 3, 4) and mask.shape[-2:] == (t, s)
    if not fits or samples not in (1, n) or heads not in (1, h):
        raise ValueError(
            f"{who}: expected a mask of shape {(t, s)} (queries, keys), "
            f"{(n, t, s)} or {(n, h, t, s)}, with 1 for what is alike, got shape {mask.shape}"
        )
    if mask.dtype.kind not in "bf" and not is_half(mask):
        raise TypeError(
            f"{who}: expected a boolean mask (True: look) or a floating-point one "
            f"(added to the scores), got {mask.dtype}; write mask.astype(bool)"
        )
