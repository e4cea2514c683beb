"""Figures of curve fitting: what is drawn is what was given, and bad input is told."""

import numpy as np
import pytest

from firstlight.tools import figures

GRID = np.linspace(0, 1, 20)
SINE = np.sin(2 * np.pi * GRID)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_each_curve_has_a_panel_and_a_wild_one_does_not_flatten_the_others(tmp_path):
    curves = np.stack([SINE, 100 * SINE, 0 * SINE, SINE, SINE])
    titles = list("abcde")
    figure = figures.fitted_curves(GRID, SINE, GRID, curves, titles, truth=SINE, columns=4)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == titles
    for axes, curve in zip(shown, curves, strict=True):
        np.testing.assert_array_equal(lines(axes)["fit"].get_ydata(), curve)
        assert -3 < axes.get_ylim()[0] < -1 < 1 < axes.get_ylim()[1] < 3
    figures.save(figure, tmp_path / "fits.png")
    assert (tmp_path / "fits.png").read_bytes()[:4] == b"\x89PNG"


def test_errors_and_the_best_setting():
    errors = {"training": [0.5, 0.3, 0.2, 0.1], "validation": [0.6, 0.4, 0.5, 1e6]}
    (axes,) = figures.error_curves(range(4), errors, xlabel="degree", best=1).axes
    for name, error in errors.items():
        np.testing.assert_array_equal(lines(axes)[name].get_ydata(), error)
    assert lines(axes)["best: 1"].get_xdata() == [1, 1]
    assert 0.6 < axes.get_ylim()[1] < 3  # the blow-up leaves the picture
    (axes,) = figures.error_curves(range(4), errors, xlabel="degree", log=True).axes
    assert axes.get_yscale() == "log"
    (axes,) = figures.error_curves([1, 2], {"zero": [0, 0]}, xlabel="x").axes


def test_coefficients_keep_their_signs_and_sizes():
    weights = [np.array([0.3]), np.array([0.3, 8.0, -2.5e5])]
    figure = figures.coefficients(weights, ["M = 0", "M = 2"])
    for axes, w in zip(figure.axes, weights, strict=True):
        np.testing.assert_array_equal([bar.get_height() for bar in axes.patches], w)
    red, blue = (figure.axes[1].patches[i].get_facecolor() for i in (2, 1))
    assert red != blue


def test_the_mean_is_that_of_all_fits_not_only_of_those_drawn():
    fits = SINE + np.arange(30)[:, None]  # (30, 20)
    figure = figures.spread(GRID, [fits], ["M = 3"], truth=SINE, shown=5)
    axes = figure.axes[0]
    assert len(axes.lines) == 5 + 2
    np.testing.assert_allclose(lines(axes)["mean of the fits"].get_ydata(), SINE + 14.5)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.fitted_curves([0], [0], GRID, SINE, ["a"]), r"shape \(K, 20\)"),
        (lambda: figures.fitted_curves([0], [0], GRID, [SINE], []), "expected 1 titles"),
        (lambda: figures.fitted_curves([0], [0], GRID, np.empty((0, 20)), []), r"\(K, 20\)"),
        (
            lambda: figures.error_curves([1, 2], {"training": [1]}, xlabel="x"),
            r"expected \(2,\) errors for 'training'",
        ),
        (lambda: figures.coefficients([[1.0]], []), "0 titles for 1 fits"),
        (lambda: figures.coefficients([], []), "one or more fits"),
        (lambda: figures.spread(GRID, [], [], truth=SINE), "one or more panels"),
    ],
)
def test_what_cannot_be_drawn(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
