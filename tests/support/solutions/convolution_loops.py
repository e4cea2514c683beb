import numpy as np


def im2col(x, window, groups=1):
    n, h, w, c = x.shape
    kh, kw = window.kernel
    sh, sw = window.stride
    (top, bottom), (left, right) = window.padding
    big = np.zeros((n, top + h + bottom, left + w + right, c), dtype=x.dtype)
    big[:, top : top + h, left : left + w] = x
    oh = (big.shape[1] - kh) // sh + 1
    ow = (big.shape[2] - kw) // sw + 1
    rows = []
    for image in range(n):
        for a in range(oh):
            for b in range(ow):
                row = []
                for i in range(kh):
                    for j in range(kw):
                        row.extend(big[image, a * sh + i, b * sw + j])
                rows.append(row)
    return np.array([rows], dtype=x.dtype)


class Conv2d:
    def forward(self, x):
        self.x = x
        (kh, kw), (sh, sw) = self.window.kernel, self.window.stride
        (top, bottom), (left, right) = self.window.padding
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        oh, ow = self.window.positions(x.shape[1:3])
        y = np.zeros((len(x), oh, ow, self.out_channels), dtype=x.dtype)
        for a in range(oh):
            for b in range(ow):
                patch = padded[:, a * sh : a * sh + kh, b * sw : b * sw + kw]
                for o in range(self.out_channels):
                    y[:, a, b, o] = (patch * self.weight.data[o]).sum(axis=(1, 2, 3))
                    if self.bias is not None:
                        y[:, a, b, o] += self.bias.data[o]
        return y

    def backward(self, dy):
        x = self.x
        (kh, kw), (sh, sw) = self.window.kernel, self.window.stride
        (top, bottom), (left, right) = self.window.padding
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        dx = np.zeros_like(padded)
        for n, a, b, o in np.ndindex(*dy.shape):
            g = dy[n, a, b, o]
            rows, columns = slice(a * sh, a * sh + kh), slice(b * sw, b * sw + kw)
            dx[n, rows, columns] += g * self.weight.data[o]
            self.weight.grad[o] += g * padded[n, rows, columns]
            if self.bias is not None:
                self.bias.grad[o] += g
        if self.needs_dx is False:
            return None
        return dx[:, top : top + x.shape[1], left : left + x.shape[2]]
