"""Our layers for the calls of `torch.nn.functional` among PyTorch's own sample inputs.

Each function takes what a sample has as arguments and returns the layer, and PyTorch's parameters
in the order of the layer's own. An argument that a layer does not know is an error, and the sample
is left out.
"""

from firstlight import nn

ELEMENTWISE = {
    "nn.functional.relu": nn.ReLU,
    "nn.functional.leaky_relu": nn.LeakyReLU,
    "nn.functional.elu": nn.ELU,
    "nn.functional.gelu": nn.GELU,
    "nn.functional.silu": nn.SiLU,
    "nn.functional.softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
LOSSES = {
    "nn.functional.cross_entropy": nn.CrossEntropyLoss,
    "nn.functional.mse_loss": nn.MSELoss,
    "nn.functional.l1_loss": nn.L1Loss,
    "nn.functional.huber_loss": nn.HuberLoss,
    "nn.functional.binary_cross_entropy_with_logits": nn.BCEWithLogitsLoss,
}
IMAGES = {
    "nn.functional.conv2d",
    "nn.functional.conv_transpose2d",
    "nn.functional.max_pool2d",
    "nn.functional.avg_pool2d",
    "nn.functional.adaptive_avg_pool2d",
    "nn.functional.interpolate",
    "nn.functional.upsample_nearest",
    "nn.functional.upsample_bilinear",
    "nn.functional.group_norm",
}


def with_parameters(layer, **tensors):
    """Give a layer PyTorch's parameters, those that are not None."""
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    assert set(tensors) == {name for name, _ in layer.named_parameters()}
    return layer.from_torch({name: t.detach() for name, t in tensors.items()}), list(
        tensors.values()
    )


def linear(x, weight, bias=None):
    layer = nn.Linear(*weight.shape[::-1], bias=bias is not None).to(dtype=dtype_of(x))
    return with_parameters(layer, weight=weight, bias=bias)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    out, each, *kernel = weight.shape
    layer = nn.Conv2d(
        *(each * groups, out, tuple(kernel), pair(stride), pair(padding), pair(dilation), groups),
        bias=bias is not None,
    )
    return with_parameters(layer.to(dtype=dtype_of(x)), weight=weight, bias=bias)


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    channels, each, *kernel = weight.shape
    layer = nn.ConvTranspose2d(
        *(channels, each * groups, tuple(kernel), pair(stride), pair(padding)),
        *(pair(output_padding), groups, bias is not None, pair(dilation)),
    )
    return with_parameters(layer.to(dtype=dtype_of(x)), weight=weight, bias=bias)


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    kernel, stride = pair(kernel_size), pair(stride) if stride else None
    return nn.MaxPool2d(kernel, stride, pair(padding), pair(dilation), ceil_mode=ceil_mode), []


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    stride = pair(stride) if stride else None
    return nn.AvgPool2d(pair(kernel_size), stride, pair(padding), ceil_mode, count_include_pad), []


def adaptive_avg_pool2d(x, output_size):
    return nn.AdaptiveAvgPool2d(pair(output_size)), []


def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    size = None if size is None else pair(size)
    return nn.Upsample(size, scale_factor, mode, align_corners), []


def upsample_nearest(x, size=None, scale_factor=None):
    return interpolate(x, size, scale_factor)


def upsample_bilinear(x, size=None, scale_factor=None):
    return interpolate(x, size, scale_factor, "bilinear", True)


def softmax(x, dim):
    return nn.Softmax(dim), []


def log_softmax(x, dim):
    return nn.LogSoftmax(dim), []


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    affine = weight is not None
    layer = nn.LayerNorm(
        tuple(normalized_shape), eps, elementwise_affine=affine, bias=bias is not None
    )
    return with_parameters(layer.to(dtype=dtype_of(x)), weight=weight, bias=bias)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    layer = nn.RMSNorm(tuple(normalized_shape), eps, elementwise_affine=weight is not None)
    return with_parameters(layer.to(dtype=dtype_of(x)), weight=weight)


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    layer = nn.GroupNorm(
        num_groups, x.shape[1], eps, affine=weight is not None, bias=bias is not None
    )
    return with_parameters(layer.to(dtype=dtype_of(x)), weight=weight, bias=bias)


def dtype_of(x):
    return str(x.dtype).removeprefix("torch.")


def pair(value):
    """Return what PyTorch may give as one number, or a tuple of one, as we take it."""
    if isinstance(value, (tuple, list)):
        return value[0] if len(value) == 1 else tuple(value)
    return value
