"""docs/training.py draws a training as a moving picture; docs/training.svg is one that it drew."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def training():
    spec = importlib.util.spec_from_file_location("training_picture", DOCS / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_kept_picture_is_small_and_moves(training):
    path = DOCS / "training.svg"
    assert path.stat().st_size < 300_000
    text = path.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    root = ET.fromstring(text)
    assert len(list(root.iter(f"{SVG}animate"))) > 100
    titles = [e.text for e in root.iter(f"{SVG}text") if e.get("class") == "big"]
    assert [title.split(":")[0] for title in titles] == [f"step {s}" for s in training.STEPS]


def test_a_short_training_as_a_picture(training):
    steps = [0, 2, 5]
    frames, (images, labels) = training.train(steps)
    assert [len(frame) for frame in frames] == [3, 3, 3]
    assert frames[2][0] < frames[0][0]  # the training loss
    root = ET.fromstring(training.picture(steps, frames, images, labels))
    texts = list(root.iter(f"{SVG}text"))
    right = int(np.sum(frames[2][2] == labels))
    assert f"step 5: {right} of {len(labels)} test digits right" in texts[2].text
    # Without animation, the last frame is seen.
    groups = [g for g in root.iter(f"{SVG}g") if g.get("visibility") == "visible"]
    shown = [t for g in groups for t in g.iter(f"{SVG}text")]
    assert len([t for t in shown if t.get("class") == "big"]) == 1
    guesses = [int(t.text) for t in shown if t.get("class").startswith("small")]
    assert guesses == list(frames[2][2][:60])


@pytest.mark.parametrize(
    ("first", "last", "values", "times"),
    [
        (0, 1, "visible;hidden", "0;0.1304"),
        (2, 2, "hidden;visible", "0;0.1304"),
        (1, 1, "hidden;visible;hidden", "0;0.06522;0.1304"),
    ],
)
def test_when_an_element_is_shown(training, first, last, values, times):
    visibility, animation = training.during(first, last, 3)
    assert visibility == values.split(";")[-1]
    assert f'values="{values}"' in animation
    assert f'keyTimes="{times}"' in animation
    assert training.during(0, 2, 3) == ("visible", "")
