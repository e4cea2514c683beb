import numpy as np


class BatchNorm:
    def track(self, mean, var, n):
        if self.running_mean is None or not self.training:
            return
        m = self.momentum
        for c in range(self.num_features):
            self.running_mean.data[c] += m * (mean[c] - self.running_mean.data[c])
            unbiased = var[c] * n / (n - 1)
            self.running_var.data[c] = (1 - m) * self.running_var.data[c] + m * unbiased

    def forward(self, x):
        w, b = self.affine()
        w, b = np.broadcast_to(w, x.shape[-1]), np.broadcast_to(b, x.shape[-1])
        self.batch = self.training or self.running_mean is None
        y, self.x_hat = np.empty_like(x), np.empty_like(x)
        mean, var = np.zeros(x.shape[-1], x.dtype), np.zeros(x.shape[-1], x.dtype)
        n = x[..., 0].size
        for c in range(x.shape[-1]):
            if self.batch:
                mean[c] = x[..., c].mean()
                var[c] = ((x[..., c] - mean[c]) ** 2).mean()
            else:
                mean[c], var[c] = self.running_mean.data[c], self.running_var.data[c]
        if self.batch:
            self.track(mean, var, n)
        self.std = np.sqrt(var + self.eps)
        for c in range(x.shape[-1]):
            self.x_hat[..., c] = (x[..., c] - mean[c]) / self.std[c]
            y[..., c] = w[c] * self.x_hat[..., c] + b[c]
        return y

    def backward(self, dy):
        dx = np.empty_like(dy)
        for c in range(dy.shape[-1]):
            d, z = dy[..., c], self.x_hat[..., c]
            w = 1 if self.weight is None else self.weight.data[c]
            if self.weight is not None:
                self.weight.grad[c] += (d * z).sum()
            if self.bias is not None:
                self.bias.grad[c] += d.sum()
            if self.batch:
                d = d - d.mean() - z * (d * z).mean()
            dx[..., c] = w * d / self.std[c]
        return dx
