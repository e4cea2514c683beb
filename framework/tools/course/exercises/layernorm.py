"""Exercise: forward and backward of layer normalisation."""

from firstlight.tools.course.exercise import Exercise, Output, mistake
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
    title=(
        "LayerNorm: standardise each row of a sample.",
        "LayerNorm: jede Zeile eines Beispiels standardisieren.",
    ),
    task=(
        "Fill in forward and backward. A row is the last axes of x, which self.axes counts from "
        "the end: (-1,) or (-2, -1). Mean and (biased) variance are taken over these, in training "
        "and evaluation alike; dw and db are sums over all other axes. self.affine() returns w and "
        "b, 1 and 0 if there are none; self.weight and self.bias may be None.",
        "Füllen Sie forward und backward aus. Eine Zeile sind die letzten Achsen von x, die "
        "self.axes vom Ende zählt: (-1,) oder (-2, -1). Mittelwert und (verzerrte) Varianz werden "
        "über diese genommen, im Training wie bei der Auswertung; dw und db sind Summen über alle "
        "anderen Achsen. self.affine() gibt w und b zurück, 1 und 0, wenn es sie nicht gibt; "
        "self.weight und self.bias können None sein.",
    ),
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
    mistakes=(
        mistake(
            "x_hat = (x - mean) * r",
            "mean, var = x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)\n"
            "        r = 1 / np.sqrt(var + self.eps)\n"
            "        x_hat = (x - mean) * r",
            (
                "mean and variance are taken over the samples, the first axis",
                "Mittelwert und Varianz werden über die Beispiele gebildet, die erste Achse",
            ),
            (
                "each row has its own: take them over self.axes, with keepdims=True",
                "jede Zeile hat eigene: Bilden Sie sie über self.axes, mit keepdims=True",
            ),
        ),
        mistake(
            "x_hat = (x - mean) * r",
            "axes = tuple(range(x.ndim - 1))\n"
            "        mean, var = x.mean(axis=axes), x.var(axis=axes)\n"
            "        r = 1 / np.sqrt(var + self.eps)\n"
            "        x_hat = (x - mean) * r",
            (
                "mean and variance are those of a channel over the batch, as in BatchNorm",
                "Mittelwert und Varianz sind die eines Kanals über den Batch, wie bei BatchNorm",
            ),
            (
                "take them over the last axes: axis=self.axes, keepdims=True",
                "nehmen Sie sie über die letzten Achsen: axis=self.axes, keepdims=True",
            ),
        ),
        mistake(
            "x_hat = (x - mean) * r",
            "mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)\n"
            "        r = 1 / np.sqrt(var + self.eps)\n"
            "        x_hat = (x - mean) * r",
            (
                "mean and variance are taken over the last axis only",
                "Mittelwert und Varianz werden nur über die letzte Achse genommen",
            ),
            (
                "a row may have several axes: axis=self.axes",
                "eine Zeile kann mehrere Achsen haben: axis=self.axes",
            ),
        ),
        mistake(
            "var = np.square(x - mean).mean(axis=self.axes, keepdims=True)",
            "var = x.var(axis=self.axes, keepdims=True, ddof=1)",
            (
                "the variance is the unbiased one, with n - 1",
                "die Varianz ist die unverzerrte, mit n - 1",
            ),
            ("divide the sum of squares by n", "teilen Sie die Quadratsumme durch n"),
        ),
        mistake(
            "r = 1 / np.sqrt(var + self.eps)",
            "r = 1 / (np.sqrt(var) + self.eps)",
            ("eps is added outside of the root", "eps wird außerhalb der Wurzel addiert"),
            ("r = 1/√(var + eps)", "es gilt r = 1/√(var + eps)"),
        ),
        mistake(
            "r = 1 / np.sqrt(var + self.eps)",
            "r = 1 / np.sqrt(var)",
            ("eps is missing", "eps fehlt"),
            (
                "r = 1/√(var + eps), which is finite for a constant row",
                "es gilt r = 1/√(var + eps), das bei einer konstanten Zeile endlich ist",
            ),
        ),
        mistake(
            "r = 1 / np.sqrt(var + self.eps)",
            "r = 1 / (var + self.eps)",
            ("x is divided by the variance", "x wird durch die Varianz geteilt"),
            (
                "divide by the standard deviation: take the root",
                "teilen Sie durch die Standardabweichung: Ziehen Sie die Wurzel",
            ),
        ),
        mistake(
            "x_hat = (x - mean) * r",
            "x_hat = x * r",
            ("the mean is not subtracted", "der Mittelwert wird nicht abgezogen"),
            ("x̂ = (x - mean) r", "es gilt x̂ = (x - mean) r"),
        ),
        mistake(
            "return w * x_hat + b",
            "return x_hat",
            ("w and b are not applied", "w und b werden nicht angewandt"),
            ("y = w x̂ + b", "es gilt y = w x̂ + b"),
        ),
        mistake(
            "return r * (g - mean_g - x_hat * mean_g_x_hat)",
            "return r * g",
            (
                "dx treats mean and variance as constants",
                "dx behandelt Mittelwert und Varianz als Konstanten",
            ),
            (
                "they depend on x: dx = r (g - mean(g) - x̂ mean(g x̂))",
                "sie hängen von x ab: dx = r (g - mean(g) - x̂ mean(g x̂))",
            ),
        ),
        mistake(
            "return r * (g - mean_g - x_hat * mean_g_x_hat)",
            "return r * (g - mean_g)",
            (
                "dx treats the variance as a constant",
                "dx behandelt die Varianz als Konstante",
            ),
            (
                "the variance depends on x: subtract x̂ mean(g x̂) as well",
                "die Varianz hängt von x ab: Ziehen Sie auch x̂ mean(g x̂) ab",
            ),
        ),
        mistake(
            "return r * (g - mean_g - x_hat * mean_g_x_hat)",
            "return r * (g - x_hat * mean_g_x_hat)",
            ("dx treats the mean as a constant", "dx behandelt den Mittelwert als Konstante"),
            (
                "the mean depends on x: subtract mean(g) as well",
                "der Mittelwert hängt von x ab: Ziehen Sie auch mean(g) ab",
            ),
        ),
        mistake(
            "g = dy * w",
            "g = dy",
            ("dx lacks the factor w", "in dx fehlt der Faktor w"),
            (
                "y = w x̂ + b, so begin with g = dy w",
                "wegen y = w x̂ + b beginnen Sie mit g = dy w",
            ),
        ),
        mistake(
            "g = dy * w  # (..., *normalized_shape)\n"
            "        mean_g = g.mean(axis=self.axes, keepdims=True)  # (..., 1)\n"
            "        mean_g_x_hat = (g * x_hat).mean(axis=self.axes, keepdims=True)  # (..., 1)\n"
            "        return r * (g",
            "g = dy\n"
            "        mean_g = g.mean(axis=self.axes, keepdims=True)\n"
            "        mean_g_x_hat = (g * x_hat).mean(axis=self.axes, keepdims=True)\n"
            "        return w * r * (g",
            (
                "dx multiplies by w last, after the means",
                "dx multipliziert zuletzt mit w, nach den Mittelwerten",
            ),
            (
                "w differs within a row, so take the means of g = dy w",
                "w ist innerhalb einer Zeile verschieden: Bilden Sie die Mittelwerte von g = dy w",
            ),
        ),
        mistake(
            "mean_g = g.mean(axis=self.axes, keepdims=True)  # (..., 1)\n"
            "        mean_g_x_hat = (g * x_hat).mean(",
            "mean_g = g.sum(axis=self.axes, keepdims=True)\n"
            "        mean_g_x_hat = (g * x_hat).sum(",
            ("dx subtracts sums instead of means", "dx zieht Summen statt Mittelwerten ab"),
            ("divide both by n", "teilen Sie beide durch n"),
        ),
        mistake(
            "self.weight.grad += (dy * x_hat).sum(axis=rows)",
            "self.weight.grad += dy.sum(axis=rows)",
            ("dw is the sum of dy", "dw ist die Summe von dy"),
            ("y = w x̂ + b, so dw = Σ dy x̂", "wegen y = w x̂ + b ist dw = Σ dy x̂"),
        ),
        mistake(
            "self.weight.grad += (dy * x_hat).sum(axis=rows)",
            "self.weight.grad += (dy * x_hat).mean(axis=rows)",
            (
                "dw is a mean over the rows instead of the sum",
                "dw ist ein Mittelwert über die Zeilen statt der Summe",
            ),
            (
                "w is used in every row, so the gradients add",
                "w wird in jeder Zeile benutzt, die Gradienten addieren sich also",
            ),
        ),
    ),
)
