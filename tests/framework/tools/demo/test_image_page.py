"""The page of an image classifier, as text; test_pages_in_chromium.py opens it."""

import json
import re

import numpy as np
import pytest
from node import NO_NODE, NODE, returned

from firstlight import datasets, models, nn
from firstlight.data.splits import DataSplits
from firstlight.tools.demo import make_demo
from firstlight.tools.demo.content import ink, kind_of
from firstlight.tools.demo.encoding import exact_formats, rounded, size_of
from firstlight.tools.demo.javascript import HERE, engine
from firstlight.tools.demo.trace import trace
from firstlight.tools.demo.words import GERMAN
from firstlight.tools.demo.writing import MOST_LOST


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def mlp(digits, hidden=(32,)):
    return models.MLP(64, 10, hidden=hidden)


def facts_of(page):
    return json.loads(re.search(r"^const facts = (.*);$", page, re.M)[1])


def test_the_page_is_one_file_that_asks_for_nothing(digits):
    page = make_demo(mlp(digits), digits).html
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=", page) == []
    assert re.findall(r"https?://|fetch\(|XMLHttpRequest|WebSocket|import\(", page) == []
    assert "layers.Linear" in page
    assert "layers.Conv2d" not in page  # only the layers that the network has
    assert len(page.encode()) < 200_000


def test_the_facts_say_what_was_measured(digits):
    demo = make_demo(mlp(digits), digits)
    assert demo.kind == "image"
    assert demo.before == demo.after
    assert set(demo.formats) == {"float32"}
    facts = facts_of(demo.html)
    assert facts["report"]["split"] == "validation"
    assert facts["classes"] == [str(n) for n in range(10)]
    assert facts["input"]["ink"]["box"] == 8
    labels = facts["samples"]["labels"]
    assert len(labels) == 18 or len(labels) == 20
    told = str(demo)
    assert "validation accuracy" in told
    if NODE is None:
        assert "no Node.js" in told
    else:
        assert demo.difference < 1e-5


def test_names_cannot_end_the_script():
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 4, 4, 1), "float32"), np.arange(12) % 2
    data = DataSplits((x, y), val=(x, y), classes=["</script><b>", "b\u2028"], name="<i>")
    page = make_demo(models.MLP(16, 2, hidden=(4,)), data).html
    assert page.count("</script>") == 3
    assert "<i>" not in page
    assert facts_of(page)["classes"] == ["</script><b>", "b\u2028"]


def test_every_text_of_the_page_has_a_german_one():
    texts = []
    for file in sorted((HERE / "page").glob("*.js")):
        for call in re.findall(r"say\((.*)", file.read_text("utf-8")):
            texts += re.findall(r'"([^"\\]+)"', call.split(", {")[0].split("))")[0])
    known = [text for text in texts if " " in text or text[:1].isupper()]
    assert len(known) > 20
    assert [text for text in known if text not in GERMAN] == []


def test_placeholders_are_the_same_in_german():
    for english, german in GERMAN.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", german)), english


@pytest.mark.skipif(NODE is None, reason=NO_NODE)
@pytest.mark.parametrize("form", ["float16", "int8"])
def test_the_page_has_the_rounded_weights(digits, form):
    model = mlp(digits)
    before = model.body[0].weight.data.copy()
    demo = make_demo(model, digits, weights=form)
    assert demo.formats[form] == 1
    assert demo.difference < 1e-6
    np.testing.assert_array_equal(model.body[0].weight.data, before)  # the model has its own
    assert model.training
    graph = trace(model, *(digits.val[np.arange(n)][0] for n in (2, 3)))
    found = json.loads(re.search(r"^const network = (.*);$", demo.html, re.M)[1])
    found = returned(f"{engine(graph)}; const model = new Model({json.dumps(found)}); {FIRST}")
    expected = rounded(before, form)
    np.testing.assert_allclose(np.float32(found).reshape(expected.shape), expected, rtol=1e-6)
    assert 0 < np.abs(expected - before).max() < np.abs(before).max() / 100


FIRST = "return Array.from(model.nodes.find(({ type }) => type === 'Linear').layer.weight.data);"


