"""PyTorch's module for each of our layers, with conversion of inputs and outputs.

A user's class with the name and the attributes of a layer has the same module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.module import Module


class NoTwinError(Exception):
    """PyTorch has no module that computes the same; the message says why."""


def call_alone(module: Any, x: Any, *others: Any) -> Any:
    """Call a module that takes x alone."""
    if any(other is not None for other in others):
        raise NoTwinError("forward got more than x")
    return module(x)


@dataclass
class Twin:
    """A PyTorch module, called like the layer that it is compared with.

    Attributes
    ----------
    module : torch.nn.Module
        In training mode and float64, with parameters of its own.
    call : callable
        ``call(module, *tensors)`` returns the output as our layer does.
    channels_first : bool
        Whether the module's channels are the second axis; ours are the last.
    """

    module: Any
    call: Callable[..., Any] = call_alone
    channels_first: bool = False

    def __call__(self, x: Any, *others: Any) -> Any:
        """Return the output, a tensor in our layout."""
        moved = self.channels_first and x.ndim > 2
        y = self.call(self.module, x.movedim(-1, 1) if moved else x, *others)
        return y.movedim(1, -1) if moved and y.ndim > 2 else y


def torch_module(layer: Module) -> Twin:
    """Return PyTorch's module of a layer, with the layer's parameters.

    Raises
    ------
    NoTwinError
        There is none.
    """
    import torch

    name = type(layer).__name__
    if name not in MAKERS:
        raise NoTwinError("drawn at random" if "Dropout" in name else "no twin in PyTorch")
    try:
        made = MAKERS[name](getattr(torch.nn, name, None), layer)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise NoTwinError(f"not built as torch.nn.{name} is ({error})") from error
    twin = made if isinstance(made, Twin) else Twin(made, channels_first=name in CHANNELS)
    twin.module = twin.module.double().train()
    state = layer.to_torch()
    theirs = {n: t.shape for n, t in twin.module.state_dict().items() if "num_batches" not in n}
    if {n: t.shape for n, t in state.items()} != theirs:
        raise NoTwinError(f"other parameters than torch.nn.{name} has")
    twin.module.load_state_dict(state, strict=False)
    return twin


# --- one function a kind of layer: (PyTorch's class of that name, our layer) -> its module -------


def _convolution(kind, own):
    window = own.window
    padding = {"padding": window.before}
    if type(own).__name__ == "ConvTranspose2d":  # its window lies on y
        output_padding = np.subtract(window.before, window.after)
        padding["output_padding"] = tuple(output_padding.tolist())
    elif window.before != window.after:  # "same" with an even kernel
        padding["padding"] = own.padding
    return kind(
        own.in_channels,
        own.out_channels,
        window.kernel,
        window.stride,
        dilation=window.dilation,
        groups=own.groups,
        bias=own.bias is not None,
        **padding,
    )


def _pooling(kind, own):
    window, options = own.window, {"ceil_mode": own.window.ceil_mode}
    if type(own).__name__ == "MaxPool2d":
        options["dilation"] = window.dilation
    else:
        options["count_include_pad"] = own.count_include_pad
    return kind(window.kernel, window.stride, window.before, **options)


def _global_pooling(_, own):
    from torch.nn import AdaptiveAvgPool2d

    return Twin(AdaptiveAvgPool2d(1), lambda twin, x: twin(x).flatten(1), channels_first=True)


def _without_bias(own):
    """Return the option of a normalisation that has a weight alone."""
    return {"bias": False} if own.bias is None and own.weight is not None else {}


def _normalisation(kind, own):
    affine, tracked = own.weight is not None, own.running_mean is not None
    options = {"affine": affine, "track_running_stats": tracked, **_without_bias(own)}
    return kind(own.num_features, eps=own.eps, momentum=own.momentum, **options)


def _attention(_, own):
    from torch.nn import MultiheadAttention

    if own.rotary is not None:
        raise NoTwinError("PyTorch's attention has no rotary positions")
    heads, bias = own.num_heads, own.in_proj_bias is not None
    module = MultiheadAttention(own.embed_dim, heads, bias=bias, batch_first=True)

    def call(twin, x, context=None, mask=None):
        source = x if context is None else context
        added = _additive_mask(mask, own.is_causal, (len(x), x.shape[1], source.shape[1]))
        added = None if added is None else added.repeat_interleave(heads, 0)
        return twin(x, source, source, attn_mask=added, need_weights=False)[0]

    return Twin(module, call)


def _additive_mask(mask, causal, shape):
    """Return the term that is added to the scores (N, T, S) as a tensor, or None."""
    import torch

    if mask is None and not causal:
        return None
    added = torch.zeros(shape, dtype=torch.float64)
    if causal:
        added += torch.full(shape[1:], -torch.inf, dtype=torch.float64).triu(1)
    if mask is None:
        return added
    if mask.ndim > 3:
        raise NoTwinError("a mask of each head")
    if mask.dtype == torch.bool:
        return added.masked_fill(~mask, -torch.inf)
    return added + mask


def _recurrent(kind, own):
    bias = hasattr(own, "bias_ih_l0") and own.bias_ih_l0 is not None
    sizes = own.input_size, own.hidden_size, own.num_layers
    module = kind(*sizes, bias=bias, batch_first=True)
    return Twin(module, lambda twin, x, state=None: twin(x, state)[0])


def _cell(kind, own):
    def call(twin, x, state=None):
        new = twin(x, state)
        return new[0] if isinstance(new, tuple) else new

    return Twin(kind(own.input_size, own.hidden_size, bias=own.bias_ih is not None), call)


MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "Linear": lambda kind, o: kind(*reversed(o.weight.shape), bias=o.bias is not None),
    **dict.fromkeys(("Conv2d", "ConvTranspose2d"), _convolution),
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), _pooling),
    "AdaptiveAvgPool2d": lambda kind, o: kind(o.output_size),
    "GlobalAvgPool2d": _global_pooling,
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "InstanceNorm2d"), _normalisation),
    "GroupNorm": lambda kind, o: kind(
        o.num_groups, o.num_channels, o.eps, o.weight is not None, **_without_bias(o)
    ),
    "LayerNorm": lambda kind, o: kind(
        o.normalized_shape, o.eps, o.weight is not None, o.bias is not None
    ),
    "RMSNorm": lambda kind, o: kind(o.normalized_shape, o.eps, o.weight is not None),
    "Embedding": lambda kind, o: kind(o.num_embeddings, o.embedding_dim, o.padding_idx),
    "MultiHeadAttention": _attention,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    **dict.fromkeys(("RNNCell", "GRUCell", "LSTMCell"), _cell),
    "Upsample": lambda kind, o: kind(o.size, o.scale_factor, o.mode, o.align_corners),
    "ZeroPad2d": lambda kind, o: kind(o.padding),
    **dict.fromkeys(("ReLU", "Tanh", "Sigmoid", "SiLU", "Identity"), lambda kind, o: kind()),
    **dict.fromkeys(("Softmax", "LogSoftmax"), lambda kind, o: kind(o.dim)),
    "Softplus": lambda kind, o: kind(o.beta, o.threshold),
    "LeakyReLU": lambda kind, o: kind(o.negative_slope),
    "ELU": lambda kind, o: kind(o.alpha),
    "GELU": lambda kind, o: kind(o.approximate),
    "Flatten": lambda kind, o: kind(o.start_dim),
}
CHANNELS = {  # the channels of x are its last axis here, its second there
    *("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Upsample"),
    *("ZeroPad2d", "BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "GroupNorm"),
}
