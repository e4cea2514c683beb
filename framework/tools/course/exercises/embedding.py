"""Exercise: forward and backward of a table of vectors."""

from firstlight.tools.course.differences import AFTER_TWO
from firstlight.tools.course.exercise import Exercise, Output, mistake
from firstlight.tools.course.trials import unchanged

FORWARD, BACKWARD = "Embedding.forward", "Embedding.backward"


def looked_up(case, indices, padding_idx=None):
    """Return a trial; ``indices(draw, v)`` returns indices below v, the length of the table."""

    def trial(code, draw):
        v, d = draw.size("V", 5, 9), draw.size("D")
        module = draw.fill(code.Embedding(v, d, padding_idx))
        x = indices(draw, v)
        kept = module.weight.data.copy()
        y = module(x)
        yield Output(FORWARD, f"y{case}", y)
        yield unchanged(FORWARD, f"self.weight.data{case}", module.weight.data, kept)
        dy = draw.array(*x.shape, d)
        before = dy.copy()
        module.backward(dy)
        yield Output(BACKWARD, f"dweight{case}", module.weight.grad.copy())
        yield unchanged(BACKWARD, f"dy{case}", dy, before)
        yield unchanged(BACKWARD, f"self.weight.data{case}", module.weight.data, kept)
        module(x)
        module.backward(dy)
        yield Output(BACKWARD, f"dweight{case}{AFTER_TWO}", module.weight.grad.copy())

    return trial


def distinct(draw, v):
    """Return indices of which none is repeated."""
    return draw.rng.permutation(v)[: draw.size("N", 3, 4)]


def sequences(draw, v):
    """Return indices (N, T), many of them repeated."""
    return draw.integers(v, draw.size("N"), draw.size("T"))


def with_padding(at):
    """Return a function for indices (N, T), the last ones of each sequence being the padding."""

    def indices(draw, v):
        x = draw.integers(v, draw.size("N"), draw.size("T", 4))
        x[:, -2:] = at % v
        return x

    return indices


def blocks(draw, v):
    """Return indices with three axes."""
    return draw.integers(v, 2, 3, draw.size("T"))


