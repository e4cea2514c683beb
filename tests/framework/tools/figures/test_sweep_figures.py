"""Figures of sweeps and of several runs show the numbers they were given."""

import numpy as np
import pytest

from firstlight.tools import figures
from firstlight.tools.figures.style import VERMILION

LOSS = np.array([0.4, 0.1, 0.3, 0.2, 0.5, 0.6])
SEARCHED = {
    "lr": [1e-3, 1e-2, 1e-1, 3e-2, 3e-3, 2e-3],
    "hidden": [[64], [64, 32], [64], [64, 32], [64], [64]],
    "depth": [1, 2, 3, 1, 2, 3],
}


def curves(axes):
    return {line.get_label(): np.array(line.get_xydata()) for line in axes.lines}


def test_overlay_has_each_run_in_each_panel():
    panels = {
        "val_loss": {"a": ([1, 2], [0.5, 0.4]), "b": ([1, 2, 3], [0.6, 0.3, 0.2])},
        "val_acc": {"a": ([1, 2], [0.8, 0.9])},
    }
    figure = figures.overlay(panels, x_label="epoch")
    top, bottom = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["val_loss", "val_acc"]
    assert bottom.get_xlabel() == "epoch"
    np.testing.assert_array_equal(curves(top)["b"], [[1, 0.6], [2, 0.3], [3, 0.2]])
    np.testing.assert_array_equal(curves(bottom)["a"], [[1, 0.8], [2, 0.9]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    colours = [{line.get_label(): line.get_color() for line in a.lines} for a in figure.axes]
    assert colours[0]["a"] == colours[1]["a"] != colours[0]["b"]


def test_overlay_smooths_and_leaves_the_curve_behind_it():
    raw = [1.0, 3.0, float("nan"), 3.0]
    (axes,) = figures.overlay({"x": {"a": (range(4), raw)}}, smoothing=0.5).axes
    behind, smooth = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(behind, raw)
    np.testing.assert_allclose(smooth, [1, 7 / 3, np.nan, 19 / 7])


def test_overlay_of_many_runs_and_of_none():
    many = {f"run {i}": ([1, 2], [i, i + 1]) for i in range(30)}
    figure = figures.overlay({"loss": many}, log=True)
    assert len(figure.axes[0].lines) == 30
    assert not figure.legends
    assert "30 runs" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_yscale() == "log"
    with pytest.raises(ValueError, match="overlay: expected at least one curve, got none"):
        figures.overlay({"loss": {}})
    with pytest.raises(ValueError, match="a weight from 0 to below 1, got 1"):
        figures.smoothed([1.0], 1)


@pytest.mark.parametrize(("mode", "best"), [("min", 1), ("max", 5)])
def test_parallel_coordinates_have_a_line_for_each_trial_and_the_best_in_red(mode, best):
    figure = figures.parallel_coordinates(LOSS, SEARCHED, metric="val_loss", mode=mode, log=["lr"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [*SEARCHED, "val_loss"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(lines) == 6
    (red,) = (line for line in lines if line.get_color() == VERMILION)
    place = (np.log10(SEARCHED["lr"][best]) + 3) / 2
    np.testing.assert_allclose(red.get_ydata()[[0, -1]], [place, (LOSS[best] - 0.1) / 0.5])
    written = {text.get_text() for text in axes.texts}
    assert {"0.001", "0.01", "0.1", "64", "64,32", "1", "2", "3", "0.6"} <= written


def test_results_have_a_scale_even_of_few_trials_that_agree():
    """Four results of three values lie where they belong, not at equal distances."""
    values = [0.1, 0.2, 0.2, 0.9]
    (axes,) = figures.parallel_coordinates(values, {"lr": [1e-3, 2e-3, 1e-2, 2e-2]}).axes
    ends = sorted(line.get_ydata()[-1] for line in axes.lines if line.get_color() != "black")
    np.testing.assert_allclose(ends, [0, 0.125, 0.125, 1])
    places = sorted(line.get_ydata()[0] for line in axes.lines if line.get_color() != "black")
    np.testing.assert_allclose(places, [0, 1 / 19, 9 / 19, 1])
    (axes,) = figures.parallel_coordinates([0.5, 0.5], {"lr": [0.1, 0.2]}).axes
    assert [text.get_text() for text in axes.texts].count("0.5") == 1


def test_importance_has_a_bar_for_each_setting():
    figure = figures.importance_bars({"lr": 0.7, "hidden": 0.1, "depth": float("nan")})
    (axes,) = figure.axes
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [0.7, 0.1, 0])
    assert [text.get_text() for text in axes.texts] == ["70%", "10%", "too few trials to tell"]
    with pytest.raises(ValueError, match="importance_bars: expected at least one setting"):
        figures.importance_bars({})


def test_slices_have_a_point_for_each_trial():
    figure = figures.slices(LOSS, SEARCHED, metric="val_loss", log=["lr"], columns=2)
    panels = [axes for axes in figure.axes if axes.collections]
    assert [axes.get_xlabel() for axes in panels] == list(SEARCHED)
    points = panels[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, np.stack([SEARCHED["lr"], LOSS], axis=1))
    assert panels[0].get_xscale() == "log"
    place = panels[1].collections[0].get_offsets()[:, 0]
    narrow = np.array([len(hidden) == 1 for hidden in SEARCHED["hidden"]])
    assert place[narrow].max() < 0.1 < 0.9 < place[~narrow].min()


@pytest.mark.parametrize(("mode", "best"), [("min", np.minimum), ("max", np.maximum)])
def test_progress_shows_trials_and_the_best_so_far(mode, best):
    points, line = figures.search_progress(LOSS, mode=mode).axes[0].lines
    np.testing.assert_array_equal(points.get_ydata(), LOSS)
    np.testing.assert_array_equal(line.get_ydata(), best.accumulate(LOSS))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_trials_that_diverged_are_drawn_as_the_worst(bad, mode, tmp_path):
    values, given = np.array([0.4, bad, 0.3, 0.2]), {"lr": [0.1, 0.2, 0.3, 0.4]}
    worst, best = (0.4, 0.2) if mode == "min" else (0.2, 0.4)
    points, cross, line = figures.search_progress(values, mode=mode).axes[0].lines
    assert (points.get_ydata().tolist(), cross.get_ydata().tolist()) == ([0.4, 0.3, 0.2], [worst])
    assert line.get_ydata()[-1] == best
    figure = figures.slices(values, given, mode=mode)
    points, cross = figure.axes[0].collections
    assert (points.get_offsets()[:, 1].min(), cross.get_offsets().tolist()) == (0.2, [[0.2, worst]])
    (axes,) = figures.parallel_coordinates(values, given, mode=mode).axes
    (dashed,) = (one for one in axes.lines if one.get_linestyle() == "--")
    assert dashed.get_color() != VERMILION
    assert dashed.get_ydata()[-1] == (1 if mode == "min" else 0)
    figures.save(figure, tmp_path / "slices.png")
    with pytest.raises(ValueError, match="slices: expected a finite result at least, got"):
        figures.slices([bad], {"lr": [0.1]}, mode=mode)


@pytest.mark.parametrize("draw", [figures.parallel_coordinates, figures.slices])
def test_what_does_not_fit_together_is_refused(draw):
    with pytest.raises(ValueError, match=r"expected results of shape \(N,\), N > 0, got \(0,\)"):
        draw([], {})
    with pytest.raises(ValueError, match="expected 2 values of lr, as many as results, got 1"):
        draw([1.0, 2.0], {"lr": [1]})


def test_one_trial_and_equal_results_are_drawn():
    for values in ([0.5], [0.5, 0.5]):
        given = {"lr": [0.1] * len(values), "flag": [True] * len(values)}
        figures.parallel_coordinates(values, given)
        figures.slices(values, given)
        figures.search_progress(values)
