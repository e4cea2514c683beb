import numpy as np


class LayerNorm:
    def forward(self, x):
        rows = x.reshape(-1, int(np.prod(self.normalized_shape)))
        n = rows.shape[1]
        centred = rows - np.einsum("rc->r", rows)[:, None] / n
        r = 1 / np.sqrt(np.einsum("rc,rc->r", centred, centred) / n + self.eps)
        x_hat = np.einsum("rc,r->rc", centred, r)
        self.save(x_hat, r)
        w, b = self.affine()
        return x_hat.reshape(x.shape) * w + b

    def backward(self, dy):
        x_hat, r = self.saved()
        d, n = dy.reshape(x_hat.shape), x_hat.shape[1]
        if self.weight is not None:
            self.weight.grad += np.einsum("rc,rc->c", d, x_hat).reshape(self.weight.shape)
        if self.bias is not None:
            self.bias.grad += np.einsum("rc->c", d).reshape(self.bias.shape)
        g = d if self.weight is None else d * self.weight.data.ravel()
        along = np.einsum("rc,rc->r", g, x_hat)[:, None] * x_hat
        dx = np.einsum("rc,r->rc", g - (np.einsum("rc->r", g)[:, None] + along) / n, r)
        return dx.reshape(dy.shape)
