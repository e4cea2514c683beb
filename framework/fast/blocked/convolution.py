"""Conv2d and ConvTranspose2d: forms whose sums are computed in blocks, group by group.

Both layers need the same three sums, which `BlockedSums` computes::

    convolve             y of a Conv2d,  dx of a ConvTranspose2d
    input_gradient       dx of a Conv2d, y of a ConvTranspose2d
    add_weight_gradient  dW of both

It splits the channels into groups, each a convolution of its own. If each channel is a group, the
kernels of `firstlight.fast.blocked.depthwise` compute all at once; otherwise those of
`firstlight.fast.blocked.patch_products` compute one group after the other. The compiled forms
replace these kernels, and those for a GPU all three sums.
"""

import numpy as np

from firstlight.fast.blocked import depthwise, patch_products
from firstlight.fast.blocked.channels import channel_sums
from firstlight.fast.conditions import numpy_float32
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.window import Axis, Window
from firstlight.support.array import Array
from firstlight.support.forms import form


class BlockedSums:
    """The sums of both layers, for all groups."""

    def convolve(
        self, x: Array, w: Array, bias: Array | None, window: Window, groups: int
    ) -> Array:
        """Return the convolution of images with kernels.

        Parameters
        ----------
        x : array, shape (N, H, W, C)
        w : array, shape (O, kh, kw, C / groups)
        bias : array, shape (O,), or None
        window : firstlight.nn.window.Window
        groups : int

        Returns
        -------
        array, shape (N, oh, ow, O)
        """
        rows, columns = window.axes(x.shape[1:3])
        y = np.empty_like(x, order="C", shape=(len(x), rows.out, columns.out, len(w)))
        if 1 < groups == len(w) == x.shape[3]:
            self.correlate_depthwise(x, w[..., 0], rows, columns, y, bias)
            return y
        biases = [None] * groups if bias is None else _split(bias, groups)
        parts = zip(*_by_group(groups, x, y), _split(w, groups), biases, strict=True)
        for part, out, kernels, b in parts:
            self.correlate(part, kernels.reshape(len(kernels), -1).T, rows, columns, out, b)
        return y

    def input_gradient(
        self, dy: Array, w: Array, window: Window, image: tuple[int, int], groups: int
    ) -> Array:
        """Return dL/dx (N, H, W, C) for images of (H, W) pixels; dy is (N, oh, ow, O)."""
        rows, columns = window.axes(image)
        dx = np.empty_like(dy, order="C", shape=(len(dy), *image, groups * w.shape[3]))
        if 1 < groups == len(w) == dx.shape[3]:
            depthwise.input_gradient(dy, w[..., 0], rows, columns, dx, self.correlate_depthwise)
            return dx
        parts = zip(*_by_group(groups, dy, dx), _split(w, groups), strict=True)
        for part, part_dx, kernels in parts:
            self.group_input_gradient(part, kernels, rows, columns, part_dx)
        return dx

    def add_weight_gradient(
        self, x: Array, dy: Array, window: Window, groups: int, out: Array
    ) -> None:
        """Add dL/dW to ``out`` (O, kh, kw, C / groups); x is (N, H, W, C), dy (N, oh, ow, O)."""
        rows, columns = window.axes(x.shape[1:3])
        if 1 < groups == x.shape[3] == dy.shape[3]:
            out += self.depthwise_weight_gradient(x, dy, rows, columns)[..., None]
            return
        sums = [
            self.group_weight_gradient(part, part_dy, rows, columns)
            for part, part_dy in zip(*_by_group(groups, x, dy), strict=True)
        ]
        dw = np.concatenate(sums) if groups > 1 else sums[0]
        out += dw.reshape(out.shape)

    def add_sums(self, dy: Array, out: Array) -> None:
        """Add Σ dy over all pixels to ``out`` (O,)."""
        out += channel_sums(dy)

    # The kernels: of one group, or of all at once if depthwise.

    def correlate(
        self, x: Array, kernels: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None
    ) -> None:
        """Write P(x) kernels + bias into y."""
        patch_products.correlate(x, kernels, rows, columns, y, bias)

    def group_input_gradient(
        self, dy: Array, w: Array, rows: Axis, columns: Axis, dx: Array
    ) -> None:
        """Write dL/dx into dx."""
        patch_products.input_gradient(dy, w, rows, columns, dx)

    def group_weight_gradient(self, x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
        """Return dL/dW (O, kh · kw · C)."""
        return patch_products.weight_gradient(x, dy, rows, columns)

    def correlate_depthwise(
        self, x: Array, w: Array, rows: Axis, columns: Axis, y: Array, bias: Array | None = None
    ) -> None:
        """Write x under the kernels (C, kh, kw) + bias into y."""
        depthwise.correlate(x, w, rows, columns, y, bias)

    def depthwise_weight_gradient(self, x: Array, dy: Array, rows: Axis, columns: Axis) -> Array:
        """Return dL/dW (C, kh, kw)."""
        return depthwise.weight_gradient(x, dy, rows, columns)


def _by_group(groups, *images):
    """Split each array of images (N, H, W, C) into its groups of channels."""
    return [_split(image, groups, axis=3) for image in images]


def _split(array, groups, axis=0):
    return [array] if groups == 1 else np.split(array, groups, axis)  # np.split takes 10 µs


@form(Conv2d, when=[numpy_float32])
class BlockedConv2d:
    """Multiply patches and kernels while the patches are in the cache."""

    sums: BlockedSums = BlockedSums()

    def forward(self, layer: Conv2d, x: Array) -> Array:  # x (N, H, W, C)
        layer.save(x)
        bias = None if layer.bias is None else layer.bias.data
        return self.sums.convolve(x, layer.weight.data, bias, layer.window, layer.groups)

    def backward(self, layer: Conv2d, dy: Array) -> Array | None:  # dy (N, oh, ow, O)
        (x,) = layer.saved()
        self.sums.add_weight_gradient(x, dy, layer.window, layer.groups, layer.weight.grad)
        if layer.bias is not None:
            self.sums.add_sums(dy, layer.bias.grad)
        if not layer.needs_dx:
            return None
        w, image = layer.weight.data, x.shape[1:3]
        return self.sums.input_gradient(dy, w, layer.window, image, layer.groups)


@form(ConvTranspose2d, when=[numpy_float32])
class BlockedConvTranspose2d:
    """Multiply patches and kernels while the patches are in the cache."""

    sums: BlockedSums = BlockedSums()

    def forward(self, layer: ConvTranspose2d, x: Array) -> Array:  # x (N, H, W, C)
        layer.save(x)
        w, image = layer.weight.data, layer.window.image(x.shape[1:3])
        y = self.sums.input_gradient(x, w, layer.window, image, layer.groups)
        if layer.bias is not None:
            np.add(y, layer.bias.data, out=y, casting="unsafe")
        return y

    def backward(self, layer: ConvTranspose2d, dy: Array) -> Array | None:  # dy (N, oh, ow, O)
        (x,) = layer.saved()
        self.sums.add_weight_gradient(dy, x, layer.window, layer.groups, layer.weight.grad)
        if layer.bias is not None:
            self.sums.add_sums(dy, layer.bias.grad)
        if not layer.needs_dx:
            return None
        return self.sums.convolve(dy, layer.weight.data, None, layer.window, layer.groups)
