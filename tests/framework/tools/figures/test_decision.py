"""Decision boundaries are those of the model, and animations have every frame."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.tools import figures

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (30, 2)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")
NAMES = ["left", "right"]


class Side(fl.Module):
    """The first coordinate is the score of class 1, its negative that of class 0."""

    def forward(self, x):
        assert not self.training
        return np.stack([-x[:, 0], x[:, 0]], axis=1) * 5


def test_the_grid_covers_the_samples_and_has_the_models_probabilities():
    net = Side().train()
    first, second, p = figures.decision_grid(net, X, resolution=21, margin=0.5)
    assert net.training
    assert p.shape == (21, 21, 2)
    np.testing.assert_allclose(p.sum(axis=2), 1, rtol=1e-6)
    np.testing.assert_allclose(p[0], p[-1])  # x₂ does not matter
    np.testing.assert_allclose(p[3, :, 1], 1 / (1 + np.exp(-10 * first)), rtol=1e-4)
    ranges = np.ptp(X, axis=0)
    np.testing.assert_allclose([np.ptp(first), np.ptp(second)], 2 * ranges, rtol=1e-6)


def test_one_output_is_the_logit_of_the_second_class():
    layer = nn.Linear(2, 1)
    first, second, p = figures.decision_grid(layer, X, resolution=5)
    w, b = layer.weight.data[0], layer.bias.data[0]
    logit = first[4] * w[0] + second[1] * w[1] + b
    assert p[1, 4, 1] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-5)


def test_the_boundary_is_where_the_class_changes():
    grid = figures.decision_grid(Side(), X, resolution=41)
    figure = figures.decision_boundary(*grid, X, Y, NAMES, title="epoch 3")
    axes = figure.axes[0]
    lines = [path for c in axes.collections for path in c.get_paths() if hasattr(c, "levels")]
    line = np.concatenate([path.vertices for path in lines if len(path.vertices)])
    np.testing.assert_allclose(line[:, 0], 0, atol=0.02)
    picture = axes.images[0].get_array()
    assert (picture[:, 0, 2] > picture[:, 0, 0]).all()  # blue on the left
    assert (picture[:, -1, 0] > picture[:, -1, 2]).all()
    tables = figures.numbers(figure)
    assert tables["samples"]["class"].tolist() == [NAMES[label] for label in Y]
    left = tables["grid"]["x1"] < 0
    assert set(tables["grid"]["class"][left]) == {"left"}
    assert figure.get_suptitle() == "epoch 3"


def frames(*titles, width=None):
    for title in titles:
        figure = figures.image_grid(RNG.random((4, 4, 4, 1)), title=title, columns=width or 2)
        yield figure


def test_an_animation_has_every_frame_and_repeats(tmp_path):
    from PIL import Image

    path = tmp_path / "new" / "course.gif"
    figures.animation(frames("a", "b", "c"), path, seconds=0.6)
    with Image.open(path) as picture:
        assert (picture.format, picture.n_frames, picture.info["loop"]) == ("GIF", 3, 0)
        assert picture.info["duration"] == 200
        picture.seek(2)
        assert picture.info["duration"] == 2000
    assert [p.name for p in path.parent.iterdir()] == ["course.gif"]
    with pytest.raises(ValueError, match="a path that ends in .gif, got "):
        figures.animation(frames("a"), tmp_path / "course.png")
    with pytest.raises(ValueError, match="one or more figures of one size, got 0"):
        figures.animation([], path)
    with pytest.raises(ValueError, match="of one size, got 2 of "):
        figures.animation([*frames("a"), *frames("b", width=4)], path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.decision_grid(Side(), np.ones((4, 3))), r"samples \(N, 2\), one or more"),
        (lambda: figures.decision_grid(Side(), X[:0]), r"got shape \(0, 2\)"),
        (lambda: figures.decision_grid(Side(), X * np.nan), "expected finite samples"),
        (lambda: figures.decision_grid(Side(), X, resolution=1), "resolution of 2 or more, got 1"),
        (
            lambda: figures.decision_grid(nn.Flatten(0), X, resolution=3),
            r"scores \(N, C\) from Flatten",
        ),
        (
            lambda: figures.decision_boundary([0, 1], [0, 1], np.ones((2, 2, 3)), X, Y, NAMES),
            r"of shape \(2, 2, 2\) for the grid and 2 names, got shape \(2, 2, 3\)",
        ),
        (
            lambda: figures.decision_boundary(
                [0, 1], [0, 1], np.full((2, 2, 2), np.nan), X, Y, NAMES
            ),
            "expected finite probabilities",
        ),
        (
            lambda: figures.decision_boundary([0, 1], [0, 1], np.ones((2, 2, 2)), X, Y + 1, NAMES),
            r"labels from 0 to 1, got shape \(30, 2\) and labels \[1, 2\]",
        ),
        (lambda: figures.distributions([], {}), "one or more arrays and epochs, got none"),
        (
            lambda: figures.distributions([0, 1], {"w": np.ones((3, 9))}),
            r"of shape \(2, 9\) for 'w', got \(3, 9\)",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_quantiles_are_those_of_the_finite_values():
    values = np.r_[np.arange(1001.0), np.nan, np.inf]
    found = figures.quantiles_of(values.astype("float32"))
    np.testing.assert_allclose(found, [0, 67, 159, 309, 500, 691, 841, 933, 1000], atol=1e-3)
    assert np.isnan(figures.quantiles_of(np.array([np.nan]))).all()
    assert np.isnan(figures.quantiles_of(np.array([]))).all()
    figure = figures.distributions([0, 1], {"w": np.stack([found, 2 * found])})
    table = figures.numbers(figure)["w"]
    assert table["50.0%"].tolist() == [500, 1000]
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [500, 1000]
