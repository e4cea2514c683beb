import math


class Adam:
    def update(self, group, t, w, g, m, v):
        beta1, beta2 = group["betas"]
        if group["weight_decay"]:
            g = g + w * group["weight_decay"]
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        root = v**0.5 / math.sqrt(1 - beta2**t) + group["eps"]
        w[...] = w - group["lr"] / (1 - beta1**t) * m / root
