import numpy as np


class ReLU:
    def forward(self, x):
        positive = x > 0
        self.save(positive)
        return x * positive

    def backward(self, dy):
        (positive,) = self.saved()
        return dy * positive


class Tanh:
    def forward(self, x):
        e = np.exp(-2 * np.abs(x))
        self.save(x)
        return np.sign(x) * (1 - e) / (1 + e)

    def backward(self, dy):
        (x,) = self.saved()
        return dy * (1 - np.tanh(x)) * (1 + np.tanh(x))
