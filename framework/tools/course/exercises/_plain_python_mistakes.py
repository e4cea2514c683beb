"""The known mistakes of the exercise `plain_python`."""

from firstlight.tools.course.exercise import Mistake, mistake

RELU = "z if last else [max(value, 0.0) for value in z]"
MASK = "[d if h > 0 else 0.0 for d, h in zip(back, below, strict=True)]"

MISTAKES = (
    mistake(
        "math.exp(value - max(z))",
        "math.exp(value)",
        ("exp overflows for large z", "exp läuft für große z über"),
        (
            "subtract the largest z first: exp(z_c - max z)",
            "ziehen Sie zuerst das größte z ab: exp(z_c - max z)",
        ),
    ),
    mistake(
        "math.exp(value - max(z)) for value in z]",
        "value for value in z]",
        ("exp is missing", "exp fehlt"),
        ("p_c = exp(z_c) / Σ_k exp(z_k)", "p_c = exp(z_c) / Σ_k exp(z_k)"),
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
        ("divide by the sum Σ_k exp(z_k)", "teilen Sie durch die Summe Σ_k exp(z_k)"),
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
        ("hidden layers return max(z, 0)", "verborgene Schichten geben max(z, 0) zurück"),
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
        ("begin each sum with b_o", "beginnen Sie jede Summe mit b_o"),
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
        ("the derivative of ReLU is 1 or 0", "die Ableitung von ReLU ist 1 oder 0"),
    ),
    mistake(
        "d_biases[layer][o] += scale * d",
        "d_biases[layer][o] += d",
        ("d_biases lack the factor scale", "d_biases fehlt der Faktor scale"),
        ("add scale * δ_o", "addieren Sie scale * δ_o"),
    ),
    mistake(
        "+= scale * d * h",
        "+= d * h",
        ("d_weights lack the factor scale", "d_weights fehlt der Faktor scale"),
        ("add scale * δ_o * h_i", "addieren Sie scale * δ_o * h_i"),
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
        "back[i] += w",
        (
            "the layer below gets sums of weights, without δ of the layer above",
            "die Schicht darunter erhält Summen von Gewichten, ohne das δ der Schicht darüber",
        ),
        ("add δ_o W_oi", "addieren Sie δ_o W_oi"),
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
        ("δ is computed from z instead of p", "δ wird aus z statt aus p berechnet"),
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
        ("the loss is 1 - p_t instead of -log p_t", "der Verlust ist 1 - p_t statt -log p_t"),
        (
            "use the logarithm: loss = -log p_t",
            "verwenden Sie den Logarithmus: loss = -log p_t",
        ),
    ),
    mistake(
        "values[i] -= lr * gradient",
        "values[i] += lr * gradient",
        ("the step goes up the gradient", "der Schritt folgt dem Gradienten aufwärts"),
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
        ("the loss is that after the step", "der Verlust ist der nach dem Schritt"),
        (
            "return the loss that gradients gave before the step",
            "geben Sie den Verlust zurück, den gradients vor dem Schritt lieferte",
        ),
    ),
    mistake(
        RELU,
        "z if last else [max(value, 0.01 * value) for value in z]",
        (
            "negative values are scaled by 0.01 instead of set to 0",
            "negative Werte werden mit 0,01 multipliziert statt auf 0 gesetzt",
        ),
        ("this is leaky ReLU; use max(z, 0)", "das ist Leaky ReLU; verwenden Sie max(z, 0)"),
    ),
    mistake(
        "values[i] -= lr * gradient",
        "values[i] = lr * gradient",
        (
            "the weights are replaced by lr dw",
            "die Gewichte werden durch lr dw ersetzt",
        ),
        ("subtract it from the weights: w ← w - lr dw", "subtrahieren Sie: w ← w - lr dw"),
    ),
)
