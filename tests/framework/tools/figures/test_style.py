"""All figures keep one style: letters that can be read on a poster, and numbers beside them."""

import csv
import inspect
import io

import numpy as np
import pytest
from drawn_figures import DRAWN
from matplotlib.text import Text

from firstlight.tools import figures
from firstlight.tools.figures.style import SMALLEST, series

COLUMN = 9.8  # inches of one of three columns on A0 portrait


def letters(figure):
    """Return the sizes of all visible texts."""
    figure.set_layout_engine("none")  # which takes most of the time
    figure.draw_without_rendering()  # makes the labels of ticks
    every = figure.findobj(Text)
    return [text.get_fontsize() for text in every if text.get_visible() and text.get_text().strip()]


def test_every_function_that_returns_a_figure_is_drawn_here():
    public = {name: getattr(figures, name) for name in figures.__all__}
    returns = {n: str(inspect.signature(f).return_annotation) for n, f in public.items()}
    assert {n for n, kind in returns.items() if kind.strip("'\"") == "Figure"} - {"save"} == set(
        DRAWN
    )


@pytest.mark.parametrize("name", DRAWN)
def test_letters_are_readable_on_a_page_and_on_a_poster(name):
    assert min(letters(DRAWN[name]())) >= SMALLEST
    with figures.printed(COLUMN):
        figure = DRAWN[name]()
    assert min(letters(figure)) * COLUMN / figure.get_figwidth() >= 24 - 1e-9


@pytest.mark.parametrize("name", DRAWN)
def test_numbers_are_tables_that_a_csv_file_can_hold(name):
    tables = figures.numbers(DRAWN[name]())
    assert bool(tables) == (name != "image_grid")  # photographs
    for table in tables.values():
        assert len({len(column) for column in table.values()}) == 1
        assert all(column.ndim == 1 and len(column) for column in table.values())
        file = io.StringIO()
        csv.writer(file).writerows([table, *zip(*table.values(), strict=True)])


def test_numbers_are_those_that_were_drawn():
    x, y = [1.0, 2.0, 4.0], [0.5, 0.25, 0.3]
    tables = figures.numbers(figures.overlay({"val_$": {"a": (x, y), "b": (x[:2], y[1:])}}))
    assert list(tables) == ["val_$"]
    table = {name: column.tolist() for name, column in tables["val_$"].items()}
    assert table == {"curve": list("aaabb"), "step": x + x[:2], "val_$": y + y[1:]}
    counts = np.array([[5, 1], [0, 7]])
    table = figures.numbers(figures.confusion_matrix(counts, ["no", "yes"]))["confusion"]
    assert table["true class"].tolist() == ["no", "no", "yes", "yes"]
    assert table["predicted class"].tolist() == ["no", "yes"] * 2
    assert table["count"].tolist() == [5, 1, 0, 7]
    weights = np.arange(8.0).reshape(2, 2, 2, 1)
    table = figures.numbers(figures.filters(weights))["filters"]
    assert table["weight"].tolist() == [4, 5, 6, 7, 0, 1, 2, 3]  # the strongest first
    assert table["picture"].tolist() == [0] * 4 + [1] * 4
    assert table["column"].tolist() == [0, 1] * 4
    bars = figures.numbers(figures.importance_bars({"lr": 0.75, "norm": 0.25}))
    (table,) = bars.values()
    assert [column.tolist() for column in table.values()][1:] == [["lr", "norm"], [0.75, 0.25]]


def test_bands_are_mean_and_deviation_over_the_seeds():
    seeds = [([1, 2, 3], [1.0, 2.0, 6.0]), ([1, 2], [3.0, 2.0])]  # the second ended earlier
    figure = figures.bands({"val_loss": {"mlp": seeds}})
    table = figures.numbers(figure)["val_loss"]
    np.testing.assert_allclose(table["mean"], [2, 2, 6])
    np.testing.assert_allclose(table["std"], [np.sqrt(2), 0, np.nan])
    assert table["seeds"].tolist() == [2, 2, 1]
    (line,) = figure.axes[0].get_lines()
    assert line.get_ydata().tolist() == [2, 2, 6]
    assert line.get_label() == "mlp (2 seeds)"
    figure = figures.bands({"loss": {"a": [([1, 2], [1e-3, 1.0]), ([1, 2], [1.0, 1.0])]}}, log=True)
    assert figure.axes[0].collections[0].get_paths()[0].get_extents().y0 == 1e-3
    with pytest.raises(ValueError, match="bands: expected at least one curve of each setting"):
        figures.bands({"loss": {"a": []}})
    with pytest.raises(ValueError, match="bands: expected as many y as x for a, got 1, 2"):
        figures.bands({"loss": {"a": [([1, 2], [1])]}})


def test_curves_differ_by_line_style_where_colours_repeat():
    looks = [series(index) for index in range(14)]
    assert len(set(looks)) == len(looks)
    assert {line for _, line in looks[:4]} == {"-"}


@pytest.mark.parametrize("size", [(0.0, 24.0), (9.0, -1.0), (float("nan"), 24.0)])
def test_a_print_has_a_size(size):
    with pytest.raises(ValueError, match="printed: expected a positive"), figures.printed(*size):
        pass


def test_after_printed_figures_are_as_before():
    before = DRAWN["mistakes"]().get_size_inches().tolist()
    with pytest.raises(KeyError), figures.printed(5):
        raise KeyError
    assert DRAWN["mistakes"]().get_size_inches().tolist() == before


def test_a_title_in_lines_names_its_table_in_one_piece():
    with figures.printed(4):
        figure = figures.histograms({"features.0.weight": np.arange(9.0)})
    assert "\n" in figure.axes[0].get_title()
    assert list(figures.numbers(figure)) == ["features.0.weight"]
