"""PyTorch's module for each of our layers, and how arrays go in and come out.

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
        made = MAKERS[name](torch.nn, layer)
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


# --- one function a kind of layer: (torch.nn, our layer) -> PyTorch's module, or a Twin ----------


def _convolution(torch_nn, own):
    window = own.window
    alike = window.before == window.after  # not if "same" meets an even kernel
    return torch_nn.Conv2d(
        own.in_channels,
        own.out_channels,
        window.kernel,
        window.stride,
        padding=window.before if alike else own.padding,
        dilation=window.dilation,
        groups=own.groups,
        bias=own.bias is not None,
    )


def _transposed_convolution(torch_nn, own):
    window = own.window  # it lies on y
    return torch_nn.ConvTranspose2d(
        own.in_channels,
        own.out_channels,
        window.kernel,
        window.stride,
        padding=window.before,
        output_padding=tuple(np.subtract(window.before, window.after).tolist()),
        groups=own.groups,
        bias=own.bias is not None,
        dilation=window.dilation,
    )


def _pooling(torch_nn, own):
    window, name = own.window, type(own).__name__
    options = {"ceil_mode": window.ceil_mode}
    if name == "MaxPool2d":
        options["dilation"] = window.dilation
    else:
        options["count_include_pad"] = own.count_include_pad
    return getattr(torch_nn, name)(window.kernel, window.stride, window.before, **options)


def _global_pooling(torch_nn, own):
    pool = torch_nn.AdaptiveAvgPool2d(1)
    return Twin(pool, lambda twin, x: twin(x).flatten(1), channels_first=True)


def _without_bias(own):
    """Return the option of a normalisation that has a weight alone."""
    return {"bias": False} if own.bias is None and own.weight is not None else {}


def _normalisation(torch_nn, own):
    return getattr(torch_nn, type(own).__name__)(
        own.num_features,
        eps=own.eps,
        momentum=own.momentum,
        affine=own.weight is not None,
        track_running_stats=own.running_mean is not None,
        **_without_bias(own),
    )


def _attention(torch_nn, own):
    if own.rotary is not None:
        raise NoTwinError("PyTorch's attention has no rotary positions")
    heads = own.num_heads
    module = torch_nn.MultiheadAttention(
        own.embed_dim, heads, bias=own.in_proj_bias is not None, batch_first=True
    )

    def call(twin, x, context=None, mask=None):
        source = x if context is None else context
        added = _additive_mask(mask, own.is_causal, (len(x), x.shape[1], source.shape[1]))
        added = None if added is None else added.repeat_interleave(heads, 0)
        return twin(x, source, source, attn_mask=added, need_weights=False)[0]

    return Twin(module, call)


def _additive_mask(mask, causal, shape):
    """Return what is added to the scores (N, T, S) as a tensor, or None."""
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


def _recurrent(torch_nn, own):
    module = getattr(torch_nn, type(own).__name__)(
        own.input_size,
        own.hidden_size,
        own.num_layers,
        bias=hasattr(own, "bias_ih_l0") and own.bias_ih_l0 is not None,
        batch_first=True,
    )
    return Twin(module, lambda twin, x, state=None: twin(x, state)[0])


def _cell(torch_nn, own):
    def call(twin, x, state=None):
        new = twin(x, state)
        return new[0] if isinstance(new, tuple) else new

    kind, bias = getattr(torch_nn, type(own).__name__), own.bias_ih is not None
    return Twin(kind(own.input_size, own.hidden_size, bias=bias), call)


MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "Linear": lambda t, o: t.Linear(*reversed(o.weight.shape), bias=o.bias is not None),
    "Conv2d": _convolution,
    "ConvTranspose2d": _transposed_convolution,
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), _pooling),
    "AdaptiveAvgPool2d": lambda t, o: t.AdaptiveAvgPool2d(o.output_size),
    "GlobalAvgPool2d": _global_pooling,
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "InstanceNorm2d"), _normalisation),
    "GroupNorm": lambda t, o: t.GroupNorm(
        o.num_groups, o.num_channels, o.eps, o.weight is not None, **_without_bias(o)
    ),
    "LayerNorm": lambda t, o: t.LayerNorm(
        o.normalized_shape, o.eps, o.weight is not None, o.bias is not None
    ),
    "RMSNorm": lambda t, o: t.RMSNorm(o.normalized_shape, o.eps, o.weight is not None),
    "Embedding": lambda t, o: t.Embedding(o.num_embeddings, o.embedding_dim, o.padding_idx),
    "MultiHeadAttention": _attention,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    **dict.fromkeys(("RNNCell", "GRUCell", "LSTMCell"), _cell),
    "Upsample": lambda t, o: t.Upsample(o.size, o.scale_factor, o.mode, o.align_corners),
    "ZeroPad2d": lambda t, o: t.ZeroPad2d(o.padding),
    "ReLU": lambda t, o: t.ReLU(),
    "Tanh": lambda t, o: t.Tanh(),
    "Sigmoid": lambda t, o: t.Sigmoid(),
    "SiLU": lambda t, o: t.SiLU(),
    "Softplus": lambda t, o: t.Softplus(o.beta, o.threshold),
    "LeakyReLU": lambda t, o: t.LeakyReLU(o.negative_slope),
    "ELU": lambda t, o: t.ELU(o.alpha),
    "GELU": lambda t, o: t.GELU(o.approximate),
    "Softmax": lambda t, o: t.Softmax(o.dim),
    "LogSoftmax": lambda t, o: t.LogSoftmax(o.dim),
    "Flatten": lambda t, o: t.Flatten(o.start_dim),
    "Identity": lambda t, o: t.Identity(),
}
CHANNELS = {  # the channels of x are its last axis here, its second there
    *("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Upsample"),
    *("ZeroPad2d", "BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "GroupNorm"),
}
