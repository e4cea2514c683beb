"""Exercise: forward and backward of max-pooling."""

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import layer

FORWARD, BACKWARD = "MaxPool2d.forward", "MaxPool2d.backward"


def build(kernel, stride=None, padding=0):
    """Return a function that builds a layer and a batch for it."""

    def of(code, draw):
        x = draw.array(draw.size("N"), 6, 7, draw.size("C"))
        return code.MaxPool2d(kernel, stride, padding), x

    return of


def negative(code, draw):
    """Try an image without a positive pixel, with a border."""
    module = code.MaxPool2d((3, 2), 1, 1)
    x = -1 - abs(draw.array(draw.size("N"), 5, 4, draw.size("C")))
    y = module(x)
    yield Output(FORWARD, "y (x<0, padding=1)", y)
    yield Output(BACKWARD, "dx (x<0, padding=1)", module.backward(draw.array(*y.shape)))


def ties(code, draw):
    """Try windows in which several pixels are the largest."""
    module = code.MaxPool2d((2, 3))
    x = draw.integers(2, draw.size("N"), 6, 6, draw.size("C")).astype(draw.dtype)
    y = module(x)
    yield Output(FORWARD, "y (max=max)", y)
    yield Output(BACKWARD, "dx (max=max)", module.backward(draw.array(*y.shape)))


SCATTER = """for k, windows, pixels in _taps(self.window, shape[1:3]):
            dx[pixels] += np.where(place[windows] == k, dy[windows], 0)"""
ONE_BY_ONE = """(kh, kw), (sh, sw) = self.window.kernel, self.window.stride
        for n, h, w, c in np.ndindex(dy.shape):
            k = place[n, h, w, c]
            i, j = k // {width}, k % {width}
            i, j = h * sh - self.window.before[0] + i, w * sw - self.window.before[1] + j
            dx[n, i, j, c] {operator} dy[n, h, w, c]"""
ADDED = "np.where(place[windows] == k, dy[windows], 0)"
KEEP, GET = "self.save(place, x.shape)", "place, shape = self.saved()"

