import math


def softmax(z):
    biggest = max(z)
    total = sum(math.exp(v - biggest) for v in z)
    return [math.exp(v - biggest) / total for v in z]


class PlainMLP:
    def forward(self, x):
        hs = [list(x)]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hs.append([max(0.0, dot(row, hs[-1]) + bo) for row, bo in zip(w, b, strict=True)])
        w, b = self.weights[-1], self.biases[-1]
        hs.append([dot(row, hs[-1]) + bo for row, bo in zip(w, b, strict=True)])
        return hs

    def backward(self, outputs, delta, d_weights, d_biases, scale):
        for k in range(len(self.weights) - 1, -1, -1):
            h = outputs[k]
            d_biases[k] = [a + scale * d for a, d in zip(d_biases[k], delta, strict=True)]
            d_weights[k] = [
                [a + scale * d * hi for a, hi in zip(row, h, strict=True)]
                for row, d in zip(d_weights[k], delta, strict=True)
            ]
            if k == 0:
                return
            columns = list(zip(*self.weights[k], strict=True))
            delta = [(hi > 0) * dot(c, delta) for c, hi in zip(columns, h, strict=True)]

    def gradients(self, batch, labels):
        d_w = [[[0.0 for _ in row] for row in w] for w in self.weights]
        d_b = [[0.0 for _ in b] for b in self.biases]
        losses = []
        for x, label in zip(batch, labels, strict=True):
            hs = self.forward(x)
            delta = softmax(hs[-1])
            losses.append(-math.log(delta[label]))
            delta[label] -= 1
            self.backward(hs, delta, d_w, d_b, 1 / len(batch))
        return sum(losses) / len(losses), d_w, d_b

    def step(self, batch, labels, lr):
        loss, d_w, d_b = self.gradients(batch, labels)
        self.weights = [
            [[w - lr * d for w, d in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)]
            for a, b in zip(self.weights, d_w, strict=True)
        ]
        self.biases = [
            [w - lr * d for w, d in zip(a, b, strict=True)]
            for a, b in zip(self.biases, d_b, strict=True)
        ]
        return loss


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))
