"""Names of classes, runs, settings and tokens are drawn as they are: ``$`` begins no formula."""

import numpy as np
import pytest

from firstlight.tools import figures

BAD = [r"$\frac$", "$", "a$b$", "$^$"]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: figures.confusion_matrix(np.eye(4, dtype=int), BAD),
        lambda: figures.image_grid(RNG.random((4, 5, 5, 1)), titles=BAD),
        lambda: figures.overlay(
            {BAD[0]: {name: ([1, 2], [1, 2]) for name in BAD}}, x_label="epoch"
        ),
        lambda: figures.overlay({BAD[0]: {BAD[3]: ([1, 2], [1, 2])}}, x_label="epoch"),
        lambda: figures.histograms({name: RNG.random(9) for name in BAD}),
        lambda: figures.attention_maps(RNG.random((4, 4, 4)), BAD, titles=BAD),
        lambda: figures.importance_bars(dict.fromkeys(BAD, 0.5), metric=BAD[0]),
        lambda: figures.parallel_coordinates(RNG.random(4), {BAD[0]: BAD}, metric=BAD[3]),
        lambda: figures.slices(RNG.random(4), {BAD[0]: BAD}, metric=BAD[3]),
        lambda: figures.search_progress(RNG.random(4), metric=BAD[0]),
        lambda: figures.curves([{"step": 1, "epoch": 1, "train_$^$": 1.0, "val_$^$": 2.0}]),
    ],
)
def test_dollars_are_drawn(make):
    figure = make()
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    assert any(r"\$" in text for text in texts)
