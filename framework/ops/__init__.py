"""Operations that have a special form, under the same name for every kind of array.

A layer calls ``ops.erf(x)`` and does not ask where x lives.
"""

from firstlight.ops.attention import attention, attention_backward, attention_weights
from firstlight.ops.channels import channel_dots, channel_map, channel_moments
from firstlight.ops.gelu import gelu
from firstlight.ops.layernorm import layer_norm, layer_norm_backward
from firstlight.ops.numpy_ops import erf, sigmoid

__all__ = [
    "attention",
    "attention_backward",
    "attention_weights",
    "channel_dots",
    "channel_map",
    "channel_moments",
    "erf",
    "gelu",
    "layer_norm",
    "layer_norm_backward",
    "sigmoid",
]
