"""What a layer makes of samples, projected; and the loss around trained weights."""

import sys

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.models import MLP
from firstlight.tools import figures
from firstlight.tools.figures import landscape, loss_landscape

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 6)).astype("float32")
Y = np.arange(12) % 3


def test_vectors_are_what_enters_the_last_layer_or_leaves_a_named_one():
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3), nn.ReLU())
    first = net.layers[0](X)
    np.testing.assert_array_equal(figures.layer_vectors(net, X), np.maximum(first, 0))
    (name,) = (name for name, part in net.named_modules() if part is net.layers[0])
    np.testing.assert_array_equal(figures.layer_vectors(net, X, name), first)
    many = np.tile(X, (11, 1))  # more than a batch
    np.testing.assert_allclose(figures.layer_vectors(net, many, name)[-12:], first, rtol=1e-5)
    assert net.training
    with pytest.raises(ValueError, match="no layer 'head' ran; there are "):
        figures.layer_vectors(net, X, "head")
    images = X.reshape(12, 2, 3, 1)
    assert figures.layer_vectors(nn.ReLU(), images).shape == (12, 6)


def test_pca_keeps_the_largest_variances():
    pca = pytest.importorskip("sklearn.decomposition", reason="compares with scikit-learn").PCA
    x = RNG.standard_normal((40, 8)) * [9, 5, 1, 1, 1, 1, 1, 1]
    ours, theirs = figures.projected(x), pca(2).fit_transform(x)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), rtol=1e-9, atol=1e-9)
    flipped = figures.projected(x[:, ::-1])  # the signs are those of the data, not of the library
    np.testing.assert_allclose(flipped, ours, rtol=1e-9, atol=1e-9)
    assert figures.projected(x[:, :1]).shape == (40, 2)


def test_tsne_is_that_of_scikit_learn_and_is_seeded():
    manifold = pytest.importorskip("sklearn.manifold", reason="t-SNE is scikit-learn's")
    x = np.r_[RNG.standard_normal((10, 4)), RNG.standard_normal((10, 4)) + 20]
    points = figures.projected(x, "tsne", seed=3)
    expected = manifold.TSNE(perplexity=19 / 3, init="pca", random_state=3).fit_transform(x)
    np.testing.assert_array_equal(points, expected)


def test_without_scikit_learn_tsne_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(
        ImportError, match=r"needs scikit-learn: pip install .firstlight\[sklearn\]"
    ):
        figures.projected(X, "tsne")


def test_embedding_draws_each_class():
    points = RNG.standard_normal((12, 2))
    figure = figures.embedding(points, Y, ["a", "b", "$"])
    table = figures.numbers(figure)["values"]
    assert table["curve"].tolist() == ["a"] * 4 + ["b"] * 4 + ["$"] * 4
    np.testing.assert_array_equal(table["x"][:4], points[Y == 0, 0])
    assert [text.get_text() for text in figure.axes[0].texts] == ["a", "b", r"\$"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.projected(X[:2]), r"three or more vectors \(N, D\), got shape \(2, 6\)"),
        (lambda: figures.projected(X * np.nan), "expected finite vectors"),
        (lambda: figures.projected(X, "umap"), 'expected "pca" or "tsne", got .umap.'),
        (lambda: figures.embedding(X, Y, "abc"), r"points \(12, 2\), one or more, got shape \(12"),
        (lambda: figures.embedding(X[:, :2], Y, "ab"), "classes from 0 to 1, got 0 to 2"),
        (lambda: figures.embedding(np.full((12, 2), np.nan), Y, "abc"), "expected finite points"),
        (lambda: loss_landscape(MLP(6, 3), (X, Y), steps=1), "two or more steps and a pos"),
        (lambda: loss_landscape(MLP(6, 3), (X, Y), extent=0), "a positive extent, got 21 and 0"),
        (lambda: loss_landscape(nn.ReLU(), (X, Y)), "two or more axes, ReLU has none"),
        (lambda: landscape([0, 1], np.ones((3, 3))), r"of shape \(2, 2\) for 2 coord"),
        (lambda: landscape([0, 1], np.full((2, 2), np.inf)), "a finite loss at least, got none"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class Bowl(fl.Module):
    """Its loss is the squared distance of its weights from where they began."""

    def __init__(self):
        self.weight = fl.Parameter(RNG.standard_normal((3, 4)))
        self.bias = fl.Parameter(np.ones(4))
        self.start = self.weight.data.copy()

    def validation_step(self, batch):
        distance = np.square(self.weight.data - self.start).sum() + self.bias.data.sum()
        return fl.StepOutput(distance, None, {}, None)


def test_directions_are_as_long_as_the_filters():
    bowl = Bowl()
    coordinates, losses = loss_landscape(bowl, None, steps=5, extent=2.0)
    np.testing.assert_allclose(coordinates, [-2, -1, 0, 1, 2])
    size = np.square(bowl.start).sum()  # ‖d‖² is that of the weights, as of each filter
    np.testing.assert_allclose(losses[:, 2] - 4, size * coordinates**2, rtol=1e-6)
    np.testing.assert_allclose(losses[2] - 4, size * coordinates**2, rtol=1e-6)
    assert losses.argmin() == 12


def test_the_weights_and_the_mode_are_left_as_they_were():
    net = MLP(6, 3, hidden=(8,), dropout=0.5).train()
    before = {name: value.copy() for name, value in net.state_dict().items()}
    _, losses = loss_landscape(net, (X, Y), steps=3)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert net.training
    net.eval()
    assert losses[1, 1] == float(net.validation_step((X, Y)).loss)
    np.testing.assert_array_equal(loss_landscape(net, (X, Y), steps=3)[1], losses)  # same seed
    assert (loss_landscape(net, (X, Y), steps=3, seed=1)[1] != losses).any()


def test_landscapes_have_logarithmic_contours_over_decades():
    grid = np.linspace(-1, 1, 7)
    bowl = grid[:, None] ** 2 + grid**2 + 0.01
    figure = landscape(grid, bowl)
    table = figures.numbers(figure)["landscape"]
    np.testing.assert_array_equal(table["loss"], bowl.ravel())
    np.testing.assert_array_equal(table["direction 1"], np.repeat(grid, 7))
    assert type(figure.axes[0].collections[0].norm).__name__ == "LogNorm"
    assert type(landscape(grid, bowl + 5).axes[0].collections[0].norm).__name__ == "Normalize"
    landscape(grid, np.where(bowl > 1.5, np.nan, bowl))
    landscape(grid, np.ones((7, 7))).draw_without_rendering()  # a plain
