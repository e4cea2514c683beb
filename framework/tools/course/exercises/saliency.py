"""Exercise: the gradient of a class's score with respect to the pixels."""

from firstlight import nn
from firstlight.module import Module
from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import unchanged

BLANK = "input_gradient"


class _Model(Module):
    """Layers in a row, one of which behaves differently in evaluation mode."""

    def __init__(self, *layers):
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)


def perceptron(draw, n, norm=nn.BatchNorm1d):
    """Return a model of vectors, in training mode, with x and y."""
    i, classes = draw.size("I"), draw.size("C", 3)
    layers = nn.Linear(i, 8), norm(8), nn.Tanh(), nn.Linear(8, classes)
    return draw.fill(_Model(*layers)), draw.array(n, i), draw.integers(classes, n)


def vectors(code, draw):
    """Try a model in training mode, which must be as before afterwards."""
    model, x, y = perceptron(draw, draw.size("N"))
    for parameter in model.parameters():
        parameter.grad[...] = draw.array(*parameter.shape)
    values, kept = model.state_dict(), x.copy()
    yield Output(BLANK, "dx", code.input_gradient(model, x, y))
    yield unchanged(BLANK, "x", x, kept)
    yield Output(BLANK, "module.training", [part.training for part in model.modules()])
    for name, parameter in model.named_parameters():
        yield Output(BLANK, f"{name}.grad", parameter.grad)
    for name, value in model.state_dict().items():
        yield unchanged(BLANK, name, value, values[name])


def one_sample(code, draw):
    """Try a single sample, and a model in evaluation mode."""
    model, x, y = perceptron(draw, 1, nn.LayerNorm)
    model.eval()
    yield Output(BLANK, "dx (N=1)", code.input_gradient(model, x, y))
    yield Output(BLANK, "module.training (eval)", [part.training for part in model.modules()])


def images(code, draw):
    """Try images, and a first layer that needs no dx in training."""
    n, classes = draw.size("N"), draw.size("C", 3)
    layers = [nn.Conv2d(1, 2, 3, needs_dx=False), nn.ReLU(), nn.Flatten(), nn.Linear(24, classes)]
    model = draw.fill(_Model(*layers)).eval()
    x, y = draw.array(n, 5, 6, 1), draw.integers(classes, n)
    yield Output(BLANK, "dx (needs_dx=False)", code.input_gradient(model, x, y))
    yield Output(BLANK, "needs_dx", [part.needs_dx for part in model.modules()])


