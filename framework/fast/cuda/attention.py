"""MultiHeadAttention on a GPU: scores, softmax, dropout and products in one kernel, tile by tile.

No array of all scores is stored. Forward saves each row's largest score and the sum of its
exponentials; backward computes the weights again from them. So a head is read and written in one
kernel forward and one backward, and its memory grows with T, not with T².

With precision "32" the products are of float32 factors. "tf32", "bf16" and "16" round the factors
to 10 bits of fraction in the tensor cores, with the range of float32. What is saved in half
precision has no more of them.

NaN and infinity spread as in the lesson, with one exception: a causal query ignores keys in the
tiles after its own.

References
----------
Dao et al., "FlashAttention", 2022; Dao, "FlashAttention-2", 2023.
"""

from functools import cache
from typing import Any

import numpy as np

from firstlight.fast.blocked.attention import BlockedAttention
from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import add_bias, contiguous
from firstlight.fast.cuda.dropout import philox_arguments
from firstlight.fast.cuda.gemm import is_exact
from firstlight.fast.cuda.kernel import launch, real, reals
from firstlight.fast.cuda.linear import CudaLinear
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.key_value_cache import KeyValueCache
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.forms import form

OWN, THREADS = 64, 128  # rows and threads of a block, as in tiles.cuh
WIDTHS = 16, 32, 64, 128  # of heads; the kernels are compiled for each
VIEWS = "q", "k", "v", "y", "dy", "dq", "dk", "dv", "bias"
NUMBERS = (
    *("scale", "p", "heads", "queries", "keys", "width", "causal", "has_bias"),
    *("call", "seed0", "seed1", "first"),
)


def fitting_heads(layer: MultiHeadAttention, x: Any) -> bool:
    """Heads of up to 128 numbers."""
    return layer.head_dim <= WIDTHS[-1]


@form(MultiHeadAttention, when=[gpu_stored, fitting_heads])
class CudaAttention(BlockedAttention):
    """Compute all heads in one kernel, with tiles of the scores in registers."""

    linear = CudaLinear

    def extend(self, layer: MultiHeadAttention, x: Array, cache: KeyValueCache) -> Array:
        if cache.place is None or cache.keys is None or layer.rotary is not None:
            return super().extend(layer, x, cache)
        layer.check_input(x)
        weight = self.linear.factor(layer.in_proj_weight.data)
        rows = self.linear.multiply(x.reshape(len(x), x.shape[2]), weight.T, weight)  # (N, 3C)
        add_bias(rows, None if layer.in_proj_bias is None else layer.in_proj_bias.data)
        y = np.empty_like(rows, shape=x.shape)  # (N, 1, C)
        keys, values = cache.keys, cache.values
        strides = [np.int64(stride // keys.itemsize) for stride in keys.strides[:3]]
        sizes = layer.num_heads, layer.head_dim, cache.capacity
        arguments = (rows, keys, values, y, cache.place, layer.head_dim**-0.5, *sizes, *strides)
        launch("attention_step", "attend_step", rows, len(x) * layer.num_heads, *arguments)
        cache.length += 1
        return layer.out_proj(y)

    @staticmethod
    def draw_seeds(x: Array) -> Any:
        return randomness.device_key(x)

    @staticmethod
    def attend(q: Array, k: Array, v: Array, y: Array, **options: Any) -> Array:
        # Of each row the largest score and 1/Σ exp.
        stats = reals(y, (2, *q.shape[:3]))
        arrays = {"q": q, "k": k, "v": v, "y": y, "stats": stats}
        _launch("attention", "attend", (q,), arrays, **options)
        return stats

    @staticmethod
    def attend_backward(
        dy: Array,
        q: Array,
        k: Array,
        v: Array,
        y: Array,
        stats: Array,
        dq: Array,
        dk: Array,
        dv: Array,
        **options: Any,
    ) -> None:
        arrays = {"dy": dy, "q": q, "k": k, "v": v, "y": y, "stats": stats}
        arrays |= {"dq": dq, "dk": dk, "dv": dv}
        _launch("attention_backward", "attend_backward", (q, k), arrays, **options)


def _launch(file, function, own, arrays, *, bias=None, causal=False, dropout=0.0, seeds=None):
    """Launch a kernel whose blocks compute OWN rows each of arrays ``own`` (N, H, rows, D)."""
    q, k, stats = arrays["q"], arrays["k"], arrays["stats"]
    (n, heads, queries, width), keys = q.shape, k.shape[2]
    if not q.size or not k.size:
        return
    arrays = {name: _with_whole_rows(x) for name, x in arrays.items()}
    arrays["bias"] = stats if bias is None else contiguous(bias.astype(stats.dtype, copy=False))
    settings = np.zeros((), _dtype(real(q.dtype)))
    for name in VIEWS:
        x = arrays.get(name)
        if x is not None:
            strides = zip(x.strides[:3], x.shape, strict=False)
            settings[name] = [step // x.itemsize if size > 1 else 0 for step, size in strides]
    sizes = heads, queries, keys, width, causal, bias is not None
    p, step, *words = philox_arguments(dropout, seeds, (n, heads, queries, keys), stats)
    for name, value in zip(NUMBERS, (width**-0.5, p, *sizes, *words), strict=True):
        settings[name] = value
    defines = [f"-DWIDTH={next(size for size in WIDTHS if size >= width)}"]
    if stats.dtype == "float32" and not is_exact():
        defines.append("-DTENSOR")
    grid = n * heads * sum(-(-x.shape[2] // OWN) for x in own)
    arguments = *arrays.values(), step, settings
    launch(file, function, q, grid, *arguments, block=THREADS, defines=tuple(defines))


def _with_whole_rows(x):
    return x if x.strides[-1] == x.itemsize or x.shape[-1] == 1 else x.copy(order="C")


@cache
def _dtype(real):
    """Return the structure Attention of tiles.cuh."""
    kinds = [real, "float32", *["int32"] * 6, *["uint32"] * 4]
    fields = [(name, "int64", 3) for name in VIEWS] + list(zip(NUMBERS, kinds, strict=True))
    return np.dtype(fields, align=True)
