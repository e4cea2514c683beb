"""The figure of a roofline: the largest bound stands out, and measured times are where they are."""

import numpy as np
import pytest

from firstlight.tools import figures

BOUNDS = {"CPU": {"launches": [1, 1], "memory": [0.5, 3]}, "GPU": {"launches": [10, 10]}}


def dots(axes):
    return {dots.get_label(): dots for dots in axes.collections}


def test_bounds_and_measured_times_are_drawn():
    cpu, gpu = figures.layer_times(["Linear", "ReLU"], BOUNDS, {"CPU": [1.2, 2.5]}).axes
    assert [cpu.get_title(), gpu.get_title()] == list(BOUNDS)
    assert set(dots(gpu)) == {"launches"}
    found = {name: dots.get_offsets()[:, 0].tolist() for name, dots in dots(cpu).items()}
    assert found == {"launches": [1, 1], "memory": [0.5, 3], "measured": [1.2, 2.5]}
    launches, memory = (dots(cpu)[name].get_sizes() for name in ("launches", "memory"))
    assert (launches > memory).tolist() == [True, False]
    assert [text.get_text() for text in cpu.get_yticklabels()] == ["Linear", "ReLU"]
    first, last = cpu.get_ylim()
    assert first > last  # the first layer is above


def test_every_cause_is_in_the_legend_once():
    figure = figures.layer_times(["Linear", "ReLU"], BOUNDS, {"CPU": [1.2, 2.5]})
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["launches", "memory", "measured"]


@pytest.mark.parametrize(
    ("bounds", "measured", "message"),
    [
        ({"CPU": {"memory": [1]}}, {}, "2 times of 'memory' in 'CPU'"),
        ({"CPU": {"memory": [1, 2]}}, {"CPU": np.ones(3)}, "2 times of 'measured' in 'CPU'"),
        (BOUNDS, {"TPU": [1, 2]}, "TPU"),
    ],
)
def test_times_that_do_not_fit_are_told(bounds, measured, message):
    with pytest.raises(ValueError, match=message):
        figures.layer_times(["Linear", "ReLU"], bounds, measured)
