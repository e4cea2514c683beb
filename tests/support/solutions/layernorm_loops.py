import numpy as np


class LayerNorm:
    def forward(self, x):
        size = int(np.prod(self.normalized_shape))
        rows = x.reshape(-1, size)
        self.x_hat, self.std = np.empty_like(rows), []
        for n, row in enumerate(rows):
            mean = sum(row) / size
            var = sum((value - mean) ** 2 for value in row) / size
            self.std.append((var + self.eps) ** 0.5)
            self.x_hat[n] = (row - mean) / self.std[n]
        w, b = self.affine()
        return w * self.x_hat.reshape(x.shape) + b

    def backward(self, dy):
        w, _ = self.affine()
        rows = dy.reshape(self.x_hat.shape)
        g = (dy * w).reshape(self.x_hat.shape)
        dx = np.empty_like(g)
        for n in range(len(g)):
            z = self.x_hat[n]
            if self.weight is not None:
                self.weight.grad += (rows[n] * z).reshape(self.weight.shape)
            if self.bias is not None:
                self.bias.grad += rows[n].reshape(self.bias.shape)
            dx[n] = (g[n] - g[n].mean() - z * (g[n] * z).mean()) / self.std[n]
        return dx.reshape(dy.shape)
