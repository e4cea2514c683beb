import numpy as np


class Embedding:
    def forward(self, x):
        self.save(x)
        return np.take(self.weight.data, x, axis=0)

    def backward(self, dy):
        (x,) = self.saved()
        for index in np.unique(x):
            if self.padding_idx is None or index != self.padding_idx:
                self.weight.grad[index] += dy[x == index].sum(axis=0)
