import numpy as np


class CrossEntropyLoss:
    def forward(self, prediction, target):
        g, D = self._targets(prediction, target)
        total = g.sum(-1)
        x = prediction.copy()
        x[total == 0] = 0
        log_z = np.logaddexp.reduce(x, axis=-1)
        picked = np.where(g == 0, 0, g * np.where(g == 0, 0, x)).sum(-1)
        losses = total * log_z - picked
        self.p = np.exp(x - log_z[..., np.newaxis])
        self.g, self.D, self.total = g, D, total
        if self.reduction == "none":
            return losses
        return float(losses.sum()) / D

    def backward(self, dloss=1.0):
        dx = self.total[..., np.newaxis] * self.p - self.g
        if self.reduction == "none":
            return dx * np.reshape(dloss, (*np.shape(dloss), 1)) / self.D
        return dx * dloss / self.D
