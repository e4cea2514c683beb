"""Dropout on a GPU: random numbers by Philox4x32-10, as a function of a counter and a key.

The state of a GPU's generator could not be saved, and a captured graph repeats the same work. So
the counter consists of the number of the pass (on the device, it grows with each training step), of
the call in it and of the element in the batch of all ranks; the key is the seed.

References
----------
Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011, section 3.3.
"""

import math
from typing import Any

import numpy as np

from firstlight.fast.conditions import gpu_stored
from firstlight.fast.cuda.cupy_ops import contiguous
from firstlight.fast.cuda.kernel import blocks_for, launch
from firstlight.nn.dropout import Dropout, Dropout2d
from firstlight.support import draws
from firstlight.support import rng as randomness
from firstlight.support.array import Array
from firstlight.support.forms import form

DRAWN = 128  # elements whose numbers a warp draws at once


def from_stream(layer: Any, x: Any) -> bool:
    """No generator of the layer's own, which would draw on the host."""
    return layer.rng is None


@form(Dropout, when=[gpu_stored, from_stream])
class CudaDropoutMask:
    """Draw the mask on the device, for subclasses with a forward of their own."""

    def draw(self, layer: Dropout, x: Array) -> Array:
        return keep_mask(x, layer.p, x.shape)


@form(Dropout, when=[gpu_stored, from_stream])
class CudaDropout(CudaDropoutMask):
    """Draw the mask where it is used, forward and again backward: there is no array of it."""

    def forward(self, layer: Dropout, x: Array) -> Array:
        key = randomness.device_key(x) if layer.training and layer.p > 0 else None
        layer.save(key)
        return self.keep(layer, x, key)

    def backward(self, layer: Dropout, dy: Array) -> Array:
        (key,) = layer.saved()
        return self.keep(layer, dy, key)

    @staticmethod
    def keep(layer: Dropout, x: Array, key: tuple[Array, int] | None) -> Array:
        """Return x · m / (1 - p) with the mask m of a key, or x without one."""
        if key is None:
            return x
        x = contiguous(x)
        y = np.empty_like(x)
        if x.size:
            numbers = (float(layer.scale), x.size, *philox_arguments(layer.p, key, x.shape, None))
            blocks = blocks_for(x.size + 2 * DRAWN, 4)  # a part of DRAWN at either end
            launch("elementwise", "dropout", x, blocks, x, y, *numbers)
        return y


@form(Dropout2d, when=[gpu_stored, from_stream])
class CudaDropout2d:
    """Draw the mask on the device."""

    def draw(self, layer: Dropout2d, x: Array) -> Array:
        return keep_mask(x, layer.p, (len(x), 1, 1, x.shape[-1]))


def keep_mask(x: Array, p: float, shape: tuple[int, ...]) -> Array:
    """Return a mask that is False with probability p."""
    mask = np.empty_like(x, order="C", shape=shape, dtype="bool")
    arguments = philox_arguments(p, randomness.device_key(x), shape, None)
    launch("elementwise", "dropout_mask", x, blocks_for(mask.size), mask, *arguments, mask.size)
    return mask


def philox_arguments(
    p: float, key: tuple[Array, int] | None, shape: tuple[int, ...], unused: Any
) -> tuple[Any, ...]:
    """Return the arguments with which kernels draw an array of random numbers.

    Parameters
    ----------
    p : float
    key : tuple, optional
        Pass and call, see `firstlight.support.rng.device_key`; None if p is 0.
    shape : tuple of int
        Of the array; its rows belong to samples.
    unused : array
        Takes the place of the pass without a key.
    """
    step, call = (unused, 0) if key is None else key
    first = draws.first_row(shape[0]) * math.prod(shape[1:]) & 0xFFFFFFFF
    seed = randomness.current_seed()
    words = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
    return np.float32(p), step, np.uint32(call), *words, np.uint32(first)
