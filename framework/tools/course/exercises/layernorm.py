"""Exercise: forward and backward of layer normalisation."""

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import layer

FORWARD, BACKWARD = "LayerNorm.forward", "LayerNorm.backward"


def build(axes=1, **options):
    """Return a function that builds a layer of 1 or 2 last axes and a batch for it."""

    def of(code, draw):
        n, t, c = draw.size("N"), draw.size("T"), draw.size("C", 3)
        shape = (t, c)[-axes:]
        module = code.LayerNorm(shape, eps=0.1, **options)
        return draw.fill(module), 2 + draw.array(n, t, c)

    return of


def rows(code, draw):
    """Return a layer with an int for its shape, and a batch (N, C)."""
    n, c = draw.size("N"), draw.size("C", 3)
    return draw.fill(code.LayerNorm(c, eps=0.1)), draw.array(n, c)


def constant(code, draw):
    """Try a row that is constant: its variance is 0."""
    module = draw.fill(code.LayerNorm(draw.size("C")))
    x = draw.array(draw.size("N"), *module.normalized_shape)
    x[0] = 3
    y = module(x)
    yield Output(FORWARD, "y (var=0)", y)
    yield Output(BACKWARD, "dx (var=0)", module.backward(draw.array(*y.shape)))


EXERCISE = Exercise(
    name="layernorm",
    chapter=7,
    lessons={"firstlight.nn.layernorm": ("LayerNorm",)},
    blanks=(FORWARD, BACKWARD),
    trials=(
        layer("LayerNorm", rows),
        layer("LayerNorm", build(), "(N, T, C)"),
        layer("LayerNorm", build(axes=2), "(normalized_shape=(T, C))"),
        layer("LayerNorm", build(elementwise_affine=False), "(elementwise_affine=False)"),
        layer("LayerNorm", build(bias=False), "(bias=False)"),
        constant,
    ),
)
