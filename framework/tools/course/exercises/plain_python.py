"""Exercise: a multi-layer perceptron in plain Python."""

import functools
from contextlib import contextmanager

import numpy as np

from firstlight.tools.course.differences import AFTER_TWO
from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import unchanged


def right_softmax(z):
    """Return what softmax should, whose blank is another one."""
    powers = np.exp(np.asarray(z) - np.max(z))
    return (powers / powers.sum()).tolist()


def right_forward(net, x):
    """Return what PlainMLP.forward should."""
    outputs = [x]
    for rows, bias in zip(net.weights, net.biases, strict=True):
        z = np.asarray(rows) @ outputs[-1] + bias
        outputs.append((z if len(outputs) == len(net.weights) else np.maximum(z, 0)).tolist())
    return outputs


def right_backward(net, outputs, delta, d_weights, d_biases, scale):
    """Do what PlainMLP.backward should."""
    for layer in reversed(range(len(net.weights))):
        below, rows = np.asarray(outputs[layer]), np.asarray(net.weights[layer])
        d_weights[layer][:] = (d_weights[layer] + scale * np.outer(delta, below)).tolist()
        d_biases[layer][:] = (d_biases[layer] + scale * np.asarray(delta)).tolist()
        delta = (delta @ rows) * (below > 0)


def right_gradients(net, batch, labels):
    """Return what PlainMLP.gradients should."""
    d_weights, d_biases = zeros(net)
    loss = 0.0
    for x, label in zip(batch, labels, strict=True):
        outputs = right_forward(net, x)
        p = right_softmax(outputs[-1])
        loss -= np.log(p[label]) / len(batch)
        delta = np.asarray(p) - np.eye(len(p))[label]
        right_backward(net, outputs, delta, d_weights, d_biases, 1 / len(batch))
    return float(loss), d_weights, d_biases


def zeros(net):
    """Return gradients of zero."""
    d_weights = [np.zeros_like(rows).tolist() for rows in net.weights]
    return d_weights, [np.zeros_like(bias).tolist() for bias in net.biases]


def network(code, draw, *names):
    """Return a network whose sizes have these names."""
    sizes = [draw.size(name) for name in names]
    net = code.PlainMLP(sizes)
    shapes = list(zip(sizes, sizes[1:], strict=False))
    net.weights = [draw.array(outputs, inputs).tolist() for inputs, outputs in shapes]
    net.biases = [draw.array(outputs).tolist() for _, outputs in shapes]
    return net


@contextmanager
def right_parts(code, net, *names):
    """Replace methods and softmax by right ones, so that each blank is judged alone."""
    parts = {"forward": right_forward, "backward": right_backward, "gradients": right_gradients}
    for name in names:
        setattr(net, name, functools.partial(parts[name], net))
    softmax, code.softmax = code.softmax, right_softmax
    try:
        yield
    finally:
        code.softmax = softmax


def trial_softmax(code, draw):
    """Run softmax on some vectors."""
    c = draw.size("C")
    z = draw.array(c).tolist()
    kept = list(z)
    yield Output("softmax", "p", code.softmax(z))
    yield unchanged("softmax", "z", z, kept)
    large = [1000.0 + value for value in z]
    yield Output("softmax", "p for z of about 1000", code.softmax(large))
    small = [value - 1000.0 for value in z]
    yield Output("softmax", "p for z of about -1000", code.softmax(small))
    far = [1000.0 * value for value in z]
    yield Output("softmax", "p for z that are far apart", code.softmax(far))


def trial_forward(code, draw):
    """Run forward on a deep network, and on one without hidden layer."""
    blank, net = "PlainMLP.forward", network(code, draw, "I", "H", "K", "C")
    x = draw.array(draw.sizes["I"]).tolist()
    kept = list(x)
    outputs = net.forward(x)
    yield Output(blank, "number of outputs", len(outputs))
    for index, values in enumerate(outputs):
        yield Output(blank, f"outputs[{index}]", values)
    yield unchanged(blank, "x", x, kept)
    outputs = network(code, draw, "J", "D").forward(draw.array(draw.sizes["J"]).tolist())
    yield Output(blank, "z without hidden layer", outputs[-1])


def trial_backward(code, draw):
    """Run backward on gradients that are not zero."""
    blank, net = "PlainMLP.backward", network(code, draw, "I", "H", "K", "C")
    outputs = right_forward(net, draw.array(draw.sizes["I"]).tolist())
    delta, scale = draw.array(draw.sizes["C"]).tolist(), 0.3
    d_weights, d_biases = zeros(net)
    net.backward(outputs, delta, d_weights, d_biases, scale)
    for layer in reversed(range(3)):
        yield Output(blank, f"d_weights[{layer}]", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]", d_biases[layer])
    net.backward(outputs, delta, d_weights, d_biases, scale)
    for layer in reversed(range(3)):
        yield Output(blank, f"d_weights[{layer}]{AFTER_TWO}", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]{AFTER_TWO}", d_biases[layer])


