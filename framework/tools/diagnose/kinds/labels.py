"""Labels whose shape or numbers do not fit the model's outputs."""

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.first_step import FirstStep


class Labels(Kind):
    """Targets that are broadcast against the predictions, or labels beyond the last output."""

    name = "labels"
    about = FirstStep
    title = "labels do not fit the outputs", "Labels passen nicht zu den Ausgaben"
    look = (
        "the size of the last layer, and the shape of y, e.g. y[:, None]",
        "die Größe der letzten Schicht und die Form von y, etwa y[:, None]",
    )
    says = {
        "broadcast": (
            "y has shape {y} and the prediction {prediction}: their difference has yet another, by "
            "broadcasting",
            "y hat die Form {y}, die Vorhersage {prediction}: ihre Differenz hat durch "
            "Broadcasting noch eine andere",
        ),
        "high": (
            "labels go up to {high}, the model has outputs for 0 to {last}",
            "die Labels gehen bis {high}, das Modell hat Ausgaben für 0 bis {last}",
        ),
        "classes": (
            "the model has {count} outputs, the data {classes} classes",
            "das Modell hat {count} Ausgaben, die Daten {classes} Klassen",
        ),
        "from one": (
            "label 0 never occurs, labels go from 1 to {high}: they are numbered from 1",
            "Label 0 kommt nie vor, die Labels gehen von 1 bis {high}: sie zählen ab 1",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low", "loss-gradient", "softmax", "initial-loss"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare shapes, and the largest label with the number of outputs."""
        y = evidence.y
        z = evidence.prediction
        if not hasattr(z, "shape") or not hasattr(y, "dtype"):
            return
        if evidence.broadcasts:
            yield self.finding(evidence, "broadcast", y=y.shape, prediction=z.shape)
        elif evidence.has_class_scores:
            count, high, classes = z.shape[-1], int(y.max()), evidence.classes
            low = int(y[y >= 0].min()) if (y >= 0).any() else 0
            from_one = classes is None and low == 1 and high == count - 1
            if high >= count:
                yield self.finding(evidence, "high", high=high, last=count - 1)
            elif classes is not None and count != classes:
                yield self.finding(evidence, "classes", count=count, classes=classes)
            elif from_one and count > 2 and y.size > 20 * count:
                yield self.finding(evidence, "from one", high=high, note=True)

    right = regression()
    wrong = (
        right.replace(":1] - 2 * x[:, 1:2]", "0] - 2 * x[:, 1]")
        .replace("nn.MSELoss()", "Squares()")
        .replace(
            "net = nn",
            """class Squares(fl.Module):
    def forward(self, prediction, y):
        d = prediction - y
        self.save(d)
        return (d**2).mean()

    def backward(self, dloss=1):
        (d,) = self.saved()
        return dloss * 2 * d.mean(axis=1, keepdims=True) / len(d)


net = nn""",
        )
    )
