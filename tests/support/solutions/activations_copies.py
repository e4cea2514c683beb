import numpy as np


class ReLU:
    def forward(self, x):
        self.negative = x <= 0
        y = x.copy()
        y[self.negative] = 0
        return y

    def backward(self, dy):
        dx = dy.copy()
        dx[self.negative] = 0
        return dx


class Tanh:
    def forward(self, x):
        self.y = 2 / (1 + np.exp(-2 * x)) - 1
        return self.y

    def backward(self, dy):
        return dy - dy * np.square(self.y)