def batch_for(draw, net):
    """Return samples and labels."""
    n = draw.size("N")
    labels = draw.integers(len(net.biases[-1]), n).tolist()
    return draw.array(n, len(net.weights[0][0])).tolist(), labels


def trial_gradients(code, draw):
    """Run gradients with right parts."""
    blank, net = "PlainMLP.gradients", network(code, draw, "I", "H", "C")
    with right_parts(code, net, "forward", "backward"):
        loss, d_weights, d_biases = net.gradients(*batch_for(draw, net))
    yield Output(blank, "loss", loss)
    for layer in range(2):
        yield Output(blank, f"d_weights[{layer}]", d_weights[layer])
        yield Output(blank, f"d_biases[{layer}]", d_biases[layer])


def trial_step(code, draw):
    """Run step with right parts."""
    blank, net = "PlainMLP.step", network(code, draw, "I", "H", "C")
    with right_parts(code, net, "forward", "backward", "gradients"):
        loss = net.step(*batch_for(draw, net), 0.1)
    for layer in range(2):
        yield Output(blank, f"weights[{layer}]", net.weights[layer])
        yield Output(blank, f"biases[{layer}]", net.biases[layer])
    yield Output(blank, "loss", loss)


RELU = "z if last else [max(value, 0.0) for value in z]"
MASK = "[d if h > 0 else 0.0 for d, h in zip(back, below, strict=True)]"

