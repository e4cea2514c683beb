"""A convolution as plain loops: read this first, then `firstlight.nn.convolution`.

It is used on request only, and takes hundreds of times as long as a product of patches and
kernels::

    with firstlight.support.forms.only(SixLoops):
        y = layer(x)

The tests compare all other forms with it.
"""

import numpy as np

from firstlight.nn.convolution import Conv2d
from firstlight.support.array import Array
from firstlight.support.forms import form


@form(Conv2d, on_request=True)
class SixLoops:
    """Add up the products of pixels and weights one by one, for all samples at once.

    Window (h, v) of a stride (sh, sv) sees pixel (sh h + dh i, sv v + dv j) under its tap (i, j);
    (dh, dv) is the dilation.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.fast.loops import SixLoops
    >>> from firstlight.support import forms
    >>> layer = nn.Conv2d(1, 1, 2, bias=False, init_weight=nn.init.ones)
    >>> with forms.only(SixLoops):
    ...     layer(np.arange(9, dtype="float32").reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    """

    def forward(self, layer: Conv2d, x: Array) -> Array:  # x (N, H, W, C)
        layer.save(x)
        w, (sh, sv), (dh, dv) = layer.weight.data, layer.window.stride, layer.window.dilation
        padded = np.pad(x, ((0, 0), *layer.window.padding, (0, 0)))
        oh, ow = layer.window.positions(x.shape[1:3])
        out, kh, kw, each = w.shape  # O, kh, kw, C/G
        y = np.zeros_like(x, shape=(len(x), oh, ow, out))
        for h in range(oh):
            for v in range(ow):
                for o in range(out):
                    first = o // (out // layer.groups) * each  # channel of the kernel's group
                    for i in range(kh):
                        for j in range(kw):
                            for c in range(each):
                                pixel = padded[:, sh * h + dh * i, sv * v + dv * j, first + c]
                                y[:, h, v, o] += pixel * w[o, i, j, c]
        return y if layer.bias is None else y + layer.bias.data

    def backward(self, layer: Conv2d, dy: Array) -> Array | None:  # dy (N, oh, ow, O)
        (x,) = layer.saved()
        w, (sh, sv), (dh, dv) = layer.weight.data, layer.window.stride, layer.window.dilation
        padded = np.pad(x, ((0, 0), *layer.window.padding, (0, 0)))
        _, oh, ow, _ = dy.shape
        out, kh, kw, each = w.shape
        dw, dpadded = np.zeros_like(w), np.zeros_like(padded)
        for h in range(oh):
            for v in range(ow):
                for o in range(out):
                    first = o // (out // layer.groups) * each
                    for i in range(kh):
                        for j in range(kw):
                            for c in range(each):
                                at = (slice(None), sh * h + dh * i, sv * v + dv * j, first + c)
                                dw[o, i, j, c] += (dy[:, h, v, o] * padded[at]).sum()
                                dpadded[at] += dy[:, h, v, o] * w[o, i, j, c]
        layer.weight.grad += dw
        if layer.bias is not None:
            layer.bias.grad += dy.sum(axis=(0, 1, 2))
        if not layer.needs_dx:
            return None
        (above, _), (left, _) = layer.window.padding
        _, height, width, _ = x.shape
        return dpadded[:, above : above + height, left : left + width]
