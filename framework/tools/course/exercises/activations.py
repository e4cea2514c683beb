"""Exercise: ReLU and tanh."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import layer


def build_relu(code, draw):
    """Return ReLU and a batch that holds zeros."""
    x = draw.array(draw.size("N", 4), draw.size("F", 4))
    x[1, :2] = 0
    return code.ReLU(), x


def build_tanh(code, draw):
    """Return tanh and a batch."""
    return code.Tanh(), draw.array(draw.size("N", 4), draw.size("F", 4))


def trial_large(code, draw):
    """Run tanh on numbers whose exponential overflows."""
    case = " (x=±1000)"
    module, x = code.Tanh(), 1000 * np.sign(draw.array(draw.size("N"), draw.size("F")))
    yield Output("Tanh.forward", f"y{case}", module(x))
    yield Output("Tanh.backward", f"dx{case}", module.backward(draw.array(*x.shape)))


BOTH = "self.save(y)  # the next layer saves y too, so it takes no memory"

EXERCISE = Exercise(
    name="activations",
    chapter=3,
    title=("ReLU and tanh: activations.", "ReLU und tanh: Aktivierungen."),
    task=(
        "Fill in forward and backward of both layers. They work on each element, so that y and dx "
        "have the shape of x. forward keeps what backward needs: self.save(y), and in backward "
        "(y,) = self.saved(); an own attribute, self.y = y, is accepted, too. Neither may change "
        "its argument.",
        "Füllen Sie forward und backward beider Schichten aus. Sie wirken auf jedes Element, also "
        "haben y und dx die Form von x. forward bewahrt auf, was backward braucht: self.save(y), "
        "und in backward (y,) = self.saved(); auch ein eigenes Attribut, self.y = y, gilt. Keine "
        "der beiden Methoden darf ihr Argument ändern.",
    ),
    lessons={"firstlight.nn.relu": ("ReLU",), "firstlight.nn.sigmoid": ("Tanh",)},
    blanks=("ReLU.forward", "ReLU.backward", "Tanh.forward", "Tanh.backward"),
    trials=(layer("ReLU", build_relu), layer("Tanh", build_tanh), trial_large),
    mistakes=(
        mistake(
            "y = np.maximum(x, 0)",
            "y = np.abs(x)",
            ("ReLU returns |x|", "ReLU gibt |x| zurück"),
            ("set negative values to 0: max(x, 0)", "setzen Sie negative Werte auf 0: max(x, 0)"),
        ),
        mistake(
            "y = np.maximum(x, 0)",
            "y = np.minimum(x, 0)",
            (
                "ReLU keeps the negative values and sets the positive ones to 0",
                "ReLU behält die negativen Werte und setzt die positiven auf 0",
            ),
            ("use the maximum of x and 0", "verwenden Sie das Maximum von x und 0"),
        ),
        mistake(
            "y = np.maximum(x, 0)",
            "y = (x > 0).astype(x.dtype)",
            ("ReLU returns its derivative [x > 0]", "ReLU gibt seine Ableitung [x > 0] zurück"),
            ("return x where x > 0, and 0 elsewhere", "geben Sie x zurück, wo x > 0 gilt, sonst 0"),
        ),
        mistake(
            "y = np.maximum(x, 0)",
            "y = np.where(x > 0, x, 0.01 * x)",
            (
                "negative values are scaled by 0.01 instead of set to 0",
                "negative Werte werden mit 0,01 multipliziert statt auf 0 gesetzt",
            ),
            ("this is leaky ReLU; use max(x, 0)", "das ist Leaky ReLU; verwenden Sie max(x, 0)"),
        ),
        mistake(
            "y = np.maximum(x, 0)",
            "y = x",
            ("ReLU returns x itself", "ReLU gibt x selbst zurück"),
            ("set negative values to 0", "setzen Sie negative Werte auf 0"),
        ),
        mistake(
            "return np.where(y <= 0, 0, dy)",
            "return dy",
            (
                "the gradient passes where x was not positive",
                "der Gradient läuft auch dort durch, wo x nicht positiv war",
            ),
            ("set dx to 0 where x > 0 does not hold", "setzen Sie dx auf 0, wo nicht x > 0 gilt"),
        ),
        mistake(
            "return np.where(y <= 0, 0, dy)",
            "return np.where(dy > 0, dy, 0)",
            (
                "dx is masked by the sign of dy instead of that of x",
                "dx wird nach dem Vorzeichen von dy maskiert statt nach dem von x",
            ),
            (
                "save x or y in forward, and multiply dy by [x > 0]",
                "bewahren Sie in forward x oder y auf und multiplizieren Sie dy mit [x > 0]",
            ),
        ),
        Mistake(
            ((BOTH, "self.save(x)"), ("np.where(y <= 0, 0, dy)", "np.where(y < 0, 0, dy)")),
            ("at x = 0, the gradient passes", "bei x = 0 läuft der Gradient durch"),
            (
                "use [x > 0], not [x >= 0]: by convention the derivative at 0 is 0",
                "verwenden Sie [x > 0], nicht [x >= 0]: Nach Konvention ist die Ableitung bei 0 "
                "gleich 0",
            ),
        ),
        mistake(
            "return np.where(y <= 0, 0, dy)",
            "return (y > 0).astype(dy.dtype)",
            ("dx lacks the factor dy", "in dx fehlt der Faktor dy"),
            ("by the chain rule, dx = dy · [x > 0]", "nach der Kettenregel ist dx = dy · [x > 0]"),
        ),
        mistake(
            "return np.where(y <= 0, 0, dy)",
            "return dy * y",
            (
                "dy is multiplied by y instead of [x > 0]",
                "dy wird mit y statt mit [x > 0] multipliziert",
            ),
            ("the derivative of ReLU is 1 or 0", "die Ableitung von ReLU ist 1 oder 0"),
        ),
        mistake(
            "y = np.tanh(x)",
            "y = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))",
            (
                "exp overflows for large x, and ∞/∞ is NaN",
                "exp läuft für große x über, und ∞/∞ ist NaN",
            ),
            ("use np.tanh(x)", "verwenden Sie np.tanh(x)"),
        ),
        mistake(
            "y = np.tanh(x)",
            "y = 1 / (1 + np.exp(-x))",
            ("forward is the sigmoid, from 0 to 1", "forward ist die Sigmoidfunktion von 0 bis 1"),
            ("tanh lies between -1 and 1: np.tanh(x)", "tanh liegt zwischen -1 und 1: np.tanh(x)"),
        ),
        mistake(
            "y = np.tanh(x)",
            "y = np.tanh(x / 2)",
            ("the 2 in exp(2x) is missing", "die 2 in exp(2x) fehlt"),
            (
                "tanh(x) = (exp(2x) - 1) / (exp(2x) + 1), or np.tanh(x)",
                "tanh(x) = (exp(2x) - 1) / (exp(2x) + 1), oder np.tanh(x)",
            ),
        ),
        mistake(
            "y = np.tanh(x)",
            "y = np.tan(x)",
            ("tan instead of tanh is computed", "tan statt tanh wird berechnet"),
            (
                "use the hyperbolic tangent, np.tanh(x)",
                "verwenden Sie den Tangens hyperbolicus, np.tanh(x)",
            ),
        ),
        mistake(
            "return dy * (1 - y**2)",
            "return dy * y * (1 - y)",
            (
                "dx is that of the sigmoid, dy · y (1 - y)",
                "dx ist das der Sigmoidfunktion, dy · y (1 - y)",
            ),
            ("the derivative of tanh is 1 - y²", "die Ableitung von tanh ist 1 - y²"),
        ),
        mistake(
            "return dy * (1 - y**2)",
            "return dy * (1 - y)",
            ("y is not squared", "y wird nicht quadriert"),
            ("dx = dy · (1 - y²)", "dx = dy · (1 - y²)"),
        ),
        mistake(
            "return dy * (1 - y**2)",
            "return dy * (1 + y**2)",
            ("y² is added instead of subtracted", "y² wird addiert statt subtrahiert"),
            ("dx = dy · (1 - y²)", "dx = dy · (1 - y²)"),
        ),
        mistake(
            "return dy * (1 - y**2)",
            "return dy * (1 - np.tanh(y) ** 2)",
            (
                "tanh is applied twice: y is tanh(x) already",
                "tanh wird zweimal angewandt: y ist schon tanh(x)",
            ),
            ("use 1 - y²", "verwenden Sie 1 - y²"),
        ),
        mistake(
            "y = np.tanh(x)\n        self.save(y)",
            "y = np.tanh(x)\n        self.save(x)",
            ("1 - x² is used instead of 1 - y²", "1 - x² wird statt 1 - y² verwendet"),
            (
                "save y = tanh(x) in forward, and use 1 - y² in backward",
                "bewahren Sie in forward y = tanh(x) auf und verwenden Sie in backward 1 - y²",
            ),
        ),
        mistake(
            "return dy * (1 - y**2)",
            "return 1 - y**2",
            ("dx of tanh lacks the factor dy", "im dx von tanh fehlt der Faktor dy"),
            (
                "by the chain rule, dx = dy · (1 - y²)",
                "nach der Kettenregel ist dx = dy · (1 - y²)",
            ),
        ),
    ),
)
