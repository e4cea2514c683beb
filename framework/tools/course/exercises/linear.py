"""Exercise: forward and backward of a linear layer."""

from firstlight.tools.course.exercise import Exercise, mistake
from firstlight.tools.course.trials import layer


def build(code, draw):
    """Return a layer and a batch for it."""
    n, i, o = draw.size("N"), draw.size("I"), draw.size("O")
    return draw.fill(code.Linear(i, o)), draw.array(n, i)


EXERCISE = Exercise(
    name="linear",
    chapter=3,
    title=("Linear: matrix product and bias.", "Linear: Matrixprodukt und Bias."),
    task=(
        "Fill in forward and backward as the docstring defines them. forward saves with "
        "self.save(...) what backward needs and takes back with self.saved(). backward adds to the "
        "gradients of the parameters, since several passes may add up, and returns dx.",
        "Füllen Sie forward und backward so aus, wie der Docstring sie definiert. forward bewahrt "
        "mit self.save(...) auf, was backward braucht und mit self.saved() zurückholt. backward "
        "addiert zu den Gradienten der Parameter, denn mehrere Durchläufe dürfen sich addieren, "
        "und gibt dx zurück.",
    ),
    lessons={"firstlight.nn.linear": ("Linear",)},
    blanks=("Linear.forward", "Linear.backward"),
    trials=(layer("Linear", build),),
    mistakes=(
        mistake(
            "y = y + self.bias.data",
            "pass",
            ("the bias is not added", "der Bias wird nicht addiert"),
            ("add self.bias.data to every row", "addieren Sie self.bias.data zu jeder Zeile"),
        ),
        mistake(
            "self.weight.grad += dy_rows.T @ x_rows",
            "self.weight.grad += dy_rows.T @ x_rows / len(x_rows)",
            (
                "dW is divided by the batch size",
                "dW wird durch die Größe des Batches geteilt",
            ),
            (
                "leave out the division: the loss has divided by N already, so dy holds the factor",
                "lassen Sie die Division weg: Der Verlust hat schon durch N geteilt, der Faktor "
                "steckt in dy",
            ),
        ),
    ),
)
