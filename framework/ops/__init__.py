"""Operations that have a special form, under the same name for every kind of array.

A layer calls ``ops.erf(x)`` and does not ask where x lives.
"""

from firstlight.ops.channels import channel_dots, channel_map, channel_moments
from firstlight.ops.numpy_ops import erf, sigmoid
from firstlight.ops.samples import sample_dots, sample_map, sample_moments

__all__ = [
    "channel_dots",
    "channel_map",
    "channel_moments",
    "erf",
    "sample_dots",
    "sample_map",
    "sample_moments",
    "sigmoid",
]