def test_int8_that_costs_accuracy_is_not_taken(digits, monkeypatch):
    monkeypatch.setattr("firstlight.tools.demo.writing.ROOM", 0)
    assert make_demo(mlp(digits), digits).formats == {"float32": 7, "int8": 1}
    monkeypatch.setitem(MOST_LOST, "accuracy", -1)
    assert make_demo(mlp(digits), digits).formats == {"float32": 7, "float16": 1}


@pytest.mark.skipif(NODE is None, reason=NO_NODE)
def test_a_page_that_would_show_another_network_is_refused(digits, monkeypatch):
    monkeypatch.setattr("firstlight.tools.demo.writing.DIFFERENCE", 0)
    with pytest.raises(RuntimeError, match="differs from NumPy's by"):
        make_demo(mlp(digits), digits)


def test_without_node_the_page_says_that_it_was_not_compared(digits, monkeypatch):
    monkeypatch.setenv("PATH", "")
    demo = make_demo(mlp(digits), digits)
    assert demo.difference is None
    assert "there is no Node.js" in str(demo)
    assert facts_of(demo.html)["report"]["difference"] is None


def test_formats_are_as_exact_as_the_room_allows():
    arrays = [np.ones((64, 64), "float32"), np.ones((32, 64), "float32"), np.ones(10, "float32")]
    exact = ["float32", "float32", "float32"]
    assert exact_formats(arrays, size_of(arrays, exact)) == exact
    half = ["float16", "float16", "float32"]
    assert exact_formats(arrays, size_of(arrays, exact) - 1) == half
    assert exact_formats(arrays, size_of(arrays, half) - 1) == ["int8", "float16", "float32"]
    assert exact_formats(arrays, 0) == ["int8", "int8", "float32"]
    arrays[0][0, 0] = 1e5  # beyond float16
    assert exact_formats(arrays, 0) == ["float32", "int8", "float32"]


def test_int8_is_exact_for_its_own_numbers_and_zero_rows():
    row = np.float32([[-127, 5, 0, 127], [0, 0, 0, 0]]) / 127
    np.testing.assert_allclose(rounded(row, "int8"), row, rtol=1e-6)


def test_ink_is_found_where_it_lies():
    images = np.zeros((20, 28, 28, 1), "float32")
    images[:, 4:24, 10:18] = 1  # in the middle, 20 pixels high
    found = ink(images)
    assert found["box"] == 20
    assert np.allclose(found["offset"], 0)
    photos = np.random.default_rng(0).random((20, 28, 28, 1), "float32")
    assert ink(photos) is None


def test_data_without_a_page_are_refused():
    x, y = np.zeros((4, 5, 3), "float32"), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"a demo has no page for inputs of shape \(5, 3\)"):
        kind_of(DataSplits((x, y), classes=["a", "b"]))


def test_bad_arguments_are_refused(digits):
    with pytest.raises(ValueError, match="weights: expected auto, float32, float16, int8, got 'f'"):
        make_demo(mlp(digits), digits, weights="f")
    with pytest.raises(ValueError, match="language: expected one of en, de"):
        make_demo(mlp(digits), digits, language="fr")


def test_a_network_that_gives_nan_is_refused(digits):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model.loss = nn.CrossEntropyLoss()
    model[1].weight.data[...] = np.nan
    with pytest.raises(ValueError, match="answers with NaN or infinity, so it has diverged"):
        make_demo(model, digits)


def test_colour_photos_and_one_score_for_two_classes():
    rng = np.random.default_rng(0)
    x, y = rng.random((30, 6, 5, 3), "float32"), np.float32(np.arange(30) % 2)[:, None]
    data = DataSplits((x, y), val=(x, y), classes=["small", "large"], name="photos")
    model = nn.Sequential(nn.Flatten(), nn.Linear(90, 1))
    facts = facts_of(make_demo(model, data).html)
    assert facts["activation"] == "sigmoid"
    assert facts["input"]["ink"] is None
    assert facts["input"]["shape"] == [6, 5, 3]
    predicted = model(x)[:, 0] > 0
    assert facts["report"]["after"] == pytest.approx(np.mean(predicted == y[:, 0]))
    with pytest.raises(ValueError, match="expected one class for each sample"):
        make_demo(model, DataSplits((x, np.zeros((30, 4))), classes=["a", "b"]))
