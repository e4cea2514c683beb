"""Mistakes written into copies of layers: where, what is replaced by what, and what to find."""

from planting import Net, OwnConv, OwnLayerNorm, PerChannel, Scaled, plant

from firstlight import nn
from firstlight.models.gpt import Block


def linear(*changes, out=64):
    return lambda: Net(nn.Linear(64, 32), nn.Tanh(), plant(nn.Linear, *changes)(32, out), flat=out)


def dense(cls, *changes, size=64):
    """The layer, wrong, after a linear one."""

    def make():
        wrong = plant(cls, *changes)
        return Net(
            nn.Linear(64, size), wrong(size) if "Norm" in cls.__name__ else wrong(), flat=size
        )

    return make


def images(*layers, flat, shape=(8, 8, 1)):
    return Net(*layers, shape=shape, flat=flat)


def gpt_block(*changes):
    wrong = plant(Block, *changes)
    return Net(nn.Linear(16, 16), wrong(16, 2), shape=(4, 16))


SAVED = "(x,) = self.saved()"
DW = "self.weight.grad += dy_rows.T @ x_rows"
DB = "self.bias.grad += dy_rows.sum(axis=0)"
DX = "dy @ self.weight.data"

# name: (make, where, kinds that name it)
LAYERS = {
    "linear: dx with a minus": (linear((DX, f"-{DX}")), "body.2", "sign"),
    "linear: dW with -=": (linear((DW, DW.replace("+=", "-="))), "body.2", "sign"),
    "linear: dW not transposed": (
        linear((DW, "self.weight.grad += x_rows.T @ dy_rows")),
        "body.2",
        "transpose",
    ),
    "linear: square dW not transposed": (
        linear((DW, "self.weight.grad += x_rows.T @ dy_rows"), out=32),
        "body.2",
        "transpose",
    ),
    "linear: square W transposed in dx": (
        linear((DX, "dy @ self.weight.data.T"), out=32),
        "body.2",
        "transpose",
    ),
    "linear: W transposed in dx": (
        linear((DX, "dy @ self.weight.data.T")),
        "body.2",
        "transpose",
    ),
    "linear: db without the sum": (
        linear((DB, "self.bias.grad += dy_rows")),
        "body.2",
        "batch-sum",
    ),
    "linear: db of the first sample": (
        linear((DB, "self.bias.grad += dy_rows[0]")),
        "body.2",
        "batch-sum",
    ),
    "linear: db a mean": (
        linear((DB, "self.bias.grad += dy_rows.mean(axis=0)")),
        "body.2",
        "batch-factor",
    ),
    "linear: dW over N": (linear((DW, DW + " / len(x)")), "body.2", "batch-factor"),
    "linear: dW times N": (linear((DW, DW + " * len(x)")), "body.2", "batch-factor"),
    "linear: dW replaces": (
        linear((DW, DW.replace(".grad +=", ".grad[...] ="))),
        "body.2",
        "not-accumulated",
    ),
    "linear: grad rebound": (
        linear((DW, DW.replace("+=", "="))),
        "body.2",
        "not-accumulated",
    ),
    "linear: db forgotten": (linear((DB, "pass")), "body.2", "zero"),
    "linear: dx forgotten": (
        linear(("return " + DX, "return None")),
        "body.2",
        "zero",
    ),
    "linear: only the first x is kept": (
        linear(("self.save(x)", "self.first = getattr(self, 'first', x); self.save(self.first)")),
        "body.2",
        "overwritten-cache",
    ),
    "linear: x kept, then changed": (
        linear(
            ("self.save(x)", "self.save(x); x *= 2"),
        ),
        "body.2",
        "in-place",
    ),
    "relu: no dy": (
        dense(nn.ReLU, ("(y <= 0, 0, dy)", "(y <= 0, 0, np.ones_like(dy))")),
        "body.1",
        "chain-rule",
    ),
    "relu: dy in place": (
        dense(nn.ReLU, ("return np.where(y <= 0, 0, dy)", "dy *= y > 0; return dy")),
        "body.1",
        "in-place",
    ),
    "relu: in place": (
        dense(nn.ReLU, ("y = np.maximum(x, 0)", "y = np.maximum(x, 0, out=x)")),
        "body.1",
        "in-place",
    ),
    "tanh: twice the slope": (
        dense(nn.Tanh, ("return dy * (", "return 2 * dy * (")),
        "body.1",
        "factor",
    ),
    "leaky relu: slope of the negative side": (
        dense(nn.LeakyReLU, ("self.negative_slope * dy", "0")),
        "body.1",
        "missing-path",
    ),
    "dropout: a new mask": (
        dense(
            nn.Dropout,
            ("dy if m is None else dy * m * self.scale", "dy * self.draw(dy) * self.scale"),
        ),
        "body.1",
        "stale-mask",
    ),
    "dropout: the first mask for ever": (
        dense(
            nn.Dropout,
            (
                "self.save(m)",
                "self.m = getattr(self, 'm', m); self.save(self.m)",
            ),
        ),
        "body.1",
        "stale-mask",
    ),
    "dropout: 1/(1-p) forgotten": (
        dense(
            nn.Dropout, ("dy if m is None else dy * m * self.scale", "dy if m is None else dy * m")
        ),
        "body.1",
        "factor",
    ),
    "batchnorm: mean's term": (
        dense(
            nn.batchnorm.BatchNorm,
            ("(dy - db / n - x_hat", "(dy - x_hat"),
            ("layouts: dict[int, str] = {}", "layouts = {2: 'N'}"),
        ),
        "body.1",
        "term",
    ),
    "batchnorm: variance's term": (
        dense(
            nn.batchnorm.BatchNorm,
            ("- x_hat * dw / n)", ")"),
            ("layouts: dict[int, str] = {}", "layouts = {2: 'N'}"),
        ),
        "body.1",
        "missing-path",
    ),
    "batchnorm: dw not times r": (
        dense(
            nn.batchnorm.BatchNorm,
            ("self.weight.grad += dw", "self.weight.grad += db"),
            ("layouts: dict[int, str] = {}", "layouts = {2: 'N'}"),
        ),
        "body.1",
        "operand",
    ),
    "layer norm: nothing of mean and variance": (
        lambda: Net(nn.Linear(64, 24), OwnLayerNorm(24), flat=24),
        "body.1",
        "missing-path",
    ),
    "residual: shortcut forgotten": (
        lambda: Net(plant(nn.Residual, ("return dy + self", "return self"))(nn.Linear(64, 64))),
        "body.0",
        "term",
    ),
    "residual: body's dx forgotten": (
        lambda: Net(
            plant(
                nn.Residual,
                ("return dy + self.body.backward(dy)", "self.body.backward(dy); return dy"),
            )(nn.Linear(64, 64))
        ),
        "body.0",
        "not-called",
    ),
    "sequential: a layer skipped": (
        lambda: Net(
            plant(nn.Sequential, ("reversed(self.layers)", "reversed(self.layers[:-1])"))(
                nn.Linear(64, 64), nn.Tanh(), nn.Tanh()
            )
        ),
        "body.0",
        "not-called",
    ),
    "gpt block: shortcut forgotten": (
        lambda: gpt_block(
            (
                "self.ln_2.backward_sum(self.mlp.backward(dy), dy)",
                "self.ln_2.backward(self.mlp.backward(dy))",
            )
        ),
        "body.1",
        "term",
    ),
    "gpt block: dy handed on": (
        lambda: gpt_block(("self.resid_dropout.backward(dh)", "self.resid_dropout.backward(dy)")),
        "body.1",
        "operand",
    ),
    "swiglu: gate with a minus": (
        lambda: Net(
            plant(
                nn.SwiGLU, ("self.activation.backward(g * u)", "self.activation.backward(-g * u)")
            )(64, 24)
        ),
        "body.0",
        "sign",
    ),
    "embedding: repeated tokens": (lambda: Net(Scaled(), flat=64), "body.0", "batch-sum"),
    "convolution: kernel not flipped": (lambda: images(OwnConv(), flat=36), "body.0", "index"),
    "two values kept, one taken": (
        lambda: Net(
            nn.Linear(64, 32), plant(nn.Tanh, ("self.save(", "self.save(0); self.save("))(), flat=32
        ),
        "body.1",
        "stack",
    ),
    "elementwise weight summed over one axis too few": (
        lambda: images(PerChannel(), flat=64),
        "body.0",
        "sum-axis",
    ),
}
