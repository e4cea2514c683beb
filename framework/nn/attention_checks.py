"""What `MultiHeadAttention` checks, and how it takes masks."""

import numpy as np

from firstlight.nn.input_checks import check_dtype


def check_sizes(embed_dim, num_heads, dropout):
    """Raise a ValueError unless the heads divide embed_dim and dropout is a probability."""
    if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
        fitting = [n for n in range(1, min(max(embed_dim, 0), 64) + 1) if embed_dim % n == 0]
        raise ValueError(
            f"MultiHeadAttention: expected embed_dim to be a multiple of num_heads, got "
            f"{embed_dim} and {num_heads}; with embed_dim={embed_dim}, num_heads may be "
            f"{', '.join(map(str, fitting)) or 'nothing'}"
        )
    if not 0 <= dropout <= 1:
        raise ValueError(f"MultiHeadAttention: expected dropout from 0 to 1, got {dropout}")


def check_inputs(layer, x, context):
    """Raise a ValueError or TypeError unless x and the context are (N, T, C) and (N, S, C)."""
    dtype, width = layer.in_proj_weight.dtype, layer.embed_dim
    for name, array in (("x", x), ("context", context)):
        if array is None:
            continue
        fits = array.ndim == 3 and array.shape[1] > 0 and array.shape[2] == width
        if not fits or len(array) != len(x):
            raise ValueError(
                f"MultiHeadAttention: expected {name} of shape (samples, positions, {width}) "
                f"(embed_dim), got shape {array.shape}"
                + (f" beside x of shape {x.shape}" if name == "context" else "")
            )
        check_dtype(layer, array, dtype, name)
    if layer.is_causal and context is not None and context.shape[1] < x.shape[1]:
        raise ValueError(
            f"MultiHeadAttention: is_causal needs as many keys as queries or more, got "
            f"{context.shape[1]} and {x.shape[1]}"
        )


def as_bias(mask, q, k):
    """Return a mask as what is added to the scores, (N or 1, H or 1, T, S); None stays None."""
    if mask is None:
        return None
    n, h, t, s = (*q.shape[:3], k.shape[2])
    if mask.ndim < 2 or mask.ndim > 4 or mask.shape[-2:] != (t, s):
        shape = None
    elif mask.ndim == 3:
        shape = (mask.shape[0], 1, t, s)
    else:
        shape = (*(1, 1), *mask.shape)[-4:]
    if shape is None or shape[0] not in (1, n) or shape[1] not in (1, h):
        raise ValueError(
            f"MultiHeadAttention: expected a mask of shape {(t, s)} (queries, keys), "
            f"{(n, t, s)} or {(n, h, t, s)}, with 1 for what is alike, got shape {mask.shape}"
        )
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"MultiHeadAttention: expected a boolean mask (True: look) or a floating-point one "
            f"(added to the scores), got {mask.dtype}; write mask.astype(bool)"
        )
    mask = np.asarray(mask, like=q)  # to the device of q
    if mask.dtype.kind == "b":
        return np.where(mask, 0, -np.inf).astype(q.dtype).reshape(shape)
    return mask.astype(q.dtype, copy=False).reshape(shape)
