import numpy as np


class LSTMCell:
    @staticmethod
    def step(a, b, state):
        z, size = a + b, state[1].shape[1]
        gates = (np.tanh(z / 2) + 1) / 2
        i, f, o = gates[:, :size], gates[:, size : 2 * size], gates[:, 3 * size :]
        g = np.tanh(z[:, 2 * size : 3 * size])
        c_t = np.einsum("knh,knh->nh", np.stack([f, i]), np.stack([state[1], g]))
        t = np.tanh(c_t)
        return (np.einsum("nh,nh->nh", o, t), c_t), (i, f, g, o, state[1], t)

    @staticmethod
    def undo(dstate, kept):
        dh, dc = dstate
        i, f, g, o, c, t = kept
        d = np.einsum("nh,nh,nh->nh", dh, o, 1 - t * t) + dc
        outer = np.stack([d, d, d, dh], axis=1)
        inner = np.stack(
            [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), t * o * (1 - o)], axis=1
        )
        da = np.einsum("nkh,nkh->nkh", outer, inner).reshape(len(d), -1)
        return da, da, (0 * dh, d * f)
