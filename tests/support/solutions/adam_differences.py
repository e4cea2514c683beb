import numpy as np


class Adam:
    def update(self, group, t, w, g, m, v):
        lr, eps = group["lr"], group["eps"]
        b1, b2 = group["betas"]
        grad = np.add(g, group["weight_decay"] * w)
        m += (1 - b1) * (grad - m)
        v += (1 - b2) * (np.square(grad) - v)
        correction1, correction2 = 1 - np.power(b1, t), 1 - np.power(b2, t)
        w -= lr * (m / correction1) / (eps + np.sqrt(v / correction2))
