import numpy as np


class Embedding:
    def forward(self, x):
        self.x = x
        y = np.zeros((*x.shape, self.embedding_dim), self.weight.dtype)
        for place in np.ndindex(*x.shape):
            y[place] = self.weight.data[x[place]]
        return y

    def backward(self, dy):
        for place in np.ndindex(*self.x.shape):
            index = self.x[place]
            if index != self.padding_idx:
                self.weight.grad[index] += dy[place]
