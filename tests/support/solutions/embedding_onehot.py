import numpy as np


class Embedding:
    def forward(self, x):
        onehot = np.eye(self.num_embeddings, dtype=self.weight.dtype)[x.ravel()]
        self.save(onehot)
        return (onehot @ self.weight.data).reshape(*x.shape, -1)

    def backward(self, dy):
        (onehot,) = self.saved()
        if self.padding_idx is not None:
            onehot = onehot.copy()
            onehot[:, self.padding_idx] = 0
        self.weight.grad += np.einsum("nv,nd->vd", onehot, dy.reshape(len(onehot), -1))
