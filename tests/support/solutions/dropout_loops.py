import numpy as np


class Dropout:
    def forward(self, x):
        if not self.training or self.p == 0:
            self.kept = None
            return x.copy()
        rng = np.random.default_rng()
        self.kept = np.zeros(x.shape, dtype=bool)
        y = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            if rng.random() < 1 - self.p:
                self.kept[index] = True
                y[index] = x[index] / (1 - self.p)
        return y

    def backward(self, dy):
        if self.kept is None:
            return dy
        dx = np.zeros_like(dy)
        for index in np.ndindex(dy.shape):
            if self.kept[index]:
                dx[index] = dy[index] / (1 - self.p)
        return dx
