"""Figures as Jupyter shows them at the end of a cell."""

import pickle
import struct

import numpy as np
import pytest

from firstlight import figures
from firstlight.callbacks.lr_finder import LRSearch
from firstlight.runs.history import History


def bundle(figure):
    formatters = pytest.importorskip("IPython.core.formatters")
    return formatters.DisplayFormatter().format(figure)


def width_of(png):
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">I", png[16:20])[0]


def curves():
    return History({"step": e, "epoch": e, "time": e, "val_loss": 1 / e} for e in (1, 2, 3)).plot()


def found_rates():
    return LRSearch(lrs=[10.0**e for e in range(30)], losses=list(range(30, 0, -1))).plot()


@pytest.mark.parametrize("make", [curves, found_rates])
def test_a_figure_is_a_picture_of_its_size_in_inches(make):
    figure = make()
    data, metadata = bundle(figure)
    width = metadata["image/png"]["width"]
    assert width == round(96 * figure.get_figwidth())
    assert width_of(data["image/png"]) == 2 * width  # twice the pixels of the page


def test_save_returns_the_figure_for_the_end_of_a_cell():
    figure = figures.image_grid(np.zeros((2, 4, 4, 1)))
    assert figures.save(figure, "grid.png") is figure


def test_a_figure_can_still_be_pickled():
    figure = pickle.loads(pickle.dumps(curves()))
    assert bundle(figure)[0]["image/png"].startswith(b"\x89PNG")
