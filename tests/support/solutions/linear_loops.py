import numpy as np


class Linear:
    def forward(self, x):
        self.x = x
        rows = x.reshape(-1, self.in_features)
        y = np.zeros((len(rows), self.out_features), dtype=x.dtype)
        for n in range(len(rows)):
            for o in range(self.out_features):
                for i in range(self.in_features):
                    y[n, o] += self.weight.data[o, i] * rows[n, i]
                if self.bias is not None:
                    y[n, o] += self.bias.data[o]
        return y.reshape(*x.shape[:-1], self.out_features)

    def backward(self, dy):
        x = self.x
        dx = np.zeros_like(x)
        for index in np.ndindex(*x.shape[:-1]):
            for o in range(self.out_features):
                if self.bias is not None:
                    self.bias.grad[o] += dy[index][o]
                for i in range(self.in_features):
                    self.weight.grad[o, i] += dy[index][o] * x[index][i]
                    dx[index][i] += dy[index][o] * self.weight.data[o, i]
        return dx if self.needs_dx else None
