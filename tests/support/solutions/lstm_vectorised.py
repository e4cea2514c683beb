import numpy as np


class LSTMCell:
    @staticmethod
    def step(a, b, state):
        h, c = state
        z = (a + b).reshape(len(a), 4, -1)
        s = 1 / (1 + np.exp(-z))
        i, f, o = s[:, 0], s[:, 1], s[:, 3]
        g = np.tanh(z[:, 2])
        c_t = f * c + i * g
        t = np.tanh(c_t)
        return (o * t, c_t), {"i": i, "f": f, "g": g, "o": o, "c": c, "t": t}

    @staticmethod
    def undo(dstate, kept):
        dh, dc = dstate
        i, f, g, o, c, t = (kept[name] for name in "ifgoct")
        dc = dc + dh * o * (1 - t**2)
        da = np.hstack([dc * g * (i - i**2), dc * c * (f - f**2), dc * i * (1 - g**2)])
        da = np.hstack([da, dh * t * (o - o**2)])
        return da, da, (np.zeros_like(dh), dc * f)
