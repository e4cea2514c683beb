"""Exercise: forward and backward of batch normalisation, and its running statistics."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import layer

TRACK, FORWARD, BACKWARD = "BatchNorm.track", "BatchNorm.forward", "BatchNorm.backward"


def built(code, draw, channels, **options):
    """Return a layer with parameters and running statistics of a draw."""
    module = draw.fill(code.BatchNorm1d(channels, eps=0.1, momentum=0.3, **options))
    if module.running_mean is not None:
        module.running_mean.data[...] = draw.array(channels)
        module.running_var.data[...] = 1 + draw.array(channels) ** 2
    return module


def rows(code, draw):
    """Return a layer and a batch (N, C)."""
    n, c = draw.size("N", 4), draw.size("C")
    return built(code, draw, c), draw.array(n, c)


def sequences(code, draw):
    """Return a layer and a batch (N, L, C)."""
    n, length, c = draw.size("N"), draw.size("L"), draw.size("C")
    return built(code, draw, c), draw.array(n, length, c)


def without_weights(code, draw):
    """Return a layer without w and b, and a batch."""
    n, c = draw.size("N", 4), draw.size("C")
    return built(code, draw, c, affine=False), draw.array(n, c)


def tracked(code, draw):
    """Try one update of the running statistics."""
    c = draw.size("C")
    module = built(code, draw, c)
    module.track(draw.array(c), draw.array(c) ** 2, draw.size("n"))
    yield Output(TRACK, "running_mean", module.running_mean.data)
    yield Output(TRACK, "running_var", module.running_var.data)


def calls_of_track(code, draw):
    """Try what forward passes to track in training."""
    module, x = sequences(code, draw)
    calls = []
    module.track = lambda mean, var, n: calls.append((mean, var, n))
    module(x)
    yield Output(FORWARD, "calls of track", len(calls))
    for mean, var, n in calls:
        yield Output(FORWARD, "mean for track", np.ravel(mean))
        yield Output(FORWARD, "var for track", np.ravel(var))
        yield Output(FORWARD, "n for track", float(n))


def evaluation(code, draw):
    """Try evaluation mode."""
    module, x = sequences(code, draw)
    module.eval(keep_backward=True)
    kept = module.running_mean.data.copy()
    y = module(x)
    yield Output(FORWARD, "y (training=False)", y)
    changed = not np.array_equal(module.running_mean.data, kept)
    yield Output(FORWARD, "running_mean changes in evaluation mode", changed)
    yield Output(BACKWARD, "dx (training=False)", module.backward(draw.array(*y.shape)))
    yield Output(BACKWARD, "dweight (training=False)", module.weight.grad)
    yield Output(BACKWARD, "dbias (training=False)", module.bias.grad)


def untracked(code, draw):
    """Try training and evaluation without running statistics: both use those of the batch."""
    n, c = draw.size("N", 4), draw.size("C")
    module = built(code, draw, c, track_running_stats=False)
    yield Output(FORWARD, "y (running_mean=None)", module(draw.array(n, c)))
    module.eval(keep_backward=True)
    y = module(draw.array(n, c))
    yield Output(FORWARD, "y (running_mean=None, training=False)", y)
    dx = module.backward(draw.array(n, c))
    yield Output(BACKWARD, "dx (running_mean=None, training=False)", dx)


def constant(code, draw):
    """Try a channel that is constant: its variance is 0."""
    module = draw.fill(code.BatchNorm1d(draw.size("C")))
    x = draw.array(draw.size("N"), module.num_features)
    x[:, 0] = 3
    y = module(x)
    yield Output(FORWARD, "y (var=0)", y)
    yield Output(BACKWARD, "dx (var=0)", module.backward(draw.array(*y.shape)))


EXERCISE = Exercise(
    name="batchnorm",
    chapter=6,
    title=(
        "BatchNorm: standardise each channel over the batch.",
        "BatchNorm: jeden Kanal über den Batch standardisieren.",
    ),
    task=(
        "Fill in track, forward and backward of BatchNorm. In training, forward takes mean and "
        "(biased) variance of the batch over all axes but the last, calls self.track(mean, var, n) "
        "with the n values of a channel, and backward lets the gradient pass through mean and "
        "variance too. In evaluation mode, if there are running statistics, forward uses these, "
        "and for backward they are constants. track mixes the new values into the running ones: "
        "(1 - momentum) · old + momentum · new, with the unbiased variance; it writes into "
        "self.running_mean.data[...] and self.running_var.data[...], or does nothing if these are "
        "None. self.affine() returns w and b, 1 and 0 if there are none.",
        "Füllen Sie track, forward und backward von BatchNorm aus. Im Training nimmt forward "
        "Mittelwert und (verzerrte) Varianz des Batches über alle Achsen außer der letzten, ruft "
        "self.track(mean, var, n) mit den n Werten eines Kanals auf, und backward lässt den "
        "Gradienten auch durch Mittelwert und Varianz laufen. Im Auswertungsmodus (eval) nimmt "
        "forward die laufenden Werte, wenn es sie gibt, und für backward sind sie Konstanten. "
        "track mischt die neuen Werte in die laufenden: (1 - momentum) · alt + momentum · neu, mit "
        "der unverzerrten Varianz; es schreibt in self.running_mean.data[...] und "
        "self.running_var.data[...] oder tut nichts, wenn diese None sind. self.affine() gibt w "
        "und b zurück, 1 und 0, wenn es sie nicht gibt.",
    ),
    lessons={"firstlight.nn.batchnorm": ("BatchNorm1d",)},
    blanks=(TRACK, FORWARD, BACKWARD),
    trials=(
        tracked,
        layer("BatchNorm", rows),
        layer("BatchNorm", sequences, "(N, L, C)"),
        layer("BatchNorm", without_weights, "(affine=False)"),
        calls_of_track,
        evaluation,
        untracked,
        constant,
    ),
    mistakes=(
        mistake(
            "axes = tuple(range(x.ndim - 1))  # all but the channels",
            "axes = 0",
            (
                "mean and variance are taken over the first axis only",
                "Mittelwert und Varianz werden nur über die erste Achse gebildet",
            ),
            (
                "take them over all axes but the last: axis=tuple(range(x.ndim - 1))",
                "bilden Sie sie über alle Achsen außer der letzten: axis=tuple(range(x.ndim - 1))",
            ),
        ),
        Mistake(
            (
                ("axes = tuple(range(x.ndim - 1))  # all but the channels", "axes = 0"),
                ("n = x.size // self.num_features", "n = len(x)"),
            ),
            (
                "mean, variance and n are those of the first axis only",
                "Mittelwert, Varianz und n sind nur die der ersten Achse",
            ),
            (
                "take them over all axes but the last: axis=tuple(range(x.ndim - 1))",
                "bilden Sie sie über alle Achsen außer der letzten: axis=tuple(range(x.ndim - 1))",
            ),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return w * r * (dy - db / n - 2 * x_hat * dw / n)",
            (
                "in dx, the path through the variance counts twice",
                "in dx zählt der Weg durch die Varianz doppelt",
            ),
            (
                "the derivative of (var + eps)^(-1/2) has the factor 1/2",
                "die Ableitung von (var + eps)^(-1/2) hat den Faktor 1/2",
            ),
        ),
        mistake(
            "keep, new = 1 - self.momentum, self.momentum",
            "keep, new = self.momentum, 1 - self.momentum",
            (
                "momentum and 1 - momentum are exchanged",
                "momentum und 1 - momentum sind vertauscht",
            ),
            (
                "momentum is the weight of the new batch",
                "momentum ist das Gewicht des neuen Batches",
            ),
        ),
        mistake(
            "var = var * (n / (n - 1))",
            "pass",
            (
                "the running variance takes the biased variance",
                "die laufende Varianz nimmt die verzerrte Varianz",
            ),
            (
                "multiply var by n / (n - 1) before it is mixed in",
                "multiplizieren Sie var mit n / (n - 1), bevor sie eingemischt wird",
            ),
        ),
        mistake(
            "var = var * (n / (n - 1))",
            "var = var * ((n - 1) / n)",
            (
                "the variance is multiplied by (n - 1) / n",
                "die Varianz wird mit (n - 1) / n multipliziert",
            ),
            (
                "the unbiased variance is larger: multiply by n / (n - 1)",
                "die unverzerrte Varianz ist größer: Multiplizieren Sie mit n / (n - 1)",
            ),
        ),
        mistake(
            "self.running_var.data[...] = keep * self.running_var.data + new * var",
            "self.running_var.data[...] = keep * self.running_var.data + new * np.sqrt(var)",
            (
                "running_var takes the standard deviation",
                "running_var nimmt die Standardabweichung",
            ),
            ("keep the variance, without the root", "nehmen Sie die Varianz, ohne Wurzel"),
        ),
        mistake(
            "self.running_mean.data[...] = keep * self.running_mean.data + new * mean\n"
            "            self.running_var.data[...] = keep * self.running_var.data + new * var",
            "self.running_mean.data[...] = mean\n            self.running_var.data[...] = var",
            (
                "the new statistics replace the running ones",
                "die neuen Werte ersetzen die laufenden",
            ),
            (
                "mix: (1 - momentum) · old + momentum · new",
                "mischen Sie: (1 - momentum) · alt + momentum · neu",
            ),
        ),
        mistake(
            "self.track(mean, var, n)\n        else:",
            "pass\n        else:",
            (
                "the running statistics do not change in training",
                "die laufenden Werte ändern sich im Training nicht",
            ),
            ("call self.track(mean, var, n)", "rufen Sie self.track(mean, var, n) auf"),
        ),
        mistake(
            "var = np.square(x - mean).mean(axis=axes)",
            "var = x.var(axis=axes, ddof=1)",
            (
                "x is divided by the unbiased standard deviation, with n - 1",
                "x wird durch die unverzerrte Standardabweichung geteilt, mit n - 1",
            ),
            (
                "divide the sum of squares by n; track alone uses n - 1",
                "teilen Sie die Quadratsumme durch n; nur track nimmt n - 1",
            ),
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
                "r = 1/√(var + eps), which is finite for a constant channel",
                "es gilt r = 1/√(var + eps), das bei einem konstanten Kanal endlich ist",
            ),
        ),
        mistake(
            "r = 1 / np.sqrt(var + self.eps)",
            "r = 1 / (var + self.eps)",
            (
                "x is divided by the variance",
                "x wird durch die Varianz geteilt",
            ),
            (
                "divide by the standard deviation: take the root",
                "teilen Sie durch die Standardabweichung: Ziehen Sie die Wurzel",
            ),
        ),
        mistake(
            "if self.training or self.running_mean is None:",
            "if True:",
            (
                "evaluation mode uses the statistics of the batch",
                "der Auswertungsmodus nimmt Mittelwert und Varianz des Batches",
            ),
            (
                "after eval(), use self.running_mean.data and self.running_var.data",
                "nehmen Sie nach eval() self.running_mean.data und self.running_var.data",
            ),
        ),
        mistake(
            "self.track(mean, var, n)\n        else:",
            "self.track(mean, var, n)\n"
            "            if self.running_mean is not None:\n"
            "                mean = self.running_mean.data.copy()\n"
            "                var = self.running_var.data.copy()\n"
            "        else:",
            (
                "training uses the running statistics",
                "das Training nimmt die laufenden Werte",
            ),
            (
                "in training, use mean and variance of the batch",
                "nehmen Sie im Training Mittelwert und Varianz des Batches",
            ),
        ),
        mistake(
            "n = x.size // self.num_features",
            "n = len(x)",
            (
                "n is the batch size N, although a channel has N L values",
                "n ist die Größe N des Batches, obwohl ein Kanal N L Werte hat",
            ),
            (
                "n is the number of values of a channel: x.size / C",
                "n ist die Zahl der Werte eines Kanals: x.size / C",
            ),
        ),
        mistake(
            "return w * x_hat + b",
            "return x_hat",
            ("w and b are not applied", "w und b werden nicht angewandt"),
            ("y = w x̂ + b", "es gilt y = w x̂ + b"),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return w * r * dy",
            (
                "dx treats mean and variance as constants in training",
                "dx behandelt Mittelwert und Varianz im Training als Konstanten",
            ),
            (
                "they depend on x: dx = w r (dy - db/n - x̂ dw/n)",
                "sie hängen von x ab: dx = w r (dy - db/n - x̂ dw/n)",
            ),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return w * r * (dy - db / n)",
            (
                "dx treats the variance as a constant",
                "dx behandelt die Varianz als Konstante",
            ),
            (
                "the variance depends on x: subtract x̂ dw/n as well",
                "die Varianz hängt von x ab: Ziehen Sie auch x̂ dw/n ab",
            ),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return w * r * (dy - x_hat * dw / n)",
            (
                "dx treats the mean as a constant",
                "dx behandelt den Mittelwert als Konstante",
            ),
            (
                "the mean depends on x: subtract db/n as well",
                "der Mittelwert hängt von x ab: Ziehen Sie auch db/n ab",
            ),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return w * r * (dy - db - x_hat * dw)",
            (
                "dx subtracts sums instead of means",
                "dx zieht Summen statt Mittelwerten ab",
            ),
            ("divide db and dw by n in dx", "teilen Sie db und dw in dx durch n"),
        ),
        mistake(
            "return w * r * (dy - db / n - x_hat * dw / n)",
            "return r * (dy - db / n - x_hat * dw / n)",
            ("dx lacks the factor w", "in dx fehlt der Faktor w"),
            (
                "y = w x̂ + b, so dx̂ = w dy",
                "wegen y = w x̂ + b ist dx̂ = w dy",
            ),
        ),
        mistake(
            "if n is None:",
            "n = n or dy.size // self.num_features\n        if n is None:",
            (
                "in evaluation mode, dx lets the gradient pass through mean and variance",
                "im Auswertungsmodus lässt dx den Gradienten durch Mittelwert und Varianz laufen",
            ),
            (
                "the running statistics are constants: dx = w r dy",
                "die laufenden Werte sind Konstanten: dx = w r dy",
            ),
        ),
        mistake(
            "self.weight.grad += dw",
            "self.weight.grad += dy.sum(axis=axes)",
            ("dw is the sum of dy", "dw ist die Summe von dy"),
            ("y = w x̂ + b, so dw = Σ dy x̂", "wegen y = w x̂ + b ist dw = Σ dy x̂"),
        ),
    ),
)
