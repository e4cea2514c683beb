"""Draw the pictures of docs/figures.md: ``python docs/gallery.py`` trains four small networks.

It takes about two minutes on two CPU cores, and needs MNIST and Tiny Shakespeare. The pictures go
to docs/pictures, with few colours, so that the files stay small.
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import firstlight as fl
from firstlight.callbacks import DecisionBoundary, Distributions, LayerMonitor
from firstlight.tools import figures
from firstlight.tools.figures.canvas import as_bytes
from firstlight.tools.figures.learning_curves import along_epochs

PICTURES = Path(__file__).with_name("pictures")
DPI, COLOURS = 110, 128
SEEDS = 3
TEXT = 32  # tokens


def keep(name, figure):
    """Write a figure as a small PNG file."""
    picture = Image.open(io.BytesIO(as_bytes(figure, dpi=DPI))).convert("RGB")
    picture.quantize(COLOURS, dither=0).save(PICTURES / f"{name}.png", optimize=True)


def train(model, data, *callbacks, **settings):
    """Train, and return the Trainer."""
    trainer = fl.Trainer(callbacks=list(callbacks), default_callbacks=False, **settings)
    trainer.fit(model, data)
    return trainer


def draw_digits(runs):
    """An MLP on the digits, with two widths and three seeds each."""
    digits, histories = fl.datasets.load("digits"), {}
    for width in (128, 16):
        for seed in range(SEEDS):
            model = fl.models.MLP(64, 10, hidden=(width,), lr=1e-3)
            watching = LayerMonitor(show="never"), Distributions()
            trainer = train(model, digits, *watching, max_epochs=15, seed=seed, runs_dir=runs)
            histories.setdefault(f"{width} hidden units", []).append(trainer.history)
            if width == 128 and not seed:
                keep("curves", figures.curves(trainer.history, size=(3.2, 2.2)))
                keep("layer_courses", figures.layer_courses(trainer.history, size=(3.0, 2.0)))
                whole = watching[1].state_dict()
                quantiles = {n: np.array(q) for n, q in whole["quantiles"]["weights"].items()}
                keep("distributions", figures.distributions(whole["epochs"]["weights"], quantiles))
                weights = {n: p.data for n, p in model.named_parameters()}
                keep("histograms", figures.histograms(weights))
    curves = {
        metric: {
            name: [along_epochs(history, metric) for history in seeds]
            for name, seeds in histories.items()
        }
        for metric in ("val_loss", "val_acc")
    }
    keep("bands", figures.bands(curves))


def draw_mnist():
    """A small CNN on 6,400 images of MNIST."""
    data = fl.datasets.load("mnist")
    model = fl.models.CNN((28, 28, 1), 10, channels=(16, 32), hidden=(64,))
    trainer = train(model, data, max_epochs=4, limit_train_batches=50, runs_dir=None)
    scores = trainer.predict(model, data.loader("test"))
    wanted = {"confusion_matrix", "calibration", "roc", "precision_recall", "mistakes", "filters"}
    wanted |= {"saliency", "occlusion", "embedding", "feature_maps_features.0"}
    for name, figure in figures.album(model, data.test, scores, data.classes, method="tsne"):
        if name in wanted:
            keep(name.removesuffix("_features.0"), figure)
    batch = data.test[np.arange(256)]
    keep("landscape", figures.landscape(*figures.loss_landscape(model, batch)))


def draw_text():
    """A small GPT on Tiny Shakespeare."""
    data = fl.datasets.load("tiny_shakespeare", block_size=TEXT)
    model = fl.models.GPT(data.tokenizer.vocab_size, TEXT, n_layer=2, n_head=4, n_embd=64)
    train(model, data, max_steps=1500, limit_val_batches=1, runs_dir=None)
    x = data.val[np.arange(1)][0][:, :24]
    _, figure = list(figures.attention_album(model, x, data.tokenizer))[-1]
    keep("attention_maps", figure)


def draw_plane(runs):
    """An MLP on three spirals."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(3), 100)
    radius = np.tile(np.linspace(0.1, 1, 100), 3)
    angle = 4 * radius + label * 2 * np.pi / 3 + 0.12 * rng.standard_normal(300)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype("float32")
    data = fl.DataSplits((x, label), classes=["one", "two", "three"], batch_size=32)
    model = fl.models.MLP(2, 3, hidden=(64, 64), norm=None, lr=5e-3)
    boundary = DecisionBoundary(frames=24, resolution=80)
    trainer = train(model, data, boundary, max_epochs=100, runs_dir=runs)
    drawn = trainer.run.path / "plots" / "decision_boundary.gif"
    (PICTURES / "decision_boundary.gif").write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        draw_digits(folder)
        draw_plane(folder)
    draw_mnist()
    draw_text()
    size = sum(path.stat().st_size for path in PICTURES.iterdir())
    sys.stdout.write(f"{size / 1e3:.0f} kB in {PICTURES}\n")
