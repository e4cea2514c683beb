import numpy as np


class MaxPool2d:
    def forward(self, x):
        (kh, kw), (sh, sw) = self.window.kernel, self.window.stride
        padded = np.pad(x, ((0, 0), *self.window.padding, (0, 0)), constant_values=-np.inf)
        oh, ow = self.window.positions(x.shape[1:3])
        y = np.empty((len(x), oh, ow, x.shape[3]), x.dtype)
        for a in range(oh):
            for b in range(ow):
                y[:, a, b] = padded[:, a * sh : a * sh + kh, b * sw : b * sw + kw].max(axis=(1, 2))
        self.save(x, y)
        return y

    def backward(self, dy):
        x, y = self.saved()
        (kh, kw), (sh, sw), (ph, pw) = self.window.kernel, self.window.stride, self.window.before
        dx = np.zeros_like(x)
        taken = np.zeros(y.shape, bool)
        for i in range(kh):
            for j in range(kw):
                for a in range(y.shape[1]):
                    for b in range(y.shape[2]):
                        r, s = a * sh + i - ph, b * sw + j - pw
                        if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                            here = (x[:, r, s] == y[:, a, b]) & ~taken[:, a, b]
                            dx[:, r, s] += dy[:, a, b] * here
                            taken[:, a, b] |= here
        return dx