EXERCISE = Exercise(
    name="plain_python",
    chapter=2,
    title=(
        "A multi-layer perceptron in plain Python: forward, backward, step.",
        "Ein mehrschichtiges Perzeptron in reinem Python: forward, backward, step.",
    ),
    task=(
        "Fill in softmax and the methods forward, backward, gradients and step of PlainMLP with "
        "loops over lists; the class's docstring has the formulas. backward adds to d_weights and "
        "d_biases, which gradients creates as zeros and passes on with scale = 1/N. step changes "
        "self.weights and self.biases.",
        "Füllen Sie softmax und die Methoden forward, backward, gradients und step von PlainMLP "
        "mit Schleifen über Listen aus; die Formeln stehen im Docstring der Klasse. backward "
        "addiert zu d_weights und d_biases, die gradients mit Nullen anlegt und mit scale = 1/N "
        "übergibt. step ändert self.weights und self.biases.",
    ),
    lessons={"firstlight.models.plain_python": ("PlainMLP", "softmax")},
    blanks=(
        "softmax",
        "PlainMLP.forward",
        "PlainMLP.backward",
        "PlainMLP.gradients",
        "PlainMLP.step",
    ),
    hidden=("_descend",),
    trials=(trial_softmax, trial_forward, trial_backward, trial_gradients, trial_step),
    mistakes=(
        mistake(
            "math.exp(value - max(z))",
            "math.exp(value)",
            (
                "exp overflows for large z",
                "exp läuft für große z über",
            ),
            (
                "subtract the largest z first: exp(z_c - max z)",
                "ziehen Sie zuerst das größte z ab: exp(z_c - max z)",
            ),
        ),
        mistake(
            "math.exp(value - max(z)) for value in z]",
            "value for value in z]",
            ("exp is missing", "exp fehlt"),
            (
                "p_c = exp(z_c) / Σ_k exp(z_k)",
                "p_c = exp(z_c) / Σ_k exp(z_k)",
            ),
        ),
        mistake(
            "[power / sum(powers) for",
            "[power for",
            ("p is not divided by the sum", "p wird nicht durch die Summe geteilt"),
            (
                "divide each exp(z_c) by Σ_k exp(z_k)",
                "teilen Sie jedes exp(z_c) durch Σ_k exp(z_k)",
            ),
        ),
        mistake(
            "power / sum(powers)",
            "power / len(powers)",
            (
                "p is divided by the number of classes",
                "p wird durch die Anzahl der Klassen geteilt",
            ),
            (
                "divide by the sum Σ_k exp(z_k)",
                "teilen Sie durch die Summe Σ_k exp(z_k)",
            ),
        ),
        mistake(
            "math.exp(value - max(z))",
            "math.exp(max(z) - value)",
            (
                "the sign in exp is wrong: the largest z has the smallest p",
                "das Vorzeichen in exp ist falsch: Das größte z hat das kleinste p",
            ),
            ("use exp(z_c - max z)", "verwenden Sie exp(z_c - max z)"),
        ),
        mistake(
            RELU,
            "[max(value, 0.0) for value in z]",
            (
                "ReLU is applied to the last layer as well",
                "ReLU wird auch auf die letzte Schicht angewandt",
            ),
            (
                "return z itself for layer L; softmax needs its negative values",
                "geben Sie für Schicht L z selbst zurück; softmax braucht die negativen Werte",
            ),
        ),
        mistake(
            RELU,
            "z",
            ("ReLU is missing", "ReLU fehlt"),
            (
                "hidden layers return max(z, 0)",
                "verborgene Schichten geben max(z, 0) zurück",
            ),
        ),
        mistake(
            RELU,
            "z if last else [abs(value) for value in z]",
            (
                "hidden layers return |z| instead of max(z, 0)",
                "verborgene Schichten geben |z| statt max(z, 0) zurück",
            ),
            ("set negative values to 0", "setzen Sie negative Werte auf 0"),
        ),
        mistake(
            RELU,
            "[max(value, 0.0) for value in z] if last else z",
            (
                "ReLU is applied to the last layer only",
                "ReLU wird nur auf die letzte Schicht angewandt",
            ),
            (
                "apply it to all layers but the last",
                "wenden Sie es auf alle Schichten außer der letzten an",
            ),
        ),
        mistake(
            "total = b\n",
            "total = 0.0\n",
            ("the bias is missing", "der Bias fehlt"),
            (
                "begin each sum with b_o",
                "beginnen Sie jede Summe mit b_o",
            ),
        ),
        mistake(
            "        return outputs\n",
            "        return outputs[1:]\n",
            (
                "x, the output of layer 0, is missing from the list",
                "x, die Ausgabe von Schicht 0, fehlt in der Liste",
            ),
            ("begin with outputs = [x]", "beginnen Sie mit outputs = [x]"),
        ),
        mistake(
            "        return outputs\n",
            "        return outputs[-1]\n",
            (
                "only the last layer's output is returned",
                "nur die Ausgabe der letzten Schicht wird zurückgegeben",
            ),
            (
                "return the list [h⁰, h¹, …, z^L]; backward needs all of them",
                "geben Sie die Liste [h⁰, h¹, …, z^L] zurück; backward braucht alle",
            ),
        ),
        mistake(
            MASK,
            "back",
            (
                "the gradient passes ReLU where its output was 0",
                "der Gradient läuft durch ReLU, wo dessen Ausgabe 0 war",
            ),
            (
                "set δ_i to 0 where h_i > 0 does not hold",
                "setzen Sie δ_i auf 0, wo nicht h_i > 0 gilt",
            ),
        ),
        mistake(
            MASK,
            "[d * h for d, h in zip(back, below, strict=True)]",
            (
                "δ is multiplied by h instead of [h > 0]",
                "δ wird mit h statt mit [h > 0] multipliziert",
            ),
            (
                "the derivative of ReLU is 1 or 0",
                "die Ableitung von ReLU ist 1 oder 0",
            ),
        ),
        mistake(
            "d_biases[layer][o] += scale * d",
            "d_biases[layer][o] += d",
            ("d_biases lack the factor scale", "d_biases fehlt der Faktor scale"),
            (
                "add scale * δ_o",
                "addieren Sie scale * δ_o",
            ),
        ),
        mistake(
            "+= scale * d * h",
            "+= d * h",
            ("d_weights lack the factor scale", "d_weights fehlt der Faktor scale"),
            (
                "add scale * δ_o * h_i",
                "addieren Sie scale * δ_o * h_i",
            ),
        ),
        Mistake(
            (
                ("+= scale * d * h", "+= d * h"),
                ("d_biases[layer][o] += scale * d", "d_biases[layer][o] += d"),
            ),
            ("scale has no effect", "scale bleibt ohne Wirkung"),
            (
                "multiply everything that is added by scale",
                "multiplizieren Sie alles, was addiert wird, mit scale",
            ),
        ),
        mistake(
            "back[i] += d * w",
            "back[i] += scale * d * w",
            (
                "scale enters δ, and so once more with each layer",
                "scale geht in δ ein, also mit jeder Schicht noch einmal",
            ),
            (
                "multiply by scale only what is added to d_weights and d_biases",
                "multiplizieren Sie nur mit scale, was zu d_weights und d_biases addiert wird",
            ),
        ),
        mistake(
            "back[i] += d * w",
            "back[i] = d * w",
            (
                "δ_i of the layer below is the last term instead of the sum over o",
                "δ_i der Schicht darunter ist der letzte Summand statt der Summe über o",
            ),
            ("add: back[i] += δ_o W_oi", "addieren Sie: back[i] += δ_o W_oi"),
        ),
        mistake(
            "back[i] += d * w",
            "back[i] += d",
            (
                "δ is passed to the layer below without the weights",
                "δ wird ohne die Gewichte an die Schicht darunter weitergegeben",
            ),
            ("add δ_o W_oi", "addieren Sie δ_o W_oi"),
        ),
        mistake(
            "delta = [value - (c == label)",
            "delta = [(c == label) - value",
            ("δ has the wrong sign", "δ hat das falsche Vorzeichen"),
            ("δ_c = p_c - [c = t]", "δ_c = p_c - [c = t]"),
        ),
        mistake(
            "delta = [value - (c == label) for c, value in enumerate(p)]",
            "delta = list(p)",
            ("δ lacks the label", "in δ fehlt das Label"),
            (
                "subtract 1 from p at the label: δ_c = p_c - [c = t]",
                "ziehen Sie beim Label 1 von p ab: δ_c = p_c - [c = t]",
            ),
        ),
        mistake(
            "for c, value in enumerate(p)]",
            "for c, value in enumerate(outputs[-1])]",
            (
                "δ is computed from z instead of p",
                "δ wird aus z statt aus p berechnet",
            ),
            ("δ_c = p_c - [c = t], with p = softmax(z)", "δ_c = p_c - [c = t] mit p = softmax(z)"),
        ),
        mistake(
            "d_weights, d_biases, 1 / len(batch))",
            "d_weights, d_biases, 1.0)",
            (
                "the gradients are sums over the batch instead of means",
                "die Gradienten sind Summen über den Batch statt Mittelwerte",
            ),
            ("pass scale = 1/N to backward", "übergeben Sie backward scale = 1/N"),
        ),
        mistake(
            "math.log(p[label]) / len(batch)",
            "math.log(p[label])",
            (
                "the loss is the sum over the batch instead of the mean",
                "der Verlust ist die Summe über den Batch statt des Mittelwerts",
            ),
            ("divide by N", "teilen Sie durch N"),
        ),
        Mistake(
            (
                ("d_weights, d_biases, 1 / len(batch))", "d_weights, d_biases, 1.0)"),
                ("math.log(p[label]) / len(batch)", "math.log(p[label])"),
            ),
            (
                "loss and gradients are sums over the batch instead of means",
                "Verlust und Gradienten sind Summen über den Batch statt Mittelwerte",
            ),
            (
                "divide the loss by N, and pass scale = 1/N to backward",
                "teilen Sie den Verlust durch N und übergeben Sie backward scale = 1/N",
            ),
        ),
        mistake(
            "loss -= math.log",
            "loss += math.log",
            ("the loss has the wrong sign", "der Verlust hat das falsche Vorzeichen"),
            ("loss = -log p_t", "loss = -log p_t"),
        ),
        mistake(
            "loss -= math.log(p[label])",
            "loss += (1 - p[label])",
            (
                "the loss is 1 - p_t instead of -log p_t",
                "der Verlust ist 1 - p_t statt -log p_t",
            ),
            (
                "use the logarithm: loss = -log p_t",
                "verwenden Sie den Logarithmus: loss = -log p_t",
            ),
        ),
        mistake(
            "values[i] -= lr * gradient",
            "values[i] += lr * gradient",
            (
                "the step goes up the gradient",
                "der Schritt folgt dem Gradienten aufwärts",
            ),
            ("subtract: w ← w - lr dw", "subtrahieren Sie: w ← w - lr dw"),
        ),
        mistake(
            "_descend(bias, d_bias, lr)",
            "pass",
            ("the biases are not changed", "die Biases werden nicht geändert"),
            (
                "take the step for self.biases as well",
                "führen Sie den Schritt auch für self.biases aus",
            ),
        ),
        mistake(
            "_descend(row, d_row, lr)",
            "pass",
            ("the weights are not changed", "die Gewichte werden nicht geändert"),
            (
                "take the step for self.weights as well",
                "führen Sie den Schritt auch für self.weights aus",
            ),
        ),
        mistake(
            "values[i] -= lr * gradient",
            "values[i] -= gradient",
            ("the step lacks the factor lr", "dem Schritt fehlt der Faktor lr"),
            ("w ← w - lr dw", "w ← w - lr dw"),
        ),
        mistake(
            "values[i] -= lr * gradient",
            "pass",
            ("nothing is changed", "nichts wird geändert"),
            (
                "assign to the lists' entries, e.g. row[i] -= lr * d; w -= lr * d in a loop over "
                "row changes only the name w",
                "weisen Sie den Einträgen der Listen zu, z. B. row[i] -= lr * d; w -= lr * d in "
                "einer Schleife über row ändert nur den Namen w",
            ),
        ),
        mistake(
            "_descend(bias, d_bias, lr)\n        return loss\n",
            "_descend(bias, d_bias, lr)\n        return self.gradients(batch, labels)[0]\n",
            (
                "the loss is that after the step",
                "der Verlust ist der nach dem Schritt",
            ),
            (
                "return the loss that gradients gave before the step",
                "geben Sie den Verlust zurück, den gradients vor dem Schritt lieferte",
            ),
        ),
    ),
)
