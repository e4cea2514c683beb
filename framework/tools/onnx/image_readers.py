"""Which layers the operators of ONNX become: convolutions, pooling and normalisation of images."""

from __future__ import annotations

from typing import Any

from firstlight import nn
from firstlight.tools.onnx.importing import Loader, filled, reads

CHANNELS_LAST = (0, 2, 3, 1)  # of weights, too


def _window(loader, node, kernel):
    """Return the arguments of a window: kernel, strides, dilations, pads before and after."""
    if loader.rank(node.input[0]) != 4:
        raise loader.unsupported(node, "for other than images (N, C, H, W)")
    steps = [tuple(loader.attribute(node, name, (1, 1))) for name in ("strides", "dilations")]
    pads = list(loader.attribute(node, "pads", (0, 0, 0, 0)))
    auto = loader.attribute(node, "auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        for axis, size in enumerate(loader.shapes[node.input[0]][2:]):
            extent = (kernel[axis] - 1) * steps[1][axis]
            total = max((-(-size // steps[0][axis]) - 1) * steps[0][axis] + extent + 1 - size, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads[axis], pads[axis + 2] = first, total - first
    return tuple(kernel), *steps, tuple(pads[:2]), tuple(pads[2:])


@reads("Conv")
def convolution(loader: Loader, node: Any) -> None:
    """Make Conv2d, after ZeroPad2d if the padding is not the same on both sides."""
    weight, bias = loader.constant(node, 1), loader.constant(node, 2)
    kernel, stride, dilation, before, after = _window(loader, node, weight.shape[2:])
    slot, groups = loader.channels_last(node.input[0]), loader.attribute(node, "group", 1)
    padding: Any = before
    if before != after:
        slot = loader.layer(nn.ZeroPad2d((before[1], after[1], before[0], after[0])), slot)
        padding = 0
    sizes = (weight.shape[1] * groups, weight.shape[0], kernel, stride, padding, dilation, groups)
    layer = nn.Conv2d(*sizes, bias is not None)
    layer = filled(layer, weight=weight.transpose(CHANNELS_LAST), bias=bias)
    loader.hold_channels_last(node.output[0], loader.layer(layer, slot))


@reads("ConvTranspose")
def transposed(loader: Loader, node: Any) -> None:
    """Make ConvTranspose2d."""
    weight, bias = loader.constant(node, 1), loader.constant(node, 2)
    kernel, stride, dilation, before, after = _window(loader, node, weight.shape[2:])
    if before != after or loader.attribute(node, "output_shape") is not None:
        raise loader.unsupported(node, "with a padding that differs, or an output_shape")
    extra = tuple(loader.attribute(node, "output_padding", (0, 0)))
    groups = loader.attribute(node, "group", 1)
    sizes = (weight.shape[0], weight.shape[1] * groups, kernel, stride, before, extra, groups)
    layer = nn.ConvTranspose2d(*sizes, bias is not None, dilation)
    layer = filled(layer, weight=weight.transpose(CHANNELS_LAST), bias=bias)
    slot = loader.layer(layer, loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)


@reads("MaxPool", "AveragePool")
def pool(loader: Loader, node: Any) -> None:
    """Make MaxPool2d or AvgPool2d."""
    size = loader.attribute(node, "kernel_shape")
    kernel, stride, dilation, before, after = _window(loader, node, size)
    if len(node.output) > 1 and loader.uses[node.output[1]]:
        raise loader.unsupported(node, "whose indices are used")
    ceil = bool(loader.attribute(node, "ceil_mode", 0)) or before != after
    if node.op_type == "MaxPool":
        layer: Any = nn.MaxPool2d(kernel, stride, before, dilation, ceil_mode=ceil)
    else:
        counted = bool(loader.attribute(node, "count_include_pad", 0))
        layer = nn.AvgPool2d(kernel, stride, before, ceil, counted)
    image, out = (loader.shapes[name][2:] for name in (node.input[0], node.output[0]))
    differs = before != after and node.op_type == "AveragePool"
    if differs or layer.window.positions(image) != tuple(out) or dilation != layer.window.dilation:
        raise loader.unsupported(node, "with a padding that differs, or dilated means")
    slot = loader.layer(layer, loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)


@reads("GlobalAveragePool")
def global_pool(loader: Loader, node: Any) -> None:
    """Make GlobalAvgPool2d."""
    if loader.rank(node.input[0]) != 4:
        raise loader.unsupported(node, "for other than images (N, C, H, W)")
    slot = loader.layer(nn.GlobalAvgPool2d(), loader.channels_last(node.input[0]))
    loader.hold(node.output[0], slot, (0, 1))


@reads("ReduceMean")
def mean(loader: Loader, node: Any) -> None:
    """Make GlobalAvgPool2d of a mean over all pixels."""
    axes = loader.numbers(node, 1, "axes") or []
    rank = loader.rank(node.input[0])
    pixels = sorted(axis % rank for axis in axes)
    if rank != 4 or pixels not in ([2, 3], [1, 2]):
        raise loader.unsupported(node, "over other axes than the pixels")
    rest = [axis for axis in range(4) if axis not in pixels]
    slot = loader.array(node.input[0], (0, *pixels, rest[1]))
    slot = loader.layer(nn.GlobalAvgPool2d(), slot)
    kept = bool(loader.attribute(node, "keepdims", 1))
    loader.hold(node.output[0], slot, rest if kept else (0, 1))


@reads("BatchNormalization")
def batch_norm(loader: Loader, node: Any) -> None:
    """Make BatchNorm2d or BatchNorm1d."""
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = {name: loader.constant(node, index) for index, name in enumerate(names, 1)}
    kind = {4: nn.BatchNorm2d, 3: nn.BatchNorm1d, 2: nn.BatchNorm1d}.get(loader.rank(node.input[0]))
    if kind is None or loader.attribute(node, "training_mode", 0):
        raise loader.unsupported(node, "in training mode, or for five axes or more")
    layer = kind(len(arrays["weight"]), loader.attribute(node, "epsilon", 1e-5))
    slot = loader.layer(filled(layer, **arrays), loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)


@reads("InstanceNormalization")
def instance_norm(loader: Loader, node: Any) -> None:
    """Make InstanceNorm2d."""
    weight, bias = loader.constant(node, 1), loader.constant(node, 2)
    if loader.rank(node.input[0]) != 4:
        raise loader.unsupported(node, "for other than images (N, C, H, W)")
    eps = loader.attribute(node, "epsilon", 1e-5)
    layer = filled(nn.InstanceNorm2d(len(weight), eps, affine=True), weight=weight, bias=bias)
    slot = loader.layer(layer, loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)


@reads("Pad")
def pad(loader: Loader, node: Any) -> None:
    """Make ZeroPad2d."""
    pads, value = loader.constant(node, 1).tolist(), loader.constant(node, 2)
    axes = loader.numbers(node, 3, "axes") or list(range(loader.rank(node.input[0])))
    before, after = (dict(zip(axes, half, strict=True)) for half in _halves(pads))
    zero = value is None or not value.any()
    others = [side.get(axis, 0) for side in (before, after) for axis in (0, 1)]
    constant = loader.attribute(node, "mode", "constant") == "constant"
    if loader.rank(node.input[0]) != 4 or any(others) or not zero or not constant:
        raise loader.unsupported(node, "other than zeros around images (N, C, H, W)")
    sides = (before.get(3, 0), after.get(3, 0), before.get(2, 0), after.get(2, 0))
    if min(sides) < 0:
        raise loader.unsupported(node, "with negative pads")
    slot = loader.layer(nn.ZeroPad2d(sides), loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)


def _halves(pads):
    return pads[: len(pads) // 2], pads[len(pads) // 2 :]


@reads("Resize")
def resize(loader: Loader, node: Any) -> None:
    """Make Upsample."""
    names = ("mode", "coordinate_transformation_mode", "nearest_mode")
    usual = ("nearest", "half_pixel", "round_prefer_floor")
    how = [loader.attribute(node, n, default) for n, default in zip(names, usual, strict=True)]
    corners = how[1] == "align_corners"
    if how[0] == "nearest":
        known = how[1:] == ["asymmetric", "floor"]
    else:
        known = how[0] == "linear" and (corners or "half_pixel" in how[1])
    if loader.rank(node.input[0]) != 4 or not known:
        raise loader.unsupported(node, f"in the mode {', '.join(how)}, or for other than images")
    mode = "nearest" if how[0] == "nearest" else "bilinear"
    layer = nn.Upsample(loader.shapes[node.output[0]][2:], mode=mode, align_corners=corners or None)
    slot = loader.layer(layer, loader.channels_last(node.input[0]))
    loader.hold_channels_last(node.output[0], slot)
