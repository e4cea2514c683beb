import numpy as np


class LayerNorm:
    def forward(self, x):
        mean = np.mean(x, axis=self.axes, keepdims=True)
        centred = x - mean
        std = np.sqrt(np.var(x, axis=self.axes, keepdims=True) + self.eps)
        self.save(centred, std)
        y = centred / std
        if self.weight is not None:
            y = y * self.weight.data
        if self.bias is not None:
            y = y + self.bias.data
        return y

    def backward(self, dy):
        centred, std = self.saved()
        others = tuple(range(dy.ndim - len(self.normalized_shape)))
        if self.weight is not None:
            self.weight.grad += np.sum(dy * centred / std, axis=others)
        if self.bias is not None:
            self.bias.grad += np.sum(dy, axis=others)
        g = dy if self.weight is None else dy * self.weight.data
        n = np.prod(self.normalized_shape)
        dvar = np.sum(g * centred, axis=self.axes, keepdims=True) * -0.5 / std**3
        dcentred = g / std + (2 * dvar * centred / n).astype(dy.dtype)
        return dcentred - dcentred.mean(axis=self.axes, keepdims=True)
