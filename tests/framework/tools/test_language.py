"""Figures, reports and posters in German have no English words left in them."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from firstlight.tools import figures
from firstlight.tools.language import GERMAN, say, speaking

TOOLS = Path(__file__).parents[3] / "framework" / "tools"


def made():
    """Return one of each figure that a report or a poster may have."""
    rng = np.random.default_rng(0)
    records = [
        {"step": 10 * e, "epoch": e, "train_loss": 1 / e, "val_loss": 2 / e, "val_acc": 0.1 * e}
        | {"lr": 0.1, "grad_norm": 1.0, "epoch_seconds": 1.0}
        for e in range(1, 5)
    ]
    shares = {"data": 0.2, "forward": 0.3, "backward": 0.2, "optimizer": 0.2, "validation": 0.1}
    images, y = rng.random((3, 4, 4, 1)), np.array([0, 1, 0])
    many = {f"r{i}": ([1, 2], [i, i + 1]) for i in range(20)}
    return [
        figures.curves(records, shares=shares),
        figures.confusion_matrix(np.eye(2, dtype=int), ["0", "1"]),
        figures.mistakes(images, y, rng.random((3, 2)), ["0", "1"]),
        figures.filters(images),
        figures.saliency(images, images),
        figures.occlusion(images, images[..., 0]),
        figures.predictions(np.arange(3), y, y),
        figures.predictions(images, y, y),
        figures.overlay({"val_loss": many}, x_label="epoch"),
    ]


def written(figure):
    """Return the words in a figure, but for numbers and names from the data."""
    figure.canvas.draw()
    texts = {text.get_text() for text in figure.findobj(Text)}
    return {t for t in texts if re.search("[a-z]{2}", t) and "math" not in t and t != "val_loss"}


@pytest.mark.slow
def test_german_figures_have_no_english_words():
    english = [written(figure) for figure in made()]
    with speaking("de"):
        german = [written(figure) for figure in made()]
    assert all(english)
    alike = {"Training", "Status", "Parameter"}
    for one, other in zip(english, german, strict=True):
        assert len(one) == len(other)
        assert not (one & other) - alike, "the same in both languages"


def said():
    """Return the texts that are said anywhere in figures and reports."""
    found = set()
    for path in [*(TOOLS / "figures").glob("*.py"), *(TOOLS / "report").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say"
            if called and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def test_everything_that_is_said_is_known_in_german():
    assert len(said()) > 10
    assert said() <= set(GERMAN)


def test_a_language_is_spoken_only_inside_of_with():
    with speaking("de"):
        assert say("epoch") == "Epoche"
        assert say("model.lr") == "model.lr"
    assert say("epoch") == "epoch"
    with pytest.raises(ValueError, match="expected one of en, de, got 'fr'"), speaking("fr"):
        pass
