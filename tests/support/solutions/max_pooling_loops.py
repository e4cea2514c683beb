import numpy as np


class MaxPool2d:
    def forward(self, x):
        (kh, kw), (sh, sw), (ph, pw) = self.window.kernel, self.window.stride, self.window.before
        n, h, w, c = x.shape
        oh, ow = self.window.positions((h, w))
        y = np.zeros((n, oh, ow, c), x.dtype)
        where = np.zeros((n, oh, ow, c, 2), int)
        for index in np.ndindex(n, oh, ow, c):
            image, a, b, channel = index
            best, place = -np.inf, None
            for i in range(a * sh - ph, a * sh - ph + kh):
                for j in range(b * sw - pw, b * sw - pw + kw):
                    if 0 <= i < h and 0 <= j < w and x[image, i, j, channel] > best:
                        best, place = x[image, i, j, channel], (i, j)
            y[index], where[index] = best, place
        self.where, self.shape = where, x.shape
        return y

    def backward(self, dy):
        dx = np.zeros(self.shape, dy.dtype)
        for n, a, b, c in np.ndindex(*dy.shape):
            i, j = self.where[n, a, b, c]
            dx[n, i, j, c] += dy[n, a, b, c]
        return dx
