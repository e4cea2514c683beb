"""Operations that have a special form, under the same name for every kind of array.

A layer calls ``ops.gelu(x)`` and does not ask where x lives: those that have kernels for a GPU are
chosen by the array that comes first.
"""

from firstlight.fast.blocked import attention as attention_tiles
from firstlight.fast.blocked import (
    by_index,
    channels,
    convolution,
    dropout,
    gather,
    layernorm,
    norm,
    pooling,
    scaling,
    softmax,
)
from firstlight.fast.blocked import gelu as gelu_blocks
from firstlight.fast.blocked.blockwise import blockwise
from firstlight.fast.blocked.channels import channel_map
from firstlight.fast.blocked.masked import zero_where
from firstlight.fast.blocked.memory import keep_freed_memory
from firstlight.fast.blocked.numpy_ops import erf, sigmoid, sigmoid_into
from firstlight.fast.blocked.pooling import avg_pool2d, avg_pool2d_dx
from firstlight.fast.blocked.resize import resize, taps_of
from firstlight.fast.blocked.samples import sample_dots, sample_map, sample_moments
from firstlight.fast.cuda import cupy_images, cupy_ops
from firstlight.fast.cuda.gemm import matmul, precision
from firstlight.fast.dispatch import by_array
from firstlight.fast.window import Window

attention_weights = attention_tiles.attention_weights

add_by_index = by_array(by_index.add_by_index, cupy_ops.add_by_index)
attention_backward = by_array(attention_tiles.attention_backward, cupy_ops.attention_backward)
attention = by_array(attention_tiles.attention, cupy_ops.attention)
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
next_scale = by_array(scaling.next_scale, cupy_ops.next_scale)
softmax_parts = by_array(softmax.softmax_parts, cupy_ops.softmax_parts)
softmax_parts_dx = by_array(softmax.softmax_parts_dx, cupy_ops.softmax_parts_dx)
sum_of_squares = by_array(norm.sum_of_squares, cupy_ops.sum_of_squares)
take_scaled = by_array(gather.take_scaled, cupy_ops.take_scaled, "float32")
unscale = by_array(scaling.unscale, cupy_ops.unscale)

__all__ = [
    "Window",
    "add_by_index",
    "attention",
    "attention_backward",
    "attention_weights",
    "avg_pool2d",
    "avg_pool2d_dx",
    "blockwise",
    "channel_dots",
    "channel_map",
    "channel_moments",
    "channel_sums",
    "conv2d",
    "conv2d_dw",
    "conv2d_dx",
    "dropout_mask",
    "dropout_seeds",
    "erf",
    "gelu",
    "keep_freed_memory",
    "layer_norm",
    "layer_norm_backward",
    "matmul",
    "max_pool2d",
    "max_pool2d_dx",
    "next_scale",
    "precision",
    "resize",
    "sample_dots",
    "sample_map",
    "sample_moments",
    "sigmoid",
    "sigmoid_into",
    "softmax_parts",
    "softmax_parts_dx",
    "sum_of_squares",
    "take_scaled",
    "taps_of",
    "unscale",
    "zero_where",
]

keep_freed_memory()
