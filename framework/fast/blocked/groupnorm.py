"""GroupNorm in few passes: y and dx are maps of x and dy with numbers of each sample and channel.

The moments of a group come from those of its channels, which are sums over the positions.
"""

import math

import numpy as np

from firstlight.fast.blocked.samples import sample_dots, sample_map, sample_moments
from firstlight.fast.conditions import gpu_float, numpy_float32
from firstlight.nn.groupnorm import GroupNorm
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(GroupNorm, when=[gpu_float])
@form(GroupNorm, when=[numpy_float32])
class BlockedGroupNorm:
    """Compute sums and maps in blocks of samples that stay in the cache; one block on a GPU."""

    def forward(self, layer: GroupNorm, x: Array) -> Array:  # x (N, ..., C)
        mean, var = sample_moments(x)  # (N, C) each, of channels
        center = _group_mean(layer, mean)  # (N, C)
        var = _group_mean(layer, var + np.square(mean - center))  # (N, C)
        r = 1 / np.sqrt(var + layer.eps)  # (N, C)
        layer.save(x, center, r)
        scale = r if layer.weight is None else layer.weight.data * r  # (N, C)
        shift = -center * scale  # (N, C), for y = (x - mean) scale + b
        if layer.bias is not None:
            shift += layer.bias.data
        return sample_map(shift, (x, scale))  # (N, ..., C)

    def backward(self, layer: GroupNorm, dy: Array) -> Array:  # dy (N, ..., C)
        x, mean, r = layer.saved()
        g, g_x_hat = sample_dots(dy, x, mean)  # sums over positions, (N, C) each
        g_x_hat *= r  # x̂ = (x - mean) r
        scale = r  # (N, C)
        if layer.weight is not None:
            layer.weight.grad += g_x_hat.sum(axis=0)
            if layer.bias is not None:
                layer.bias.grad += g.sum(axis=0)
            g, g_x_hat, scale = (layer.weight.data * each for each in (g, g_x_hat, r))
        positions = math.prod(x.shape[1:-1])
        slope = _group_mean(layer, g_x_hat) * np.square(r) / -positions  # (N, C), of x
        shift = _group_mean(layer, g) * r / -positions - slope * mean  # (N, C)
        return sample_map(shift, (dy, scale), (x, slope))  # (N, ..., C)


def _group_mean(layer, values):  # (N, C) -> (N, C)
    """Replace the value of each channel by the mean of its group."""
    groups = values.reshape(len(values), layer.num_groups, layer.num_channels // layer.num_groups)
    means = np.broadcast_to(groups.mean(axis=2, keepdims=True), groups.shape)
    return means.reshape(values.shape)
