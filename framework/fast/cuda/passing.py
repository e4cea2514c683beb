"""Layers that pass activations on, to other layers or as views: their lessons, in half precision.

They need no float32, as they compute nothing themselves.
"""

from typing import Any

from firstlight.fast.conditions import gpu_stored
from firstlight.module import Module
from firstlight.nn.feedforward import FeedForward
from firstlight.nn.patch_embedding import PatchEmbedding
from firstlight.nn.reshape import Flatten, Identity, Reshape
from firstlight.support.array import Array
from firstlight.support.forms import form, lesson_of


@form(FeedForward, when=[gpu_stored])
@form(PatchEmbedding, when=[gpu_stored])
@form(Flatten, when=[gpu_stored])
@form(Identity, when=[gpu_stored])
@form(Reshape, when=[gpu_stored])
class PassingOn:
    """Run the lesson."""

    def forward(self, layer: Module, x: Array) -> Array:
        return lesson_of(type(layer).forward)(layer, x)

    def backward(self, layer: Module, dy: Array) -> Any:
        return lesson_of(type(layer).backward)(layer, dy)
