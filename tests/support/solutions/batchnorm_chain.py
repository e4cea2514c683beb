import numpy as np


class BatchNorm:
    def track(self, mean, var, n):
        if not self.training or self.running_mean is None:
            return
        mean_before, var_before = self.running_mean.data, self.running_var.data
        self.running_mean.data = (1 - self.momentum) * mean_before + self.momentum * mean
        unbiased = var * n / (n - 1)
        self.running_var.data = (1 - self.momentum) * var_before + self.momentum * unbiased

    def forward(self, x):
        rows = x.reshape(-1, self.num_features)
        batch = self.training or self.running_mean is None
        if batch:
            mean, var = rows.mean(axis=0), rows.var(axis=0)
            self.track(mean, var, len(rows))
        else:
            mean, var = self.running_mean.data, self.running_var.data
        self.save(rows, mean, var, batch)
        w, b = self.affine()
        return ((rows - mean) / np.sqrt(var + self.eps) * w + b).reshape(x.shape)

    def backward(self, dy):
        rows, mean, var, batch = self.saved()
        n, std = len(rows), np.sqrt(var + self.eps)
        g = dy.reshape(rows.shape)
        if self.weight is not None:
            self.weight.grad += np.sum(g * (rows - mean) / std, axis=0)
        if self.bias is not None:
            self.bias.grad += np.sum(g, axis=0)
        g = g * self.affine()[0]
        if not batch:
            return (g / std).reshape(dy.shape)
        dvar = np.sum(g * (rows - mean), axis=0) * -0.5 * std**-3
        dmean = -np.sum(g, axis=0) / std - 2 * dvar * np.mean(rows - mean, axis=0)
        dx = g / std + dvar * 2 * (rows - mean) / n + dmean / n
        return dx.reshape(dy.shape)
