import numpy as np


class Linear:
    def forward(self, x):
        self.save(x)
        bias = 0 if self.bias is None else self.bias.data
        return np.einsum("...i,oi->...o", x, self.weight.data) + bias

    def backward(self, dy):
        (x,) = self.saved()
        rows = x.reshape(-1, self.in_features), dy.reshape(-1, self.out_features)
        self.weight.grad[...] += np.einsum("ni,no->oi", *rows)
        if self.bias is not None:
            self.bias.grad[...] += np.einsum("no->o", rows[1])
        if not self.needs_dx:
            return None
        return np.einsum("...o,oi->...i", dy, self.weight.data)
