import math


def softmax(z):
    e = []
    total = 0.0
    for i in range(len(z)):
        e.append(math.exp(z[i] - max(z)))
        total += e[i]
    for i in range(len(z)):
        e[i] = e[i] / total
    return e


class PlainMLP:
    def forward(self, x):
        outputs = [x]
        for layer in range(len(self.weights)):
            h = []
            for o in range(len(self.biases[layer])):
                z = self.biases[layer][o]
                for i in range(len(outputs[layer])):
                    z = z + self.weights[layer][o][i] * outputs[layer][i]
                if layer < len(self.weights) - 1 and z < 0:
                    z = 0.0
                h.append(z)
            outputs.append(h)
        return outputs

    def backward(self, outputs, delta, d_weights, d_biases, scale):
        layer = len(self.weights) - 1
        while layer >= 0:
            inputs = outputs[layer]
            new = [0.0] * len(inputs)
            for o in range(len(delta)):
                d_biases[layer][o] += delta[o] * scale
                for i in range(len(inputs)):
                    d_weights[layer][o][i] += delta[o] * inputs[i] * scale
                    if inputs[i] > 0:
                        new[i] += delta[o] * self.weights[layer][o][i]
            delta = new
            layer -= 1

    def gradients(self, batch, labels):
        n = len(batch)
        d_weights, d_biases, loss = [], [], 0
        for layer in range(len(self.weights)):
            d_weights.append([[0.0] * len(row) for row in self.weights[layer]])
            d_biases.append([0.0] * len(self.biases[layer]))
        for k in range(n):
            outputs = self.forward(batch[k])
            p = softmax(outputs[-1])
            loss += -math.log(p[labels[k]])
            p[labels[k]] -= 1.0
            self.backward(outputs, p, d_weights, d_biases, 1.0 / n)
        return loss / n, d_weights, d_biases

    def step(self, batch, labels, lr):
        loss, d_weights, d_biases = self.gradients(batch, labels)
        for layer in range(len(self.weights)):
            for o in range(len(self.weights[layer])):
                for i in range(len(self.weights[layer][o])):
                    self.weights[layer][o][i] -= lr * d_weights[layer][o][i]
                self.biases[layer][o] -= lr * d_biases[layer][o]
        return loss
