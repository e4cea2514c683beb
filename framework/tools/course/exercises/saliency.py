"""Exercise: the gradient of a class's score with respect to the pixels."""

from firstlight import nn
from firstlight.module import Module
from firstlight.tools.course.exercise import Exercise, Output
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


EXERCISE = Exercise(
    name="saliency",
    chapter=6,
    lessons={"firstlight.tools.figures.attribution": (BLANK,)},
    blanks=(BLANK,),
    trials=(vectors, one_sample, images),
)
