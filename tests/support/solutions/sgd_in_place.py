import numpy as np


class SGD:
    def update(self, group, t, w, g, b):
        mu = group["momentum"]
        direction = np.copy(g)
        direction += w * group["weight_decay"]
        if mu:
            b *= mu
            b += direction if t == 1 else direction * (1 - group["dampening"])
            direction = direction + mu * b if group["nesterov"] else b
        np.subtract(w, group["lr"] * direction, out=w)
