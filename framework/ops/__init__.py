"""Operations that have a special form, under the same name for every kind of array.

A layer calls ``ops.erf(x)`` and does not ask where x lives.
"""

from firstlight.ops.attention import attention, attention_backward, attention_weights
from firstlight.ops.blockwise import blockwise
from firstlight.ops.channels import channel_dots, channel_map, channel_moments, channel_sums
from firstlight.ops.convolution import conv2d, conv2d_dw, conv2d_dx
from firstlight.ops.gelu import gelu
from firstlight.ops.layernorm import layer_norm, layer_norm_backward
from firstlight.ops.memory import keep_freed_memory
from firstlight.ops.numpy_ops import erf, sigmoid, sigmoid_into
from firstlight.ops.pooling import avg_pool2d, avg_pool2d_dx, max_pool2d, max_pool2d_dx
from firstlight.ops.samples import sample_dots, sample_map, sample_moments
from firstlight.ops.waiting import shorten_waiting
from firstlight.ops.window import Window

__all__ = [
    "Window",
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
    "erf",
    "gelu",
    "keep_freed_memory",
    "layer_norm",
    "layer_norm_backward",
    "max_pool2d",
    "max_pool2d_dx",
    "sample_dots",
    "sample_map",
    "sample_moments",
    "shorten_waiting",
    "sigmoid",
    "sigmoid_into",
]

keep_freed_memory()
shorten_waiting()
