"""Exercise: forward and backward of a linear layer."""

from firstlight.tools.course.exercise import Exercise, Mistake, mistake
from firstlight.tools.course.trials import layer


def build(code, draw):
    """Return a layer and a batch of vectors."""
    n, i, o = draw.size("N"), draw.size("I"), draw.size("O")
    return draw.fill(code.Linear(i, o)), draw.array(n, i)


def build_sequences(code, draw):
    """Return a layer and a batch of sequences of vectors."""
    n, t, i, o = (draw.size(name) for name in "NTIO")
    return draw.fill(code.Linear(i, o)), draw.array(n, t, i)


def build_without_bias(code, draw):
    """Return a layer without bias, and a batch."""
    n, i, o = (draw.size(name) for name in "NIO")
    return draw.fill(code.Linear(i, o, bias=False)), draw.array(n, i)


def build_first(code, draw):
    """Return a model's first layer, which computes no dx, and a batch."""
    n, i, o = (draw.size(name) for name in "NIO")
    return draw.fill(code.Linear(i, o, needs_dx=False)), draw.array(n, i)


EXERCISE = Exercise(
    name="linear",
    chapter=3,
    title=("Linear: matrix product and bias.", "Linear: Matrixprodukt und Bias."),
    task=(
        "Fill in forward and backward as the docstring defines them. The values of W are "
        "self.weight.data. forward keeps what backward needs: self.save(x), and in backward "
        "(x,) = self.saved(), which returns a tuple. self.x = x is accepted, too. backward adds to "
        "the gradients, self.weight.grad += ..., since several passes may add up, and returns dx. "
        "x may have more axes than two; the layer works on the last one.",
        "Füllen Sie forward und backward so aus, wie der Docstring sie definiert. Die Werte von W "
        "sind self.weight.data. forward bewahrt auf, was backward braucht: self.save(x), und in "
        "backward (x,) = self.saved(), denn saved gibt ein Tupel zurück. Auch self.x = x gilt. "
        "backward addiert zu den Gradienten, self.weight.grad += ..., denn mehrere Durchläufe "
        "dürfen sich addieren, und gibt dx zurück. x darf mehr als zwei Achsen haben; die Schicht "
        "wirkt auf die letzte.",
    ),
    lessons={"firstlight.nn.linear": ("Linear",)},
    blanks=("Linear.forward", "Linear.backward"),
    trials=(
        layer("Linear", build),
        layer("Linear", build_sequences, "(N, T, I)"),
        layer("Linear", build_without_bias, "(bias=False)"),
        layer("Linear", build_first, "(needs_dx=False)"),
    ),
    mistakes=(
        mistake(
            "y = y + self.bias.data",
            "pass",
            ("the bias is not added", "der Bias wird nicht addiert"),
            ("add self.bias.data to every row", "addieren Sie self.bias.data zu jeder Zeile"),
        ),
        mistake(
            "y = y + self.bias.data",
            "y = y - self.bias.data",
            ("the bias is subtracted", "der Bias wird subtrahiert"),
            ("add self.bias.data: y = x Wᵀ + b", "addieren Sie self.bias.data: y = x Wᵀ + b"),
        ),
        mistake(
            "        if self.bias is not None:\n            y = y + self.bias.data",
            "        y = y + self.bias.data",
            (
                "a layer with bias=False, whose self.bias is None, raises an error",
                "eine Schicht mit bias=False, deren self.bias None ist, löst einen Fehler aus",
            ),
            (
                "add the bias only if self.bias is not None",
                "addieren Sie den Bias nur, wenn self.bias nicht None ist",
            ),
        ),
        mistake(
            "        if self.bias is not None:\n            self.bias.grad += dy_rows",
            "        if True:\n            self.bias.grad += dy_rows",
            (
                "backward of a layer with bias=False, whose self.bias is None, raises an error",
                "backward einer Schicht mit bias=False, deren self.bias None ist, löst einen "
                "Fehler aus",
            ),
            (
                "compute db only if self.bias is not None",
                "berechnen Sie db nur, wenn self.bias nicht None ist",
            ),
        ),
        mistake(
            "self.weight.grad += dy_rows.T @ x_rows",
            "self.weight.grad += dy_rows.T @ x_rows / len(x_rows)",
            ("dW is divided by the batch size", "dW wird durch die Größe des Batches geteilt"),
            (
                "leave out the division: the loss has divided by N already, so dy holds the factor",
                "lassen Sie die Division weg: Der Verlust hat schon durch N geteilt, der Faktor "
                "steckt in dy",
            ),
        ),
        mistake(
            "dy_rows.T @ x_rows",
            "dy.T @ x",
            (
                "dW of x with three axes, (N, T, I), raises an error",
                "dW löst für x mit drei Achsen, (N, T, I), einen Fehler aus",
            ),
            (
                "merge the axes of the rows first: dy.reshape(-1, O), x.reshape(-1, I)",
                "fassen Sie zuerst die Achsen der Zeilen zusammen: dy.reshape(-1, O), "
                "x.reshape(-1, I)",
            ),
        ),
        mistake(
            "dy_rows.T @ x_rows",
            "(x_rows.T @ dy_rows).reshape(self.weight.shape)",
            (
                "dW is the transposed product, brought to its shape with reshape",
                "dW ist das transponierte Produkt, mit reshape auf die Form gebracht",
            ),
            (
                "transpose it, or swap the factors: dW = dyᵀ x; reshape moves no entry",
                "transponieren Sie es oder vertauschen Sie die Faktoren: dW = dyᵀ x; reshape "
                "ordnet keine Einträge um",
            ),
        ),
        mistake(
            "self.bias.grad += dy_rows.sum(axis=0)",
            "self.bias.grad += dy_rows.mean(axis=0)",
            (
                "db is the mean over the batch instead of the sum",
                "db ist der Mittelwert über den Batch statt der Summe",
            ),
            (
                "sum over the rows: the loss has divided by N already, so dy holds the factor",
                "summieren Sie über die Zeilen: Der Verlust hat schon durch N geteilt, der Faktor "
                "steckt in dy",
            ),
        ),
        Mistake(
            (
                ("dy_rows.T @ x_rows  # (O, I)", "dy_rows.T @ x_rows / len(x_rows)"),
                ("dy_rows.sum(axis=0)", "dy_rows.mean(axis=0)"),
            ),
            (
                "dW and db are divided by the batch size",
                "dW und db werden durch die Größe des Batches geteilt",
            ),
            (
                "leave out both divisions: the loss has divided by N already",
                "lassen Sie beide Divisionen weg: Der Verlust hat schon durch N geteilt",
            ),
        ),
        mistake(
            "self.bias.grad += dy_rows.sum(axis=0)",
            "self.bias.grad += dy_rows.sum()",
            (
                "db sums over the outputs as well, so that its entries are all equal",
                "db summiert auch über die Ausgänge, sodass alle Einträge gleich sind",
            ),
            (
                "sum over the rows only: dy.sum(axis=0)",
                "summieren Sie nur über die Zeilen: dy.sum(axis=0)",
            ),
        ),
        mistake(
            "self.bias.grad += dy_rows.sum(axis=0)",
            "self.bias.grad[...] = dy_rows[-1]",
            (
                "db is the dy of the last row alone",
                "db ist nur das dy der letzten Zeile",
            ),
            (
                "sum over the rows: += instead of = in the loop, or dy.sum(axis=0)",
                "summieren Sie über die Zeilen: += statt = in der Schleife, oder dy.sum(axis=0)",
            ),
        ),
        mistake(
            "self.weight.grad += dy_rows.T @ x_rows",
            "self.weight.grad[...] = dy_rows[-1:].T @ x_rows[-1:]",
            (
                "dW is the product of the last row alone",
                "dW ist nur das Produkt der letzten Zeile",
            ),
            (
                "sum over the rows: += instead of = in the loop, or dyᵀ x",
                "summieren Sie über die Zeilen: += statt = in der Schleife, oder dyᵀ x",
            ),
        ),
        mistake(
            "return dy @ self.weight.data if",
            "return dy[..., -1:] * self.weight.data[-1] if",
            (
                "dx is the term of the last output instead of the sum over o",
                "dx ist der Term des letzten Ausgangs statt der Summe über o",
            ),
            (
                "sum over o: += instead of = in the loop, or dy W",
                "summieren Sie über o: += statt = in der Schleife, oder dy W",
            ),
        ),
        mistake(
            "return dy @ self.weight.data if",
            "return -dy @ self.weight.data if",
            ("dx has the wrong sign", "dx hat das falsche Vorzeichen"),
            ("dx = dy W", "dx = dy W, ohne Minus"),
        ),
        mistake(
            "self.bias.grad += dy_rows.sum(axis=0)",
            "pass",
            ("db is not computed", "db wird nicht berechnet"),
            ("add Σ_n dy_n to self.bias.grad", "addieren Sie Σ_n dy_n zu self.bias.grad"),
        ),
        mistake(
            "self.weight.grad += dy_rows.T @ x_rows",
            "pass",
            ("dW is not computed", "dW wird nicht berechnet"),
            ("add dyᵀ x to self.weight.grad", "addieren Sie dyᵀ x zu self.weight.grad"),
        ),
        mistake(
            "dy_rows.T @ x_rows  # (O, I)",
            "dy_rows.T @ x_rows\n        self.weight.data -= self.weight.grad",
            ("backward changes the weights", "backward verändert die Gewichte"),
            (
                "only add to self.weight.grad; the optimizer changes the weights",
                "addieren Sie nur zu self.weight.grad; die Gewichte ändert der Optimierer",
            ),
        ),
        mistake(
            "return dy @ self.weight.data if",
            "return dy @ self.weight.grad if",
            (
                "dx is computed from the gradient of the weight instead of its values",
                "dx wird aus dem Gradienten des Gewichts berechnet statt aus seinen Werten",
            ),
            ("use self.weight.data: dx = dy W", "verwenden Sie self.weight.data: dx = dy W"),
        ),
        mistake(
            "return dy @ self.weight.data if self.needs_dx else None",
            "return dy @ self.weight.data",
            (
                "dx is returned although needs_dx is False",
                "dx wird zurückgegeben, obwohl needs_dx False ist",
            ),
            (
                "return None if self.needs_dx is False: a model's first layer saves this product",
                "geben Sie None zurück, wenn self.needs_dx False ist: Die erste Schicht eines "
                "Modells spart dieses Produkt",
            ),
        ),
    ),
)
