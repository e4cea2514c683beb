"""Exercise: forward and backward of a convolution, and the matrix of its patches."""

import numpy as np

from firstlight.nn.window import Window
from firstlight.tools.course.exercise import Exercise, Output, mistake
from firstlight.tools.course.trials import layer, unchanged

IM2COL, FORWARD, BACKWARD = "im2col", "Conv2d.forward", "Conv2d.backward"


def patches(kernel, stride, padding):
    """Return the trial of `im2col` with a window."""
    case = f"(kernel={kernel}, stride={stride}, padding={padding})"

    def trial(code, draw):
        n, c = draw.size("N"), draw.size("C")
        x = draw.array(n, 7, 8, c)
        kept = x.copy()
        window = Window(kernel, stride, (1, 1), padding, padding)
        yield Output(IM2COL, f"P {case}", code.im2col(x, window))
        yield unchanged(IM2COL, f"x {case}", x, kept)

    return trial


def build(stride, padding, **options):
    """Return a function that builds a layer and a batch for it."""

    def of(code, draw):
        n, c, o = draw.size("N"), draw.size("C"), draw.size("O")
        module = code.Conv2d(c, o, (2, 3), stride, padding, **options)
        return draw.fill(module), draw.array(n, 6, 8, c)

    return of


def one_patch(code, draw):
    """Try a kernel as large as the image."""
    module = draw.fill(code.Conv2d(draw.size("C"), draw.size("O"), 4))
    y = module(draw.array(draw.size("N"), 4, 4, module.in_channels))
    yield Output(FORWARD, "y (one patch)", y)
    yield Output(BACKWARD, "dx (one patch)", module.backward(np.ones_like(y)))


