# ruff: noqa: F821
import numpy as np


def im2col(x, window, groups=1):
    (kh, kw), (sh, sw) = window.kernel, window.stride
    padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))
    oh, ow = window.positions(x.shape[1:3])
    i = np.arange(oh)[:, None, None, None] * sh + np.arange(kh)[:, None]
    j = np.arange(ow)[:, None, None] * sw + np.arange(kw)
    return padded[:, i, j].reshape(1, len(x) * oh * ow, -1)


def patches_of(layer, x):
    oh, ow = layer.window.positions(x.shape[1:3])
    return im2col(x, layer.window).reshape(len(x), oh, ow, *layer.window.kernel, x.shape[3])


class Conv2d:
    def forward(self, x):
        self.save(x)
        y = np.einsum("nhwijc,oijc->nhwo", patches_of(self, x), self.weight.data)
        return y if self.bias is None else y + self.bias.data

    def backward(self, dy):
        (x,) = self.saved()
        self.weight.grad += np.einsum("nhwo,nhwijc->oijc", dy, patches_of(self, x))
        if self.bias is not None:
            self.bias.grad += np.einsum("nhwo->o", dy)
        if not self.needs_dx:
            return None
        dp = np.einsum("nhwo,oijc->nhwijc", dy, self.weight.data)
        dp = dp.reshape(1, dy.size // self.out_channels, -1)
        return col2im(dp, self.window, x.shape[1:3])
