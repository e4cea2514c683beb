"""Curves show what was logged, where it was logged, and mark the best."""

import numpy as np
import pytest

from firstlight.runs.history import History
from firstlight.tools.figures import curves, histograms, predictions
from firstlight.tools.figures.learning_curves import along_epochs


def records(losses=(1.0, 0.4, 0.2, 0.3)):
    found = []
    for epoch, loss in enumerate(losses, 1):
        at = {"step": 10 * epoch, "epoch": epoch, "time": float(epoch)}
        found.append({**at, "step": 10 * epoch - 5, "train_loss_step": loss, "grad_norm": 1.0})
        values = {"train_loss": loss, "val_loss": loss / 2, "val_acc": 1 - loss}
        found.append({**at, **values, "lr": 0.1, "epoch_seconds": 1.0})
    return found


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}


def test_each_kind_has_a_panel_with_its_values():
    figure = curves(records(), shares={"forward": 0.7, "data": 0.3, "rare": 0.001})
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["loss", "accuracy", "learning rate", "gradient norm", "time"]
    drawn = lines(panels["loss"])
    assert drawn["training"] == [[1, 1.0], [2, 0.4], [3, 0.2], [4, 0.3]]
    assert drawn["validation"] == [[1, 0.5], [2, 0.2], [3, 0.1], [4, 0.15]]
    (best,) = [line for line in panels["loss"].get_lines() if line.get_marker() == "o"]
    assert best.get_xydata().tolist() == [[3, 0.1]]
    assert [text.get_text() for text in panels["loss"].texts] == ["0.1"]
    assert [text.get_text() for text in panels["accuracy"].texts] == ["0.8"]  # the highest
    assert [label.get_text() for label in panels["time"].get_yticklabels()] == ["data", "forward"]


def test_learning_rates_of_several_optimizers_share_a_panel():
    found = [{**one, "lr/d": 0.2, "lr/g": 0.1, "lr/g.0": 0.3} for one in records()]
    (panel,) = [a for a in curves(found).axes if a.get_title() == "learning rate"]
    assert {name: points[-1] for name, points in lines(panel).items()} == {
        "d": [4, 0.2],
        "g": [4, 0.1],
    }
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["d", "g"]


def test_steps_are_fractions_of_epochs():
    x, y = along_epochs(History(records()), "train_loss_step")
    assert x == [0.5, 1.5, 2.5, 3.5]
    assert y == [1.0, 0.4, 0.2, 0.3]


def test_losses_over_decades_are_logarithmic_and_others_not():
    assert curves(records((10, 1, 0.1))).axes[0].get_yscale() == "log"
    assert curves(records()).axes[0].get_yscale() == "linear"
    assert curves(records((1.0, 0.0, 0.5))).axes[0].get_yscale() == "linear"
    assert curves(records((1.0, float("nan"), 0.5))).axes[0].get_title() == "loss"


def test_nothing_logged_is_an_error():
    with pytest.raises(ValueError, match="nothing was logged that could be drawn"):
        curves([])


def test_histograms_count_all_finite_values():
    arrays = {"w": np.array([0.0, 1, 2, np.nan]), "b": np.ones((3, 3))}
    figure = histograms(arrays)
    counts = [axes.patches[0].get_data().values.sum() for axes in figure.axes[:2]]
    assert counts == [3, 9]
    with pytest.raises(ValueError, match="one or more arrays"):
        histograms({})


def test_predictions_over_x_or_against_the_targets():
    x = np.array([[2.0], [1.0], [3.0]])
    axes = predictions(x, x**2, x + 1).axes[0]
    assert lines(axes)["prediction"] == [[1, 2], [2, 3], [3, 4]]
    axes = predictions(np.ones((3, 2)), x, x + 1).axes[0]
    assert axes.get_xlabel() == "target"
    with pytest.raises(ValueError, match="one prediction for each of 3 inputs"):
        predictions(x, x, np.ones((3, 2)))
