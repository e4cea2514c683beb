"""Faster forms of computations, each under one name for arrays of any kind.

A layer calls ``fast.gelu(x)`` and does not ask where x is. Operations with a CUDA kernel are chosen
by the first array (`by_array`); all others are NumPy expressions, which CuPy arrays take as well.

==============  ==================================================================================
``blocked/``    NumPy over blocks that stay in the cache, in threads
``compiled/``   numba's replacements for some functions of ``blocked``, with the extra ``fast``
``cuda/``       CUDA kernels and cuBLAS products, on CuPy arrays
==============  ==================================================================================
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

import numpy as np

from firstlight.fast.blocked import attention as attention_tiles
from firstlight.fast.blocked import (
    channels,
    convolution,
    dropout,
    gradients,
    indexing,
    layernorm,
    pooling,
    softmax,
)
from firstlight.fast.blocked import gelu as gelu_blocks
from firstlight.fast.blocked.attention import attention_weights as attention_weights
from firstlight.fast.blocked.channels import channel_map as channel_map
from firstlight.fast.blocked.elementwise import blockwise as blockwise
from firstlight.fast.blocked.elementwise import sigmoid as sigmoid
from firstlight.fast.blocked.elementwise import sigmoid_into as sigmoid_into
from firstlight.fast.blocked.elementwise import zero_where as zero_where
from firstlight.fast.blocked.gelu import erf as erf
from firstlight.fast.blocked.pooling import avg_pool2d as avg_pool2d
from firstlight.fast.blocked.pooling import avg_pool2d_dx as avg_pool2d_dx
from firstlight.fast.blocked.resize import resize as resize
from firstlight.fast.blocked.resize import resize_taps as resize_taps
from firstlight.fast.blocked.samples import sample_dots as sample_dots
from firstlight.fast.blocked.samples import sample_map as sample_map
from firstlight.fast.blocked.samples import sample_moments as sample_moments
from firstlight.fast.cuda import cupy_images, cupy_ops, kernel
from firstlight.fast.cuda.gemm import matmul as matmul
from firstlight.fast.cuda.gemm import precision as precision
from firstlight.fast.window import Window as Window

F = TypeVar("F", bound=Callable[..., Any])


def by_array(on_host: F, on_device: Callable[..., Any], dtype: str | None = None) -> F:
    """Return a function that calls ``on_device`` for arrays that our kernels take.

    All other arrays, NumPy's above all, go to ``on_host``; it is written in array expressions,
    which CuPy arrays of other dtypes understand too. The first argument decides, by its dtype
    unless ``dtype`` is given.
    """

    @wraps(on_host)
    def chosen(x, *args, **kwargs):
        if isinstance(x, np.ndarray) or not kernel.usable(x, dtype):
            return on_host(x, *args, **kwargs)
        return on_device(x, *args, **kwargs)

    return cast("F", chosen)


# A form for the CPU, and one for a GPU; those imported by name above have one form for both.
add_by_index: Final = by_array(indexing.add_by_index, cupy_ops.add_by_index)
attention: Final = by_array(attention_tiles.attention, cupy_ops.attention)
attention_backward: Final = by_array(
    attention_tiles.attention_backward, cupy_ops.attention_backward
)
channel_dots: Final = by_array(channels.channel_dots, cupy_ops.channel_dots)
channel_moments: Final = by_array(channels.channel_moments, cupy_ops.channel_moments)
channel_sums: Final = by_array(channels.channel_sums, cupy_ops.channel_sums)
conv2d: Final = by_array(convolution.conv2d, cupy_images.conv2d)
conv2d_dw: Final = by_array(convolution.conv2d_dw, cupy_images.conv2d_dw)
conv2d_dx: Final = by_array(convolution.conv2d_dx, cupy_images.conv2d_dx)
dropout_mask: Final = by_array(dropout.dropout_mask, cupy_ops.dropout_mask)
dropout_seeds: Final = by_array(dropout.dropout_seeds, cupy_ops.dropout_seeds)
gelu: Final = by_array(gelu_blocks.gelu, cupy_ops.gelu)
layer_norm: Final = by_array(layernorm.layer_norm, cupy_ops.layer_norm)
layer_norm_backward: Final = by_array(layernorm.layer_norm_backward, cupy_ops.layer_norm_backward)
max_pool2d: Final = by_array(pooling.max_pool2d, cupy_images.max_pool2d)
max_pool2d_dx: Final = by_array(pooling.max_pool2d_dx, cupy_images.max_pool2d_dx)
next_scale: Final = by_array(gradients.next_scale, cupy_ops.next_scale)
softmax_parts: Final = by_array(softmax.softmax_parts, cupy_ops.softmax_parts)
softmax_parts_dx: Final = by_array(softmax.softmax_parts_dx, cupy_ops.softmax_parts_dx)
sum_of_squares: Final = by_array(gradients.sum_of_squares, cupy_ops.sum_of_squares)
take_scaled: Final = by_array(indexing.take_scaled, cupy_ops.take_scaled, "float32")
unscale: Final = by_array(gradients.unscale, cupy_ops.unscale)
