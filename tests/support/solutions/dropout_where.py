import numpy as np


class Dropout:
    def forward(self, x):
        keep = self.draw(x) if self.training else np.ones(x.shape, bool)
        self.save(keep)
        factor = self.scale if self.training else 1.0
        return np.where(keep, x * factor, 0).astype(x.dtype)

    def backward(self, dy):
        (keep,) = self.saved()
        dx = np.zeros_like(dy)
        dx[keep] = dy[keep] * self.scale
        return dx
