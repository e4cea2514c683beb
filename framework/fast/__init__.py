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
from typing import Any, TypeVar

import numpy as np

from firstlight.fast import window
from firstlight.fast.blocked import attention as attention_tiles
from firstlight.fast.blocked import (
    channels,
    convolution,
    dropout,
    elementwise,
    gradients,
    indexing,
    layernorm,
    pooling,
    samples,
    softmax,
)
from firstlight.fast.blocked import gelu as gelu_blocks
from firstlight.fast.blocked import resize as resizing
from firstlight.fast.cuda import cupy_images, cupy_ops, gemm, kernel

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

    return chosen


# One form for the CPU, one for the GPU.
add_by_index = by_array(indexing.add_by_index, cupy_ops.add_by_index)
attention = by_array(attention_tiles.attention, cupy_ops.attention)
attention_backward = by_array(attention_tiles.attention_backward, cupy_ops.attention_backward)
channel_dots = by_array(channels.channel_dots, cupy_ops.channel_dots)
channel_moments = by_array(channels.channel_moments, cupy_ops.channel_moments)
channel_sums = by_array(channels.channel_sums, cupy_ops.channel_sums)
conv2d = by_array(convolution.conv2d, cupy_images.conv2d)
conv2d_dw = by_array(convolution.conv2d_dw, cupy_images.conv2d_dw)
conv2d_dx = by_array(convolution.conv2d_dx, cupy_images.conv2d_dx)
dropout_mask = by_array(dropout.dropout_mask, cupy_ops.dropout_mask)
dropout_seeds = by_array(dropout.dropout_seeds, cupy_ops.dropout_seeds)
gelu = by_array(gelu_blocks.gelu, cupy_ops.gelu)
layer_norm = by_array(layernorm.layer_norm, cupy_ops.layer_norm)
layer_norm_backward = by_array(layernorm.layer_norm_backward, cupy_ops.layer_norm_backward)
max_pool2d = by_array(pooling.max_pool2d, cupy_images.max_pool2d)
max_pool2d_dx = by_array(pooling.max_pool2d_dx, cupy_images.max_pool2d_dx)
next_scale = by_array(gradients.next_scale, cupy_ops.next_scale)
softmax_parts = by_array(softmax.softmax_parts, cupy_ops.softmax_parts)
softmax_parts_dx = by_array(softmax.softmax_parts_dx, cupy_ops.softmax_parts_dx)
sum_of_squares = by_array(gradients.sum_of_squares, cupy_ops.sum_of_squares)
take_scaled = by_array(indexing.take_scaled, cupy_ops.take_scaled, "float32")
unscale = by_array(gradients.unscale, cupy_ops.unscale)

# One form for both.
Window = window.Window
attention_weights = attention_tiles.attention_weights
avg_pool2d = pooling.avg_pool2d
avg_pool2d_dx = pooling.avg_pool2d_dx
blockwise = elementwise.blockwise
channel_map = channels.channel_map
erf = gelu_blocks.erf
matmul = gemm.matmul
precision = gemm.precision
resize = resizing.resize
sample_dots = samples.sample_dots
sample_map = samples.sample_map
sample_moments = samples.sample_moments
sigmoid = elementwise.sigmoid
sigmoid_into = elementwise.sigmoid_into
taps_of = resizing.taps_of
zero_where = elementwise.zero_where
