"""Figures show the numbers they were given."""

import sys

import numpy as np
import pytest

from firstlight.tools import figures
from firstlight.tools.figures.canvas import as_pictures


def shown(figure, place=0):
    """Return what the image on one pair of axes was drawn from; NaN between the pictures."""
    return np.ma.filled(figure.axes[place].images[0].get_array().astype(float), np.nan)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_image_grid_has_every_image_in_its_place_under_its_title():
    images = np.arange(5 * 4 * 4, dtype="float32").reshape(5, 4, 4, 1)
    figure = figures.image_grid(images, list("abcde"), columns=3, title="five")
    whole = shown(figure)
    values = whole[~np.isnan(whole)]
    assert sorted(values) == list(range(80))  # each pixel once
    for index, image in enumerate(images):
        row, column = np.argwhere(whole == image[0, 0, 0])[0]
        np.testing.assert_array_equal(whole[row : row + 4, column : column + 4], image[..., 0])
        (text,) = (t for t in figure.axes[0].texts if t.get_text() == "abcde"[index])
        assert text.get_position()[0] == column + 1.5
        assert row - 3 < text.get_position()[1] < row
    assert figure.get_suptitle() == "five"
    assert np.nanargmin(whole) // whole.shape[1] < np.nanargmax(whole) // whole.shape[1]


def test_colours_are_scaled_together_and_gaps_are_white():
    images = np.array([-1.0, 3.0]).reshape(2, 1, 1, 1) * np.ones((2, 2, 2, 3))
    np.testing.assert_array_equal(as_pictures(images)[:, 0, 0], [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(as_pictures(np.ones((1, 2, 2, 3))), np.zeros((1, 2, 2, 3)))
    whole = shown(figures.image_grid(images))
    assert whole.shape[2] == 3
    assert (whole[:, 2] == 1).all()


def test_confusion_matrix_writes_counts_and_shades_shares():
    target, predicted = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 1, 0, 0])
    counts = figures.confusion_counts(target, predicted, 3)
    np.testing.assert_array_equal(counts, [[2, 1, 0], [0, 1, 0], [2, 0, 0]])
    figure = figures.confusion_matrix(counts, ["a", "b", "c"])
    np.testing.assert_allclose(shown(figure), [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
    (axes,) = figure.axes
    written = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "2", (1, 0): "1", (1, 1): "1", (0, 2): "2"}  # (column, row)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert figure.get_suptitle() == "50.00% right, 3 of 6 wrong"


def test_many_classes_are_shaded_only():
    figure = figures.confusion_matrix(np.eye(50, dtype=int), range(50))
    assert texts(figure.axes[0]) == []


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("classes", [10, 17, 100])
def test_labels_of_any_integers_are_counted(dtype, classes):
    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, classes, (2, 500))
    expected = np.zeros((classes, classes), int)
    np.add.at(expected, (target, predicted), 1)
    found = figures.confusion_counts(target.astype(dtype), predicted.astype(dtype), classes)
    np.testing.assert_array_equal(found, expected)
    found = figures.confusion_counts(target.astype(dtype), predicted, classes)
    np.testing.assert_array_equal(found, expected)


def test_labels_that_are_ignored_are_left_out():
    target, predicted = np.array([0, -100, 1, 1, 5]), np.array([0, 1, 1, 0, 1])
    found = figures.confusion_counts(target[:4], predicted[:4], 2)
    np.testing.assert_array_equal(found, [[1, 0], [1, 1]])
    found = figures.confusion_counts(target[[0, 2, 4]], predicted[[0, 2, 4]], 2, ignore_index=5)
    np.testing.assert_array_equal(found, np.eye(2))
    sure = np.eye(2)[predicted]
    np.testing.assert_array_equal(figures.worst_mistakes(target, sure), [3, 4])
    np.testing.assert_array_equal(figures.worst_mistakes(target, sure, ignore_index=5), [1, 3])
    with pytest.raises(TypeError, match="confusion_counts: expected integer class labels, got flo"):
        figures.confusion_counts(np.zeros(2), np.zeros(2, int), 2)