ADD = "np.add.at(self.weight.grad, x, dy)"
EXERCISE = Exercise(
    name="embedding",
    chapter=7,
    title=("Embedding: a table of vectors.", "Embedding: eine Tabelle von Vektoren."),
    task=(
        "Fill in forward and backward. x holds integers, with any number of axes; forward replaces "
        "each by its row of the table. backward adds dy to the rows that were used: an index that "
        "occurs twice gets both gradients. The row padding_idx, if it is not None, gets no "
        "gradient. Integers have no gradient, so what backward returns does not count.",
        "Füllen Sie forward und backward aus. x enthält ganze Zahlen, mit beliebig vielen Achsen; "
        "forward ersetzt jede durch ihre Zeile der Tabelle. backward addiert dy zu den benutzten "
        "Zeilen: Ein Index, der zweimal vorkommt, bekommt beide Gradienten. Die Zeile padding_idx "
        "bekommt, wenn sie nicht None ist, keinen Gradienten. Ganze Zahlen haben keinen "
        "Gradienten, die Rückgabe von backward zählt also nicht.",
    ),
    lessons={"firstlight.nn.embedding": ("Embedding",)},
    blanks=(FORWARD, BACKWARD),
    trials=(
        looked_up("", distinct),
        looked_up(" (N, T)", sequences),
        looked_up(" (2, 3, T)", blocks),
        looked_up(" (padding_idx=2)", with_padding(2), 2),
        looked_up(" (padding_idx=0)", with_padding(0), 0),
        looked_up(" (padding_idx=-1)", with_padding(-1), -1),
    ),
    mistakes=(
        mistake(
            ADD,
            "self.weight.grad[x] += dy",
            (
                "a repeated index gets one gradient only: grad[x] += dy adds to each row once",
                "ein Index, der mehrfach vorkommt, bekommt nur einen Gradienten: grad[x] += dy "
                "addiert zu jeder Zeile nur einmal",
            ),
            (
                "use np.add.at(grad, x, dy), or a loop over the indices",
                "nehmen Sie np.add.at(grad, x, dy) oder eine Schleife über die Indizes",
            ),
        ),
        mistake(
            ADD,
            "count = np.bincount(x, minlength=self.num_embeddings)[x][:, None]\n"
            "        np.add.at(self.weight.grad, x, (dy / count).astype(dy.dtype))",
            (
                "the gradients of a repeated index are averaged",
                "die Gradienten eines mehrfachen Index werden gemittelt",
            ),
            ("add them", "addieren Sie sie"),
        ),
        mistake(
            ADD,
            "np.add.at(self.weight.grad, x, 1)",
            (
                "each use adds 1 to the row instead of dy",
                "jede Benutzung addiert 1 zur Zeile statt dy",
            ),
            (
                "by the chain rule, add dy_n to row x_n",
                "addieren Sie nach der Kettenregel dy_n zur Zeile x_n",
            ),
        ),
        mistake(
            "if self.padding_idx is not None:\n            dy =",
            "if False:\n            dy =",
            (
                "the row padding_idx gets a gradient",
                "die Zeile padding_idx bekommt einen Gradienten",
            ),
            (
                "leave out the positions where x is padding_idx",
                "lassen Sie die Stellen aus, an denen x gleich padding_idx ist",
            ),
        ),
        mistake(
            "if self.padding_idx is not None:\n            dy =",
            "if self.padding_idx:\n            dy =",
            (
                "padding_idx = 0 counts as no padding",
                "padding_idx = 0 wird wie None behandelt",
            ),
            (
                "0 is false in Python: compare with None, if self.padding_idx is not None",
                "0 gilt in Python als False: Vergleichen Sie mit None, if self.padding_idx is not "
                "None",
            ),
        ),
        mistake(
            "np.where((x != self.padding_idx)[:, None], dy, 0)",
            "np.where((x == self.padding_idx)[:, None], dy, 0)",
            (
                "only the row padding_idx gets a gradient",
                "nur die Zeile padding_idx bekommt einen Gradienten",
            ),
            (
                "keep dy where x is not padding_idx: != instead of ==",
                "behalten Sie dy, wo x nicht padding_idx ist: != statt ==",
            ),
        ),
        mistake(
            "return self.weight.data[x]",
            "y = self.weight.data[x]\n"
            "        if self.padding_idx is not None:\n"
            "            y[x == self.padding_idx] = 0\n"
            "        return y",
            (
                "forward returns zeros for padding_idx",
                "forward gibt für padding_idx Nullen zurück",
            ),
            (
                "return the row of the table: it is zero at first, and then as it was loaded",
                "geben Sie die Zeile der Tabelle zurück: Sie ist am Anfang null und sonst so, wie "
                "sie geladen wurde",
            ),
        ),
        mistake(
            "dy.reshape(-1, self.embedding_dim)",
            "dy.reshape(self.embedding_dim, -1).T",
            (
                "dy is reshaped to (D, …) and transposed: the numbers end up in other vectors",
                "dy wird zu (D, …) umgeformt und transponiert: Die Zahlen geraten in andere "
                "Vektoren",
            ),
            ("reshape to (-1, D)", "formen Sie zu (-1, D) um"),
        ),
        mistake(
            "x, dy = x.reshape(-1),",
            "x, dy = x.T.reshape(-1),",
            (
                "x and dy are flattened in different orders",
                "x und dy werden in verschiedener Reihenfolge flach gemacht",
            ),
            (
                "flatten both by reshape, without transposing",
                "formen Sie beide mit reshape um, ohne zu transponieren",
            ),
        ),
        mistake(
            ADD,
            "np.add.at(self.weight.grad, x, dy / len(dy))",
            (
                "the gradient is divided by the number of indices",
                "der Gradient wird durch die Zahl der Indizes geteilt",
            ),
            (
                "leave out the division: the loss has divided already, so dy holds the factor",
                "lassen Sie die Division weg: Der Verlust hat schon geteilt, der Faktor steckt in "
                "dy",
            ),
        ),
        mistake(
            ADD,
            "np.subtract.at(self.weight.data, x, dy)",
            (
                "backward changes the table instead of its gradient",
                "backward ändert die Tabelle statt ihres Gradienten",
            ),
            (
                "add to self.weight.grad; the optimizer changes the table",
                "addieren Sie zu self.weight.grad; die Tabelle ändert der Optimierer",
            ),
        ),
    ),
)
