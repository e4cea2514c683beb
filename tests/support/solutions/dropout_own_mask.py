import numpy as np


class Dropout:
    def forward(self, x):
        if not self.training:
            self.mask = 1
            return x
        if self.p == 1:
            self.mask = np.zeros_like(x)
        else:
            self.mask = (np.random.rand(*x.shape) >= self.p).astype(x.dtype) / (1 - self.p)  # noqa: NPY002
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
