import numpy as np


class CrossEntropyLoss:
    def forward(self, prediction, target):
        g, D = self._targets(prediction, target)
        shape = prediction.shape
        rows, weights = prediction.reshape(-1, shape[-1]), g.reshape(-1, shape[-1])
        losses = np.zeros(len(rows), prediction.dtype)
        p = np.zeros_like(rows)
        for n in range(len(rows)):
            if not weights[n].any():
                continue
            biggest = max(rows[n])
            total = sum(np.exp(rows[n] - biggest))
            for c in range(shape[-1]):
                p[n, c] = np.exp(rows[n, c] - biggest) / total
                if weights[n, c]:
                    log_p = rows[n, c] - biggest - np.log(total)
                    losses[n] -= weights[n, c] * log_p
        self.save(p.reshape(shape), g, D)
        losses = losses.reshape(shape[:-1])
        return losses if self.reduction == "none" else np.sum(losses) / D

    def backward(self, dloss=1.0):
        p, g, D = self.saved()
        dx = np.empty_like(p)
        for index in np.ndindex(p.shape[:-1]):
            factor = dloss[index] if np.ndim(dloss) else dloss
            dx[index] = factor * (sum(g[index]) * p[index] - g[index]) / D
        return dx
