"""PlainMLP: a multi-layer perceptron of lists and floats, with every sum written out.

It needs no NumPy, Module or Trainer, and shows what one line of `firstlight.nn.Linear` computes.
Losses and steps equal those of the network of arrays, hundreds of times slower.
"""

import math
import random

Vector = list[float]
Matrix = list[Vector]
Matrices = list[Matrix]


class PlainMLP:
    """Linear layers with ReLU between them, softmax with cross-entropy, and gradient descent.

    Formula, for one sample x and layers l = 1 … L, with h⁰ = x::

        z^l_o = b^l_o + Σ_i W^l_oi h^(l-1)_i        h^l_o = max(z^l_o, 0)     l < L
        p_c   = exp(z^L_c) / Σ_k exp(z^L_k)         loss  = -log p_t

    Gradient, with δ^l = dloss/dz^l, from the last layer back::

        δ^L_c  = p_c - [c = t]                      δ^l_i = [z^l_i > 0] Σ_o δ^(l+1)_o W^(l+1)_oi
        dW^l_oi = δ^l_o h^(l-1)_i                   db^l_o = δ^l_o

    The loss and gradients of a batch are means over its samples.

    Parameters
    ----------
    sizes : list of int
        Numbers of inputs, of units of each hidden layer, and of classes, e.g. ``[64, 32, 10]``.
    seed : int
        Seed of the initial weights, uniform in ±1/√I as in `firstlight.nn.Linear`.

    Attributes
    ----------
    weights : list of list of list of float
        ``weights[l][o][i]``.
    biases : list of list of float
        ``biases[l][o]``.

    Raises
    ------
    ValueError
        Fewer than two sizes.

    Examples
    --------
    >>> from firstlight.models.plain_python import PlainMLP
    >>> net = PlainMLP([2, 8, 2])
    >>> x, labels = [[0.0, 1.0], [1.0, 0.0]], [0, 1]
    >>> for _ in range(100):
    ...     loss = net.step(x, labels, lr=0.5)
    >>> loss < 0.05, net.predict(x)
    (True, [0, 1])
    """

    def __init__(self, sizes: list[int], seed: int = 0):
        if len(sizes) < 2:
            raise ValueError(f"PlainMLP: expected sizes such as [64, 32, 10], got {sizes}")
        rng = random.Random(seed)
        self.weights: Matrices = []
        self.biases: Matrix = []
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            bound = 1 / math.sqrt(inputs)
            rows = [[rng.uniform(-bound, bound) for _ in range(inputs)] for _ in range(outputs)]
            self.weights.append(rows)
            self.biases.append([rng.uniform(-bound, bound) for _ in range(outputs)])

    def forward(self, x: Vector) -> Matrix:
        """Return the outputs of all layers, [h⁰, h¹, …, z^L], for one sample."""
        outputs = [x]
        for layer, (rows, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            z = []
            for row, b in zip(rows, bias, strict=True):
                total = b
                for w, h in zip(row, outputs[-1], strict=True):
                    total += w * h
                z.append(total)
            last = layer == len(self.weights)
            outputs.append(z if last else [max(value, 0.0) for value in z])
        return outputs

    def backward(
        self, outputs: Matrix, delta: Vector, d_weights: Matrices, d_biases: Matrix, scale: float
    ) -> None:
        """Add scale times the gradients of one sample, from δ^L = ``delta`` back to layer 1."""
        for layer in reversed(range(len(self.weights))):
            below, rows = outputs[layer], self.weights[layer]
            for o, d in enumerate(delta):
                d_biases[layer][o] += scale * d
                for i, h in enumerate(below):
                    d_weights[layer][o][i] += scale * d * h
            if layer > 0:
                back = [0.0] * len(below)
                for row, d in zip(rows, delta, strict=True):
                    for i, w in enumerate(row):
                        back[i] += d * w
                # ReLU: no gradient where its output was 0.
                delta = [d if h > 0 else 0.0 for d, h in zip(back, below, strict=True)]

    def gradients(self, batch: Matrix, labels: list[int]) -> tuple[float, Matrices, Matrix]:
        """Return the mean loss of a batch and its gradients, shaped as weights and biases."""
        d_weights = [[[0.0] * len(row) for row in rows] for rows in self.weights]
        d_biases = [[0.0] * len(bias) for bias in self.biases]
        loss = 0.0
        for x, label in zip(batch, labels, strict=True):
            outputs = self.forward(x)
            p = softmax(outputs[-1])
            loss -= math.log(p[label]) / len(batch)
            delta = [value - (c == label) for c, value in enumerate(p)]
            self.backward(outputs, delta, d_weights, d_biases, 1 / len(batch))
        return loss, d_weights, d_biases

    def step(self, batch: Matrix, labels: list[int], lr: float) -> float:
        """Take one step of gradient descent, w ← w - lr dw, and return the loss before it."""
        loss, d_weights, d_biases = self.gradients(batch, labels)
        for rows, d_rows in zip(self.weights, d_weights, strict=True):
            for row, d_row in zip(rows, d_rows, strict=True):
                _descend(row, d_row, lr)
        for bias, d_bias in zip(self.biases, d_biases, strict=True):
            _descend(bias, d_bias, lr)
        return loss

    def predict(self, batch: Matrix) -> list[int]:
        """Return the most probable class of each sample."""
        scores = [self.forward(x)[-1] for x in batch]
        return [max(range(len(z)), key=z.__getitem__) for z in scores]


def softmax(z: Vector) -> Vector:
    """Return exp(z_c) / Σ_k exp(z_k); the largest z is subtracted, so that exp stays finite.

    Examples
    --------
    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    powers = [math.exp(value - max(z)) for value in z]
    return [power / sum(powers) for power in powers]


def _descend(values, gradients, lr):
    """Subtract lr times the gradients from the values, in place."""
    for i, gradient in enumerate(gradients):
        values[i] -= lr * gradient