EXERCISE = Exercise(
    name="convolution",
    chapter=6,
    title=(
        "Conv2d: convolution of images as a matrix product.",
        "Conv2d: Faltung von Bildern als Matrixprodukt.",
    ),
    task=(
        "Fill in im2col, then forward and backward of Conv2d. im2col writes the pixels under the "
        "kernel at each position into a row, in the order of W[o]: kh, kw, C. window.kernel is "
        "(kh, kw), window.stride is (vertical, horizontal), window.padding is ((above, below), "
        "(left, right)), the zeros around the image, and window.positions((H, W)) gives (oh, ow). "
        "With these rows the layer is a Linear layer. groups = 1 and dilation = 1 are enough: the "
        "first axis of the rows then has length 1. Without a bias, self.bias is None; with "
        "needs_dx = False, backward returns None. col2im is given: it adds each number of dP to "
        "the pixel from which im2col read it.",
        "Füllen Sie im2col aus, dann forward und backward von Conv2d. im2col schreibt die Pixel "
        "unter dem Kern an jeder Position in eine Zeile, in der Reihenfolge von W[o]: kh, kw, C. "
        "window.kernel ist (kh, kw), window.stride ist (senkrecht, waagerecht), window.padding "
        "ist ((oben, unten), (links, rechts)), die Nullen um das Bild, und window.positions((H, "
        "W)) ergibt (oh, ow). Mit diesen Zeilen ist die Schicht eine lineare Schicht. groups = 1 "
        "und dilation = 1 genügen: Die erste Achse der Zeilen hat dann die Länge 1. Ohne Bias ist "
        "self.bias None; bei needs_dx = False gibt backward None zurück. col2im ist gegeben: Es "
        "addiert jede Zahl von dP zu dem Pixel, aus dem im2col sie gelesen hat.",
    ),
    lessons={"firstlight.nn.convolution": ("Conv2d",)},
    blanks=(IM2COL, FORWARD, BACKWARD),
    trials=(
        patches((2, 3), (1, 1), (0, 0)),
        patches((2, 3), (1, 2), (0, 0)),
        patches((2, 3), (4, 5), (1, 0)),
        patches((2, 3), (3, 2), (1, 2)),
        layer("Conv2d", build(1, 0)),
        layer("Conv2d", build((4, 5), (1, 0)), "(stride=(4, 5), padding=(1, 0))"),
        layer("Conv2d", build((2, 1), 0, bias=False), "(stride=(2, 1), bias=False)"),
        layer("Conv2d", build(1, 0, needs_dx=False), "(needs_dx=False)"),
        one_patch,
    ),
    mistakes=(
        mistake(
            "patches[:, :, :, i, j] = padded[:, ys, xs]  #",
            "patches[:, :, :, i, j] = padded[:, i : i + oh, j : j + ow]  #",
            ("the stride is ignored", "die Schrittweite (stride) wird nicht beachtet"),
            (
                "the window at (h, w) begins at pixel (h · stride, w · stride) of the padded image",
                "das Fenster bei (h, w) beginnt beim Pixel (h · stride, w · stride) des Bildes mit "
                "Rand",
            ),
        ),
        mistake(
            "patches[:, :, :, i, j] = padded[:, ys, xs]  #",
            "patches[:, :, :, i, j] = padded[:, ys, j : j + ow * sh : sh]  #",
            (
                "the columns take the stride of the rows",
                "für die Spalten wird die Schrittweite der Zeilen verwendet",
            ),
            (
                "window.stride is (vertical, horizontal): use the second number along W",
                "window.stride ist (senkrecht, waagerecht): Nehmen Sie die zweite Zahl entlang W",
            ),
        ),
        mistake(
            "padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))",
            "padded = np.pad(x, ((0, 0), *((0, sum(pair)) for pair in window.padding), (0, 0)))",
            (
                "all zeros are below and right of the image, none above and left",
                "alle Nullen liegen unter und rechts vom Bild, keine darüber und links",
            ),
            (
                "the image begins at row `above` and column `left` of the larger array",
                "das Bild beginnt in Zeile `oben` und Spalte `links` des größeren Arrays",
            ),
        ),
        mistake(
            "padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))",
            "padded = np.pad(x, ((0, 0), *window.padding[::-1], (0, 0)))",
            (
                "the zeros for rows and columns are exchanged",
                "die Nullen für Zeilen und Spalten sind vertauscht",
            ),
            (
                "window.padding is ((above, below), (left, right))",
                "window.padding ist ((oben, unten), (links, rechts))",
            ),
        ),
        mistake(
            "padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))",
            'padded = np.pad(x, ((0, 0), *window.padding, (0, 0)), mode="edge")',
            (
                "the border repeats the outer pixels",
                "der Rand wiederholt die äußeren Pixel",
            ),
            ("the border is zero", "der Rand ist null"),
        ),
        mistake(
            "padded = np.pad(x, ((0, 0), *window.padding, (0, 0)))",
            "padded = x",
            ("the border of zeros is missing", "der Rand aus Nullen fehlt"),
            (
                "surround x with window.padding zeros, for example with np.pad",
                "umgeben Sie x mit window.padding Nullen, zum Beispiel mit np.pad",
            ),
        ),
        mistake(
            "patches = patches.transpose(2, 0, 1, 3)",
            "patches = patches.transpose(2, 0, 3, 1)",
            (
                "a row has the channels before the positions in the kernel, C, kh, kw",
                "eine Zeile hat die Kanäle vor den Positionen im Kern, C, kh, kw",
            ),
            (
                "the order of a row is that of W[o]: kh, kw, C",
                "die Reihenfolge einer Zeile ist die von W[o]: kh, kw, C",
            ),
        ),
        mistake(
            "patches = patches.reshape(n * oh * ow, kh * kw, groups, c // groups)",
            "patches = patches.swapaxes(3, 4).reshape(n * oh * ow, kh * kw, groups, c // groups)",
            (
                "rows and columns of a patch are exchanged, kw before kh",
                "Zeilen und Spalten eines Ausschnitts sind vertauscht, kw vor kh",
            ),
            (
                "the order of a row is kh, kw, C: run through a row of the patch first",
                "die Reihenfolge einer Zeile ist kh, kw, C: Durchlaufen Sie zuerst eine Zeile des "
                "Ausschnitts",
            ),
        ),
        mistake(
            "patches[:, :, :, i, j] = padded[:, ys, xs]  #",
            "patches[:, :, :, kh - 1 - i, kw - 1 - j] = padded[:, ys, xs]  #",
            (
                "the patches are turned by 180°, as in a convolution of mathematics",
                "die Ausschnitte sind um 180° gedreht, wie bei der Faltung der Mathematik",
            ),
            (
                "kernel entry (i, j) belongs to pixel (s h + i, s w + j), without turning",
                "der Eintrag (i, j) des Kerns gehört zum Pixel (s h + i, s w + j), ohne Drehung",
            ),
        ),
        mistake(
            "patches = patches.reshape(n * oh * ow, kh * kw, groups, c // groups)",
            "patches = patches.swapaxes(1, 2).reshape(n * oh * ow, kh * kw, groups, c // groups)",
            (
                "the rows of P run down the columns of the image, ow before oh",
                "die Zeilen von P laufen die Spalten des Bildes hinab, ow vor oh",
            ),
            (
                "the order of the rows is N, oh, ow",
                "die Reihenfolge der Zeilen ist N, oh, ow",
            ),
        ),
        mistake(
            "patches = patches.reshape(n * oh * ow, kh * kw, groups, c // groups)",
            "patches = np.moveaxis(patches, 0, 2).reshape(n * oh * ow, kh * kw, groups, -1)",
            (
                "the rows of P have the images last, oh, ow, N",
                "die Zeilen von P haben die Bilder zuletzt, oh, ow, N",
            ),
            (
                "the order of the rows is N, oh, ow: all positions of the first image first",
                "die Reihenfolge der Zeilen ist N, oh, ow: zuerst alle Positionen des ersten "
                "Bildes",
            ),
        ),
        mistake(
            "y = y + self.bias.data",
            "pass",
            ("the bias is not added", "der Bias wird nicht addiert"),
            (
                "add self.bias.data, one number for each kernel, unless it is None",
                "addieren Sie self.bias.data, eine Zahl je Kern, wenn es nicht None ist",
            ),
        ),
        mistake(
            "y = join_groups(y, (len(x), oh, ow))",
            "y = join_groups(y, (len(x), ow, oh)).swapaxes(1, 2)",
            (
                "height and width of the output are exchanged",
                "Höhe und Breite der Ausgabe sind vertauscht",
            ),
            (
                "the rows are in the order N, oh, ow: reshape to (N, oh, ow, O)",
                "die Reihenfolge der Zeilen ist N, oh, ow: Formen Sie zu (N, oh, ow, O) um",
            ),
        ),
        mistake(
            "y = join_groups(y, (len(x), oh, ow))",
            "y = y.swapaxes(1, 2).reshape(len(x), oh, ow, self.out_channels)",
            (
                "a matrix (O, N oh ow) is reshaped to (N, oh, ow, O): the numbers end up elsewhere",
                "eine Matrix (O, N oh ow) wird mit reshape zu (N, oh, ow, O): Die Zahlen geraten "
                "an andere Stellen",
            ),
            (
                "transpose first, so that O is last, and then reshape",
                "transponieren Sie zuerst, so dass O hinten steht, und formen Sie dann um",
            ),
        ),
        mistake(
            "y = patches @ self._kernels().swapaxes(1, 2)",
            "y = patches @ self.weight.data.reshape(1, -1, self.out_channels)",
            (
                "W is reshaped to (K, O) instead of transposed",
                "W wird mit reshape zu (K, O) umgeformt statt transponiert",
            ),
            (
                "reshape W to (O, K), and transpose: W.reshape(O, -1).T",
                "formen Sie W zu (O, K) um, und transponieren Sie: W.reshape(O, -1).T",
            ),
        ),
        mistake(
            "self.bias.grad += dy.sum(axis=(0, 1, 2))",
            "self.bias.grad += dy.mean(axis=(0, 1, 2))",
            (
                "db is the mean of dy instead of the sum",
                "db ist der Mittelwert von dy statt der Summe",
            ),
            (
                "b_o is in every output pixel of kernel o, so the gradients add: dy.sum(...)",
                "b_o steckt in jedem Ausgabepixel des Kerns o, die Gradienten addieren sich also: "
                "dy.sum(...)",
            ),
        ),
        mistake(
            "self.weight.grad += dw.reshape(self.weight.shape)",
            "self.weight.grad += dw.reshape(self.weight.shape) / len(x)",
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
        mistake(
            "dw = dy_rows.swapaxes(1, 2) @ patches",
            "dw = patches.swapaxes(1, 2) @ dy_rows",
            (
                "dW is Pᵀ dy, (K, O), and is reshaped instead of transposed",
                "dW ist Pᵀ dy, (K, O), und wird umgeformt statt transponiert",
            ),
            ("the rows of W are kernels: dW = dyᵀ P", "die Zeilen von W sind Kerne: dW = dyᵀ P"),
        ),
        mistake(
            "dw = dy_rows.swapaxes(1, 2) @ patches",
            "dw = dy.reshape(1, self.out_channels, -1) @ patches",
            (
                "in dW, dy is reshaped to (O, N oh ow) instead of transposed",
                "in dW wird dy mit reshape zu (O, N oh ow) umgeformt statt transponiert",
            ),
            (
                "reshape dy to (N oh ow, O), and transpose: dy.reshape(-1, O).T",
                "formen Sie dy zu (N oh ow, O) um, und transponieren Sie: dy.reshape(-1, O).T",
            ),
        ),
        mistake(
            "dpatches = dy_rows @ self._kernels()",
            "dpatches = dy_rows @ self._kernels()[:, :, ::-1]",
            (
                "for dx, the kernels are turned before dy W and col2im",
                "für dx werden die Kerne vor dy W und col2im gedreht",
            ),
            (
                "dP = dy W with W as it is: col2im puts every number in its place",
                "dP = dy W mit W, wie es ist: col2im bringt jede Zahl an ihren Platz",
            ),
        ),
    ),
)
