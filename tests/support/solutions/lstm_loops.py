import math

import numpy as np


def logistic(a):
    return 1 / (1 + math.exp(-a))


class LSTMCell:
    @staticmethod
    def step(a, b, state):
        _, c = state
        n, h = c.shape
        gates = np.zeros((4, n, h), c.dtype)
        c_t, h_t = np.zeros_like(c), np.zeros_like(c)
        for row in range(n):
            for unit in range(h):
                for gate in range(4):
                    value = a[row, gate * h + unit] + b[row, gate * h + unit]
                    squash = math.tanh if gate == 2 else logistic
                    gates[gate, row, unit] = squash(value)
                i, f, g, o = gates[:, row, unit]
                c_t[row, unit] = f * c[row, unit] + i * g
                h_t[row, unit] = o * math.tanh(c_t[row, unit])
        return (h_t, c_t), (gates, c, c_t)

    @staticmethod
    def undo(dstate, kept):
        dh, dc = dstate
        gates, c, c_t = kept
        n, h = c.shape
        da, dc_old = np.zeros((n, 4 * h), c.dtype), np.zeros_like(c)
        for row in range(n):
            for unit in range(h):
                i, f, g, o = gates[:, row, unit]
                tanh = math.tanh(c_t[row, unit])
                d = dc[row, unit] + dh[row, unit] * o * (1 - tanh * tanh)
                da[row, unit] = d * g * i * (1 - i)
                da[row, h + unit] = d * c[row, unit] * f * (1 - f)
                da[row, 2 * h + unit] = d * i * (1 - g * g)
                da[row, 3 * h + unit] = dh[row, unit] * tanh * o * (1 - o)
                dc_old[row, unit] = d * f
        return da, da.copy(), (np.zeros_like(dh), dc_old)
