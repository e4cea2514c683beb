import math


def softmax(z):
    m = max(z)
    powers = list(map(lambda v: math.exp(v - m), z))
    return [p / math.fsum(powers) for p in powers]


class PlainMLP:
    def forward(self, x):
        result = [x]
        count = len(self.weights)
        for number in range(count):
            z = []
            for row, b in zip(self.weights[number], self.biases[number], strict=True):
                z.append(sum((w * h for w, h in zip(row, result[-1], strict=True)), start=b))
            if number + 1 != count:
                z = [v if v > 0 else 0.0 for v in z]
            result.append(z)
        return result

    def backward(self, outputs, delta, d_weights, d_biases, scale):
        deltas = {len(self.weights) - 1: delta}
        for layer in range(len(self.weights) - 1, 0, -1):
            above, rows = deltas[layer], self.weights[layer]
            deltas[layer - 1] = [
                sum(above[o] * rows[o][i] for o in range(len(rows))) if h > 0 else 0.0
                for i, h in enumerate(outputs[layer])
            ]
        for layer, d in deltas.items():
            for o, value in enumerate(d):
                d_biases[layer][o] += scale * value
                for i, h in enumerate(outputs[layer]):
                    d_weights[layer][o][i] += scale * value * h

    def gradients(self, batch, labels):
        loss = 0.0
        d_weights = [[[0.0] * len(w[0]) for _ in w] for w in self.weights]
        d_biases = [[0.0] * len(b) for b in self.biases]
        for x, label in zip(batch, labels, strict=True):
            outputs = self.forward(x)
            z = outputs[-1]
            m = max(z)
            log_sum = m + math.log(sum(math.exp(v - m) for v in z))
            loss += (log_sum - z[label]) / len(batch)
            delta = [math.exp(v - log_sum) - (1 if c == label else 0) for c, v in enumerate(z)]
            self.backward(outputs, delta, d_weights, d_biases, 1 / len(batch))
        return loss, d_weights, d_biases

    def step(self, batch, labels, lr):
        loss, d_weights, d_biases = self.gradients(batch, labels)
        for mine, change in zip([*self.weights], [*d_weights], strict=True):
            for row, d_row in zip(mine, change, strict=True):
                row[:] = [w - lr * d for w, d in zip(row, d_row, strict=True)]
        for bias, d_bias in zip(self.biases, d_biases, strict=True):
            for o in range(len(bias)):
                bias[o] = bias[o] - lr * d_bias[o]
        return loss