ONE = "dy[np.arange(len(x), like=dy), y] = 1"
SOFTMAX = "dy[...] = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)\n        "
NO_DX = "if dx is None:\n        raise ValueError("
EXERCISE = Exercise(
    name="saliency",
    chapter=6,
    title=(
        "Saliency: which pixels change the score of a class.",
        "Saliency: Welche Pixel ändern den Score einer Klasse?",
    ),
    task=(
        "Fill in input_gradient, for any model. Switch to evaluation mode with "
        "module.eval(keep_backward=True), in which forward still saves for backward. Compute the "
        "scores, and let backward begin with dy = ∂s/∂s, which is 1 at the score of the class y "
        "of each sample and 0 elsewhere. The first layer of a model often has needs_dx = False and "
        "would return None: set it to True for every part in module.modules(). Afterwards the "
        "model must be as before: the mode (module.train(mode)), each needs_dx, and the gradients "
        "of the parameters, to which backward has added.",
        "Füllen Sie input_gradient aus, für ein beliebiges Modell. Schalten Sie mit "
        "module.eval(keep_backward=True) in den Auswertungsmodus, in dem forward weiterhin alles "
        "für backward aufbewahrt. Berechnen Sie die Scores, und lassen Sie backward mit dy = ∂s/∂s "
        "beginnen, das beim Score der Klasse y jedes Beispiels 1 ist und sonst 0. Die erste "
        "Schicht eines Modells hat oft needs_dx = False und gäbe None zurück: Setzen Sie es für "
        "alle Teile aus module.modules() auf True. Danach muss das Modell sein wie zuvor: der "
        "Modus (module.train(mode)), jedes needs_dx und die Gradienten der Parameter, zu denen "
        "backward addiert hat.",
    ),
    lessons={"firstlight.tools.figures.attribution": (BLANK,)},
    blanks=(BLANK,),
    trials=(vectors, one_sample, images),
    mistakes=(
        mistake(
            ONE,
            "dy[...] = 1",
            (
                "dx is the gradient of the sum of all scores",
                "dx ist der Gradient der Summe aller Scores",
            ),
            (
                "dy is 1 at the class y of each sample only",
                "dy ist nur bei der Klasse y jedes Beispiels 1",
            ),
        ),
        mistake(
            ONE,
            "dy[:, y] = 1",
            (
                "dy[:, y] = 1 sets the classes of all samples in every row",
                "dy[:, y] = 1 setzt in jeder Zeile die Klassen aller Beispiele",
            ),
            (
                "use pairs of indices: dy[np.arange(len(x)), y] = 1",
                "benutzen Sie Paare von Indizes: dy[np.arange(len(x)), y] = 1",
            ),
        ),
        mistake(
            ONE,
            "dy[np.arange(len(x), like=dy), scores.argmax(axis=1)] = 1",
            (
                "the class with the largest score is taken instead of y",
                "statt y wird die Klasse mit dem größten Score genommen",
            ),
            ("dy is 1 at the given class y", "dy ist 1 bei der gegebenen Klasse y"),
        ),
        mistake(
            ONE,
            "dy[np.arange(len(x), like=dy), y] = scores[np.arange(len(x), like=dy), y]",
            (
                "dy holds the scores instead of 1",
                "dy enthält die Scores statt 1",
            ),
            (
                "the derivative of a score with respect to itself is 1",
                "die Ableitung eines Scores nach sich selbst ist 1",
            ),
        ),
        mistake(
            ONE,
            "dy[np.arange(len(x), like=dy), y] = 1 / len(x)",
            (
                "dy is divided by the number of samples",
                "dy wird durch die Zahl der Beispiele geteilt",
            ),
            (
                "each sample's score counts for itself, without a mean: dy is 1",
                "der Score jedes Beispiels zählt für sich, ohne Mittelwert: dy ist 1",
            ),
        ),
        mistake(
            ONE,
            SOFTMAX + "dy[np.arange(len(x), like=dy), y] -= 1",
            (
                "dx is the gradient of the cross-entropy instead of the score",
                "dx ist der Gradient der Kreuzentropie statt des Scores",
            ),
            (
                "begin backward with dy = 1 at the class, without a loss",
                "beginnen Sie backward mit dy = 1 bei der Klasse, ohne Verlust",
            ),
        ),
        mistake(
            ONE,
            SOFTMAX + "dy[np.arange(len(x), like=dy), y] -= 1\n        dy /= len(x)",
            (
                "dx is the gradient of the mean cross-entropy instead of the score",
                "dx ist der Gradient der mittleren Kreuzentropie statt des Scores",
            ),
            (
                "begin backward with dy = 1 at the class, without a loss",
                "beginnen Sie backward mit dy = 1 bei der Klasse, ohne Verlust",
            ),
        ),
        mistake(
            "module.eval(keep_backward=True)\n    try:",
            "module.train()\n    try:",
            (
                "the model runs in training mode: BatchNorm takes the batch's statistics and "
                "changes its own",
                "das Modell läuft im Trainingsmodus: BatchNorm nimmt die Werte des Batches und "
                "ändert seine eigenen",
            ),
            (
                "call module.eval(keep_backward=True) first",
                "rufen Sie zuerst module.eval(keep_backward=True) auf",
            ),
        ),
        mistake(
            "module.eval(keep_backward=True)\n    try:",
            "module.eval()\n    try:",
            (
                "after eval() alone, forward saves nothing for backward",
                "nach eval() allein bewahrt forward nichts für backward auf",
            ),
            (
                "call module.eval(keep_backward=True)",
                "rufen Sie module.eval(keep_backward=True) auf",
            ),
        ),
        mistake(
            "module.train(training)",
            "pass",
            (
                "the model stays in evaluation mode",
                "das Modell bleibt im Auswertungsmodus",
            ),
            (
                "keep module.training, and call module.train with it at the end",
                "merken Sie sich module.training, und rufen Sie am Ende module.train damit auf",
            ),
        ),
        mistake(
            "module.train(training)",
            "module.train()",
            (
                "the model is in training mode afterwards, even if it was not before",
                "das Modell ist danach im Trainingsmodus, auch wenn es das vorher nicht war",
            ),
            (
                "keep module.training, and call module.train with it at the end",
                "merken Sie sich module.training, und rufen Sie am Ende module.train damit auf",
            ),
        ),
        mistake(
            "parameter.grad[...] = gradient",
            "pass",
            (
                "backward leaves its gradients in the parameters",
                "backward hinterlässt seine Gradienten in den Parametern",
            ),
            (
                "copy all gradients first, and write them back at the end",
                "kopieren Sie zuerst alle Gradienten, und schreiben Sie sie am Ende zurück",
            ),
        ),
        mistake(
            "parameter.grad[...] = gradient",
            "parameter.grad[...] = 0",
            (
                "the gradients of the parameters are set to zero",
                "die Gradienten der Parameter werden auf null gesetzt",
            ),
            (
                "they must stay as they were: copy them first, and write them back",
                "sie müssen bleiben, wie sie waren: Kopieren Sie sie, und schreiben Sie sie zurück",
            ),
        ),
        Mistake(
            (
                ("part.needs_dx = True", "part.needs_dx = part.needs_dx"),
                (NO_DX, "if dx is None:\n        return None\n        raise ValueError("),
            ),
            (
                "dx is None, since the first layer has needs_dx = False",
                "dx ist None, weil die erste Schicht needs_dx = False hat",
            ),
            (
                "set needs_dx = True for every part in module.modules() before forward",
                "setzen Sie vor forward needs_dx = True für alle Teile aus module.modules()",
            ),
        ),
        Mistake(
            (
                ("del part.needs_dx", "pass"),
                ("else:\n                part.needs_dx = value", "else:\n                pass"),
            ),
            (
                "needs_dx of the parts stays True",
                "needs_dx der Teile bleibt True",
            ),
            (
                "keep each part's value, and set it again at the end",
                "merken Sie sich den Wert jedes Teils, und setzen Sie ihn am Ende wieder",
            ),
        ),
        mistake(
            "return dx.reshape(x.shape)",
            "return abs(dx.reshape(x.shape))",
            ("dx holds absolute values", "dx enthält Beträge"),
            (
                "return the gradient with its sign; a picture may take the absolute value",
                "geben Sie den Gradienten mit Vorzeichen zurück; den Betrag bildet erst das Bild",
            ),
        ),
        mistake(
            "return dx.reshape(x.shape)",
            "return (x * dx.reshape(x.shape)).astype(x.dtype)",
            ("dx is multiplied by x", "dx ist mit x multipliziert"),
            ("return the gradient alone", "geben Sie nur den Gradienten zurück"),
        ),
    ),
)
