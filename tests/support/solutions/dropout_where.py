import numpy as np


class Dropout:
    def forward(self, x):
        keep = self.draw(x) if self.training else np.ones(x.shape, bool)
        factor = self.scale if self.training else 1.0
        self.save(keep, factor)
        return np.where(keep, x * factor, 0).astype(x.dtype)

    def backward(self, dy):
        keep, factor = self.saved()
        dx = np.zeros_like(dy)
        dx[keep] = dy[keep] * factor
        return dx