EXERCISE = Exercise(
    name="max_pooling",
    chapter=6,
    title=(
        "MaxPool2d: the largest pixel of each window.",
        "MaxPool2d: das größte Pixel im Fenster.",
    ),
    task=(
        "Fill in forward and backward. self.window.kernel is (kh, kw), self.window.stride is "
        "(vertical, horizontal), self.window.padding is ((above, below), (left, right)), the "
        "border of the image, and self.window.positions((H, W)) gives (oh, ow). The border counts "
        "as -∞, so that it is never the largest. forward saves where the largest pixel of each "
        "window is, the first of equal ones; backward adds dy there, since windows may overlap. "
        "dilation = 1 and ceil_mode = False are enough. You may use _taps, which yields the "
        "pixels of all windows at one position, or plain loops.",
        "Füllen Sie forward und backward aus. self.window.kernel ist (kh, kw), self.window.stride "
        "ist (senkrecht, waagerecht), self.window.padding ist ((oben, unten), (links, rechts)), "
        "der Rand des Bildes, und self.window.positions((H, W)) ergibt (oh, ow). Der Rand zählt "
        "als -∞, ist also nie das Größte. forward bewahrt auf, wo das größte Pixel jedes Fensters "
        "liegt, bei gleichen das erste; backward addiert dy dort, denn Fenster dürfen sich "
        "überlappen. dilation = 1 und ceil_mode = False genügen. Sie dürfen _taps benutzen, das "
        "die Pixel aller Fenster an einer Position liefert, oder einfache Schleifen.",
    ),
    lessons={"firstlight.nn.pooling": ("MaxPool2d",)},
    blanks=(FORWARD, BACKWARD),
    trials=(
        layer("MaxPool2d", build((2, 3))),
        layer("MaxPool2d", build((3, 2), (1, 2)), "(stride=(1, 2))"),
        layer("MaxPool2d", build(3, 2, 1), "(padding=1)"),
        negative,
        ties,
    ),
    mistakes=(
        mistake(
            KEEP,
            "count = np.zeros(y.shape, int)\n"
            "        for _, windows, _ in _taps(self.window, (h, w)):\n"
            "            count[windows] += 1\n"
            "        zero = (count < np.prod(self.window.kernel)) & (y < 0)\n"
            "        y[zero], place[zero] = 0, -1\n"
            "        self.save(place, x.shape)",
            (
                "the border counts as 0, which is larger than negative pixels",
                "der Rand zählt als 0 und ist damit größer als negative Pixel",
            ),
            (
                "fill the border with -np.inf",
                "füllen Sie den Rand mit -np.inf",
            ),
        ),
        Mistake(
            (
                ("y = np.full_like(x, -np.inf, ", "y = np.full_like(x, 0, "),
                (
                    "(place[windows] < 0) | (seen > y[windows]) | np.isnan(seen)",
                    "seen > y[windows]",
                ),
            ),
            (
                "the largest value is never below 0: the search begins at 0",
                "der größte Wert ist nie kleiner als 0: Die Suche beginnt bei 0",
            ),
            (
                "begin with -np.inf, or with the first pixel",
                "beginnen Sie mit -np.inf oder mit dem ersten Pixel",
            ),
        ),
        Mistake(
            (
                (KEEP, "self.save(place, x.shape, x, y)"),
                (GET, "_, shape, x, y = self.saved()"),
                (ADDED, "np.where(x[pixels] == y[windows], dy[windows], 0)"),
            ),
            (
                "all pixels equal to the largest get the gradient",
                "alle Pixel, die gleich dem größten sind, bekommen den Gradienten",
            ),
            (
                "give it to the first of them only, for example by np.argmax",
                "geben Sie ihn nur dem ersten, zum Beispiel mit np.argmax",
            ),
        ),
        Mistake(
            (
                (
                    KEEP,
                    "count = np.zeros_like(y)\n"
                    "        for _, windows, pixels in _taps(self.window, (h, w)):\n"
                    "            count[windows] += x[pixels] == y[windows]\n"
                    "        self.save(count, x.shape, x, y)",
                ),
                (GET, "count, shape, x, y = self.saved()"),
                (ADDED, "np.where(x[pixels] == y[windows], (dy / count)[windows], 0)"),
            ),
            (
                "pixels that are equally large share the gradient",
                "gleich große Pixel teilen sich den Gradienten",
            ),
            (
                "give it to the first of them only, for example by np.argmax",
                "geben Sie ihn nur dem ersten, zum Beispiel mit np.argmax",
            ),
        ),
        mistake(
            "(seen > y[windows])",
            "(seen >= y[windows])",
            (
                "the last of equally large pixels gets the gradient",
                "das letzte von gleich großen Pixeln bekommt den Gradienten",
            ),
            (
                "replace the largest only if a later pixel is larger: > instead of >=",
                "ersetzen Sie das größte nur, wenn ein späteres größer ist: > statt >=",
            ),
        ),
        mistake(
            SCATTER,
            ONE_BY_ONE.format(width="kw", operator="="),
            (
                "where windows overlap, only the last gradient is kept",
                "wo Fenster sich überlappen, bleibt nur der letzte Gradient",
            ),
            (
                "add: dx[...] += dy in a loop, or np.add.at for arrays of indices",
                "addieren Sie: dx[...] += dy in einer Schleife, oder np.add.at bei Index-Arrays",
            ),
        ),
        mistake(
            KEEP,
            "self.save(np.broadcast_to(place[..., :1], y.shape), x.shape)",
            (
                "dy goes to the largest pixel of channel 0 in all channels",
                "dy kommt in allen Kanälen zum größten Pixel des Kanals 0",
            ),
            (
                "save the position of the largest pixel for each channel",
                "bewahren Sie die Stelle des größten Pixels für jeden Kanal auf",
            ),
        ),
        mistake(
            ADDED,
            "dy[windows] / np.prod(self.window.kernel).astype(dy.dtype)",
            (
                "all pixels of a window share the gradient, as for the mean",
                "alle Pixel eines Fensters teilen sich den Gradienten, wie beim Mittelwert",
            ),
            (
                "only the largest pixel changes y; all others get 0",
                "nur das größte Pixel verändert y; alle anderen bekommen 0",
            ),
        ),
        Mistake(
            (
                ("y = np.full_like(x, -np.inf, ", "y = np.full_like(x, np.inf, "),
                ("(seen > y[windows])", "(seen < y[windows])"),
            ),
            ("y holds the smallest pixels", "y enthält die kleinsten Pixel"),
            ("take the largest", "nehmen Sie das größte"),
        ),
        mistake(
            ADDED,
            "dy[windows]",
            (
                "every pixel of a window gets the gradient",
                "jedes Pixel eines Fensters bekommt den Gradienten",
            ),
            (
                "only the largest pixel changes y; all others get 0",
                "nur das größte Pixel verändert y; alle anderen bekommen 0",
            ),
        ),
        mistake(
            ADDED,
            "np.where(place[windows] == k, 1, 0)",
            (
                "the largest pixels get 1 instead of dy",
                "die größten Pixel bekommen 1 statt dy",
            ),
            (
                "by the chain rule, dx is this 1 times dy of the window",
                "nach der Kettenregel ist dx diese 1 mal dy des Fensters",
            ),
        ),
        mistake(
            SCATTER,
            ONE_BY_ONE.format(width="kh", operator="+=").replace(
                "dx[n", "if 0 <= i < shape[1] and 0 <= j < shape[2]:\n                dx[n"
            ),
            (
                "the number k of a pixel in the window is split by kh instead of kw",
                "die Nummer k eines Pixels im Fenster wird mit kh statt kw zerlegt",
            ),
            (
                "k = i kw + j, so i, j = divmod(k, kw)",
                "k = i kw + j, also i, j = divmod(k, kw)",
            ),
        ),
        mistake(
            "self.save(place, x.shape)\n        return y",
            "self.save(place, x.shape)\n        return abs(y)",
            (
                "y holds absolute values",
                "y enthält Beträge",
            ),
            (
                "take the largest value, with its sign",
                "nehmen Sie den größten Wert, mit seinem Vorzeichen",
            ),
        ),
    ),
)
