"""Layers that have a form in JavaScript, and their description: settings, arrays and parts."""

from dataclasses import dataclass, field
from typing import Any

from firstlight import nn
from firstlight.module import Module
from firstlight.nn.weight_norm import ComputedWeight
from firstlight.nn.window import Window
from firstlight.parameter import Buffer, Parameter
from firstlight.support import state
from firstlight.support.array import Array

WITHOUT_EFFECT = (nn.Dropout, nn.Dropout2d, nn.Identity)  # in evaluation
ATTENTION, ENCODER = ("num_heads", "is_causal"), ("norm_first",)
RECURRENT = ("hidden_size", "num_layers", "bidirectional")

# The attributes that forward reads, besides arrays and parts; layers/*.js have the same names.
SETTINGS: dict[type[Module], tuple[str, ...]] = {
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.AvgPool2d: ("window", "count_include_pad"),
    nn.BatchNorm1d: ("eps",),
    nn.BatchNorm2d: ("eps",),
    nn.Conv2d: ("window", "groups"),
    nn.ConvTranspose2d: ("window", "groups"),
    nn.ELU: ("alpha",),
    nn.Embedding: (),
    nn.FeedForward: (),
    nn.Flatten: ("start_dim",),
    nn.GELU: ("approximate",),
    nn.GRU: RECURRENT,
    nn.GlobalAvgPool2d: (),
    nn.GroupNorm: ("num_groups", "eps"),
    nn.InstanceNorm2d: ("eps",),
    nn.LSTM: RECURRENT,
    nn.LayerNorm: ("normalized_shape", "eps"),
    nn.LeakyReLU: ("negative_slope",),
    nn.Linear: (),
    nn.LogSoftmax: ("dim",),
    nn.MaxPool2d: ("window",),
    nn.MultiHeadAttention: ATTENTION,
    nn.PatchEmbedding: ("patch_size",),
    nn.RMSNorm: ("normalized_shape", "eps"),
    nn.RNN: RECURRENT,
    nn.ReLU: (),
    nn.Reshape: ("shape",),
    nn.RotaryPositions: ("head_dim", "base"),
    nn.SiLU: (),
    nn.Sigmoid: (),
    nn.SinusoidalPositions: ("embed_dim",),
    nn.Softmax: ("dim",),
    nn.Softplus: ("beta", "threshold"),
    nn.SwiGLU: (),
    nn.Tanh: (),
    nn.TransformerDecoderLayer: ENCODER,
    nn.TransformerEncoderLayer: ENCODER,
    nn.Upsample: ("size", "scale_factor", "mode", "align_corners"),
    nn.ZeroPad2d: ("padding",),
}


@dataclass
class Description:
    """What JavaScript needs to build a layer, or an operation on arrays.

    Attributes
    ----------
    type : str
        The class in ``layers/*.js``.
    settings : dict
        JSON-able values by attribute.
    arrays : dict
        Parameters and buffers by attribute.
    parts : dict
        Descriptions of the layers inside, by attribute.
    """

    type: str
    settings: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    parts: dict[str, "Description"] = field(default_factory=dict)

    def types(self) -> set[str]:
        """Return the types of this layer and of all its parts."""
        return {self.type}.union(*(part.types() for part in self.parts.values()))


def is_known(module: Module) -> bool:
    """Return True if a module has a form in JavaScript; a subclass has none."""
    return type(module) in SETTINGS


def describe(module: Module) -> Description:
    """Return the description of a known layer and of its parts; dropout is left out."""
    names = SETTINGS[type(module)]
    found = Description(type(module).__name__, {n: _plain(getattr(module, n)) for n in names})
    for name, value in state.entries(module):
        if isinstance(value, (Parameter, Buffer, ComputedWeight)):
            found.arrays[name] = value.data
        elif state.is_module(value) and not isinstance(value, WITHOUT_EFFECT):
            found.parts[name] = describe(value)
    return found


def _plain(value):
    """Return a setting as JSON has it."""
    if isinstance(value, Window):
        return {name: _plain(item) for name, item in value._asdict().items()}
    return list(value) if isinstance(value, tuple) else value
