"""Exercise: dropout, which is judged by its properties, since the masks are random."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output, mistake
from firstlight.tools.course.trials import unchanged

FORWARD, BACKWARD = "Dropout.forward", "Dropout.backward"
N, F = 80, 50  # of the batch


def snapped(share, p, count):
    """Return the expected share that a measured one agrees with; else itself.

    A share of ``count`` random elements has the standard deviation √(p (1 - p) / count).
    """
    close = 6 * (p * (1 - p) / count) ** 0.5
    return next((one for one in (p, 1 - p, 0.0, 1.0) if abs(share - one) <= close), share)


def factor_of(values, of):
    """Return the one factor between two arrays; NaN if there are several."""
    ratios = np.asarray(values, "float64") / of
    same = ratios.size and np.allclose(ratios, ratios.flat[0], rtol=1e-4)
    return float(ratios.flat[0]) if same else np.nan


def far_from_zero(array):
    """Return an array without numbers close to 0."""
    array[...] = np.where(array < 0, array - 1, array + 1)
    return array


def trial_training(code, draw):
    """Run the layer in training mode."""
    p = float(draw.rng.choice([0.2, 0.3, 0.4]))
    layer = code.Dropout(p)
    x = far_from_zero(draw.array(N, F))
    kept = x.copy()
    y = layer(x)
    yield Output(FORWARD, "y.shape", y if y is None else str(np.shape(y)))
    if y is None:
        return
    yield Output(FORWARD, "y.dtype", str(np.asarray(y).dtype))
    m = np.asarray(y) != 0
    differ = [bool(m.all()) or len(np.unique(one, axis=0)) > 1 for one in (m, m.T)]
    yield Output(FORWARD, "len(np.unique(y != 0, axis=0)) > 1", differ[0])
    yield Output(FORWARD, "len(np.unique(y != 0, axis=1)) > 1", differ[1])
    share = snapped(1 - m.mean(), p, x.size) if all(differ) else np.nan
    yield Output(FORWARD, "mean(y == 0)", share)
    yield Output(FORWARD, "y / x (y != 0)", factor_of(y[m], kept[m]))
    yield unchanged(FORWARD, "x", x, kept)
    dy = far_from_zero(draw.array(N, F))
    kept = dy.copy()
    dx = layer.backward(dy)
    yield Output(BACKWARD, "dx.shape", dx if dx is None else str(np.shape(dx)))
    if dx is None:
        return
    yield Output(BACKWARD, "dx.dtype", str(np.asarray(dx).dtype))
    passed = np.asarray(dx) != 0
    same = bool((passed == m).all()) or share != p  # a wrong y does not tell the mask
    yield Output(BACKWARD, "(dx == 0) == (y == 0)", same)
    zeros = p if same else snapped(1 - passed.mean(), p, x.size)
    yield Output(BACKWARD, "mean(dx == 0)", zeros)
    yield Output(BACKWARD, "dx / dy (dx != 0)", factor_of(dx[passed], kept[passed]))
    dropped = factor_of(dx[~m], kept[~m]) if share == p else 0.0
    yield Output(BACKWARD, "dx / dy (y == 0)", dropped)
    yield unchanged(BACKWARD, "dy", dy, kept)
    other = np.asarray(layer(x)) != 0
    yield Output(FORWARD, "forward(x) != forward(x)", bool((other != m).any()))


def trial_edges(code, draw):
    """Run the layer with p = 0 and p = 1, and in evaluation mode."""
    x, dy = draw.array(4, 5), draw.array(4, 5)
    yield Output(FORWARD, "y (p=1)", code.Dropout(1.0)(x))
    layer = code.Dropout(0.0)
    y = layer(x)
    yield Output(FORWARD, "y (p=0)", y)
    dx = layer.backward(dy)
    yield Output(BACKWARD, "dx (p=0)", dx if np.array_equal(x, y) else dy)
    x = far_from_zero(draw.array(N, F))
    y = np.asarray(code.Dropout(0.4).eval()(x))
    yield Output(FORWARD, "y / x (training=False)", factor_of(y, x))


DRAWN = "m = self.draw(x) if self.training and self.p > 0 else None"
Y = "return x if m is None else x * m * self.scale"
DX = "return dy if m is None else dy * m * self.scale"

EXERCISE = Exercise(
    name="dropout",
    chapter=3,
    title=("Dropout: random zeros in training.", "Dropout: zufällige Nullen im Training."),
    task=(
        "Fill in forward and backward. self.draw(x) returns a random mask m of x's shape, True "
        "with probability 1 - p, and self.scale is 1 / (1 - p). self.training is False in "
        "evaluation mode; forward and backward then return their argument. backward needs the mask "
        "of forward: self.save(m), and (m,) = self.saved(), or an attribute of your own. y and dx "
        "have the dtype of x, also for p = 0 and p = 1. A mask of your own is as good.",
        "Füllen Sie forward und backward aus. self.draw(x) gibt eine zufällige Maske m in der Form "
        "von x zurück, True mit Wahrscheinlichkeit 1 - p, und self.scale ist 1 / (1 - p). "
        "self.training ist im Auswertungsmodus False; forward und backward geben dann ihr Argument "
        "zurück. backward braucht die Maske von forward: self.save(m) und (m,) = self.saved(), "
        "oder ein eigenes Attribut. y und dx haben den dtype von x, auch für p = 0 und p = 1. Eine "
        "eigene Maske ist ebenso gut.",
    ),
    lessons={"firstlight.nn.dropout": ("Dropout",)},
    blanks=(FORWARD, BACKWARD),
    trials=(trial_training, trial_edges),
    mistakes=(
        mistake(
            Y,
            "return x if m is None else x * m",
            (
                "the elements that are kept are not scaled",
                "die Elemente, die bleiben, werden nicht skaliert",
            ),
            (
                "divide by 1 - p, so that the mean stays",
                "teilen Sie durch 1 - p, damit der Mittelwert bleibt",
            ),
        ),
        mistake(
            Y,
            "return x if m is None else x * m / self.p",
            ("y is divided by p instead of 1 - p", "y wird durch p statt durch 1 - p geteilt"),
            (
                "1 - p is the probability to be kept",
                "1 - p ist die Wahrscheinlichkeit, dass ein Element bleibt",
            ),
        ),
        mistake(
            Y,
            "return x if m is None else x * m * (1 - self.p)",
            (
                "y is multiplied by 1 - p instead of divided",
                "y wird mit 1 - p multipliziert statt dadurch geteilt",
            ),
            ("y = x · m / (1 - p)", "y = x · m / (1 - p)"),
        ),
        mistake(
            Y,
            "return x * (1 - self.p) if m is None and self.p < 1 else x * (1 if m is None else m)",
            (
                "y is scaled in evaluation mode instead of in training",
                "y wird im Auswertungsmodus skaliert statt im Training",
            ),
            (
                "divide by 1 - p in training, and return x itself in evaluation",
                "teilen Sie im Training durch 1 - p und geben Sie bei der Auswertung x selbst "
                "zurück",
            ),
        ),
        mistake(
            Y,
            "return x if m is None else x * m / (1 - self.p)",
            ("with p = 1, 0/0 makes y NaN", "mit p = 1 macht 0/0 y zu NaN"),
            ("use self.scale, which is 0 then", "verwenden Sie self.scale; es ist dann 0"),
        ),
        mistake(
            Y,
            "return x if m is None else x * m * (1 / (1 - self.p))",
            (
                "with p = 1, 1 / (1 - p) raises an error",
                "mit p = 1 löst 1 / (1 - p) einen Fehler aus",
            ),
            (
                "use self.scale, which is 0 for p = 1",
                "verwenden Sie self.scale; es ist bei p = 1 0",
            ),
        ),
        mistake(
            DRAWN,
            "m = ~self.draw(x) if self.training and self.p > 0 else None",
            (
                "elements are kept with probability p instead of 1 - p",
                "Elemente bleiben mit Wahrscheinlichkeit p statt 1 - p",
            ),
            (
                "m is True where the element is kept; a mask of your own is rng.random(...) >= p",
                "m ist True, wo das Element bleibt; eine eigene Maske ist rng.random(...) >= p",
            ),
        ),
        mistake(
            DRAWN,
            "m = self.draw(x) if self.p > 0 else None",
            (
                "elements are dropped in evaluation mode as well",
                "auch im Auswertungsmodus werden Elemente auf null gesetzt",
            ),
            (
                "return x itself unless self.training is True",
                "geben Sie x selbst zurück, wenn self.training nicht True ist",
            ),
        ),
        mistake(
            DRAWN,
            DRAWN + "\n        m = self.m = getattr(self, 'm', m)",
            (
                "the mask of the first call is used again",
                "die Maske des ersten Aufrufs wird wieder verwendet",
            ),
            ("draw a new mask at each call", "ziehen Sie bei jedem Aufruf eine neue Maske"),
        ),
        mistake(
            DRAWN,
            DRAWN.replace("self.draw(x)", "self.draw(x[:1])"),
            ("all samples have the same mask", "alle Samples haben dieselbe Maske"),
            ("draw a mask of x's whole shape", "ziehen Sie eine Maske der ganzen Form von x"),
        ),
        mistake(
            DRAWN,
            DRAWN.replace("self.draw(x)", "self.draw(x[:, :1])"),
            (
                "all features of a sample have the same mask",
                "alle Merkmale eines Samples haben dieselbe Maske",
            ),
            ("draw a mask of x's whole shape", "ziehen Sie eine Maske der ganzen Form von x"),
        ),
        mistake(
            DX,
            "return dy if m is None else dy * m",
            ("dx is not scaled", "dx wird nicht skaliert"),
            (
                "multiply by the same factor 1 / (1 - p) as in forward",
                "multiplizieren Sie mit demselben Faktor 1 / (1 - p) wie in forward",
            ),
        ),
        mistake(
            DX,
            "return dy",
            (
                "the gradient passes where y was set to 0",
                "der Gradient läuft durch, wo y auf 0 gesetzt wurde",
            ),
            (
                "multiply dy by the mask that forward saved",
                "multiplizieren Sie dy mit der Maske, die forward aufbewahrt hat",
            ),
        ),
        mistake(
            DX,
            "return dy if m is None else dy * self.scale",
            ("the mask is missing in dx", "in dx fehlt die Maske"),
            (
                "multiply dy by the mask that forward saved",
                "multiplizieren Sie dy mit der Maske, die forward aufbewahrt hat",
            ),
        ),
        mistake(
            DX,
            "return dy if m is None else dy * self.draw(dy) * self.scale",
            (
                "backward draws another mask than forward",
                "backward zieht eine andere Maske als forward",
            ),
            (
                "save the mask in forward, and take it back in backward",
                "bewahren Sie die Maske in forward auf und holen Sie sie in backward zurück",
            ),
        ),
        mistake(
            DX,
            "return dy if m is None else dy * ~m * self.scale",
            (
                "the gradient passes where y is 0, and nowhere else",
                "der Gradient läuft nur dort durch, wo y null ist",
            ),
            (
                "use the mask of forward, not its opposite",
                "verwenden Sie die Maske von forward, nicht ihr Gegenteil",
            ),
        ),
        mistake(
            Y,
            "return x * self.scale if not self.training else " + Y.removeprefix("return "),
            (
                "y is divided by 1 - p in evaluation mode as well",
                "y wird auch im Auswertungsmodus durch 1 - p geteilt",
            ),
            (
                "return x itself in evaluation mode",
                "geben Sie im Auswertungsmodus x selbst zurück",
            ),
        ),
        mistake(
            Y,
            "return x * (1 - self.p) if not self.training else " + Y.removeprefix("return "),
            (
                "y is multiplied by 1 - p in evaluation mode",
                "y wird im Auswertungsmodus mit 1 - p multipliziert",
            ),
            (
                "return x itself: training has divided by 1 - p already",
                "geben Sie x selbst zurück: Das Training hat schon durch 1 - p geteilt",
            ),
        ),
        mistake(
            DX,
            "return dy if m is None else dy * m / self.p",
            ("dx is divided by p instead of 1 - p", "dx wird durch p statt durch 1 - p geteilt"),
            ("dx = dy · m / (1 - p)", "dx = dy · m / (1 - p)"),
        ),
    ),
)