def test_mistakes_are_sorted_by_confidence():
    target = np.array([0, 1, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    wrong = figures.worst_mistakes(target, probabilities)
    np.testing.assert_array_equal(wrong, [2, 1])
    np.testing.assert_array_equal(figures.worst_mistakes(target, probabilities, count=1), [2])
    images = np.zeros((2, 4, 4, 1))
    figure = figures.mistakes(images, target[wrong], probabilities[wrong], ["x", "y"])
    assert texts(figure.axes[0]) == ["x → y  80%", "y → x  60%"]
    figure = figures.mistakes(images, target[wrong], probabilities[wrong], ["T-shirt/top", "y"])
    assert texts(figure.axes[0])[0] == "T-shirt/…\n→ y  80%"


def test_filters_are_the_strongest_first_and_symmetric_around_zero():
    weights = np.array([0.1, -3.0, 2.0])[:, None, None, None] * np.ones((3, 2, 2, 1))
    figure = figures.filters(weights, count=2)
    whole = shown(figure)
    assert [whole[0, 0], whole[0, -1]] == [-3, 2]
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high == -3


def test_feature_maps_are_the_channels():
    maps = np.arange(8.0).reshape(2, 2, 2)
    whole = shown(figures.feature_maps(maps, title="conv"))
    np.testing.assert_array_equal(whole[:, :2], maps[..., 0])
    np.testing.assert_array_equal(whole[:, -2:], maps[..., 1])


def test_saliency_and_occlusion_stand_below_the_images():
    x = np.random.default_rng(0).random((3, 4, 4, 1))
    gradients = np.zeros((3, 4, 4, 1))
    gradients[1, 2, 3] = -5
    figure = figures.saliency(x, gradients, list("abc"))
    assert texts(figure.axes[0]) == list("abc")
    below = shown(figure, 1)
    assert np.nansum(below) == np.nanmax(below) == 1  # relative to the largest of its image
    figure = figures.occlusion(x, np.full((3, 4, 4), 0.25))
    below = shown(figure, 1)
    assert (below[~np.isnan(below)] == 0.25).all()
    assert figure.axes[1].images[0].get_clim() == (0, 0.25)


def test_figures_leave_pyplot_alone_and_are_saved_whole(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # of another test
    figures.save(figures.image_grid(np.zeros((1, 4, 4, 1))), tmp_path / "grid.png")
    figures.save(figures.image_grid(np.zeros((1, 4, 4, 1))), tmp_path / "grid.svg")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "grid.svg").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.png", "grid.svg"]
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.image_grid(np.zeros((2, 4, 4))), r"images of shape .* got \(2, 4, 4\)"),
        (lambda: figures.image_grid(np.zeros((0, 4, 4, 1))), r"one or more images .* \(0, 4"),
        (lambda: figures.image_grid(np.zeros((2, 4, 4, 2))), r"got \(2, 4, 4, 2\)"),
        (lambda: figures.image_grid(np.zeros((2, 4, 4, 1)), ["a"]), "expected 2 titles, .* got 1"),
        (lambda: figures.confusion_matrix(np.eye(3), ["a", "b"]), r"shape \(2, 2\) for 2 names"),
        (
            lambda: figures.confusion_counts(np.zeros(3, int), np.zeros(2, int), 2),
            r"\(2,\) and \(3",
        ),
        (
            lambda: figures.confusion_counts(np.array([0]), np.array([2]), 2),
            "from 0 to 1, got 0 to",
        ),
        (
            lambda: figures.worst_mistakes(np.zeros(2, int), np.zeros(2)),
            r"shapes \(2,\) and \(2,\)",
        ),
        (lambda: figures.filters(np.zeros((4, 9))), r"shape \(O, H, W, C\), got \(4, 9\)"),
        (lambda: figures.feature_maps(np.zeros((4, 9))), r"shape \(H, W, C\), got \(4, 9\)"),
        (
            lambda: figures.occlusion(np.zeros((2, 4, 4, 1)), np.zeros((2, 3, 4))),
            r"maps of shape \(2, 4, 4\), one for each image, got \(2, 3, 4\)",
        ),
        (
            lambda: figures.occlusion(np.zeros((2, 4, 4, 1)), np.full((2, 4, 4), np.nan)),
            r"got \(2, 4, 4\) with values that are not",
        ),
        (
            lambda: figures.saliency(np.zeros((2, 4, 4, 1)), np.ones((2, 4, 4, 1)), ["a"]),
            "expected 2 titles, one an image, got 1",
        ),
        (
            lambda: figures.mistakes(np.zeros((2, 4, 4, 1)), [0], np.ones((2, 3)), "abc"),
            r"\(2,\) and probabilities \(2, 3\) for 2 images and 3 names, got shapes \(1,\)",
        ),
        (lambda: figures.predictions([], [], []), "one prediction for each of 0 inputs"),
        (lambda: figures.error_curves([], {}, xlabel="M"), "one or more curves with finite er"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
