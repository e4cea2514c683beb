"""InstanceNorm2d in few passes, as `firstlight.fast.blocked.groupnorm` computes GroupNorm."""

import math

import numpy as np

from firstlight.fast.blocked.samples import sample_dots, sample_map, sample_moments
from firstlight.fast.conditions import gpu_float, numpy_float32
from firstlight.nn.instancenorm import InstanceNorm2d
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(InstanceNorm2d, when=[gpu_float])
@form(InstanceNorm2d, when=[numpy_float32])
class BlockedInstanceNorm:
    """Compute sums and maps in blocks of images that stay in the cache; one block on a GPU."""

    def forward(self, layer: InstanceNorm2d, x: Array) -> Array:  # x (N, H, W, C)
        own = layer.training or layer.running_mean is None
        if own:
            mean, var = sample_moments(x)  # (N, C) each
            layer.track(mean, var, math.prod(x.shape[1:-1]))
        else:
            shape = len(x), layer.num_features
            mean = np.broadcast_to(layer.running_mean.data.copy(), shape)  # (N, C)
            var = np.broadcast_to(layer.running_var.data, shape)  # (N, C)
        r = 1 / np.sqrt(var + layer.eps)  # (N, C)
        layer.save(x, mean, r, own)
        scale = r if layer.weight is None else layer.weight.data * r  # (N, C)
        shift = -mean * scale  # (N, C), for y = (x - mean) scale + b
        if layer.bias is not None:
            shift += layer.bias.data
        return sample_map(shift, (x, scale))  # (N, H, W, C)

    def backward(self, layer: InstanceNorm2d, dy: Array) -> Array:  # dy (N, H, W, C)
        x, mean, r, own = layer.saved()
        total, dot = sample_dots(dy, x, mean)  # Σ dy and Σ dy (x - mean), (N, C) each
        dot *= r  # Σ dy x̂, as x̂ = (x - mean) r
        scale = r  # (N, C)
        if layer.weight is not None:
            layer.weight.grad += dot.sum(axis=0)
            if layer.bias is not None:
                layer.bias.grad += total.sum(axis=0)
            scale = layer.weight.data * r
        if not own:
            return sample_map(np.zeros_like(scale), (dy, scale))
        n = math.prod(x.shape[1:-1])
        slope = -scale * r * dot / n  # (N, C), of x
        return sample_map(-scale * total / n - slope * mean, (dy, scale), (x, slope))
