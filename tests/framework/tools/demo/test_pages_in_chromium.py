"""The pages in a browser: the same outputs as NumPy, no request, and what visitors do."""

import numpy as np
import pytest
from browser import CHROMIUM, run_in_page

import firstlight as fl
from firstlight import datasets, models
from firstlight.tools.demo import make_demo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
DRAW = """
const box = pad.getBoundingClientRect();
pad.setPointerCapture = () => {};
pad.hasPointerCapture = () => true;
const send = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, { pointerId: 1, button: 0,
  clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
const line = (x0, y0, x1, y1) => {
  send("pointerdown", x0, y0);
  for (let k = 0.05; k < 1.01; k += 0.05) {
    send("pointermove", x0 + (x1 - x0) * k, y0 + (y1 - y0) * k);
  }
};
"""
FRAME = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def classifier(digits):
    model = models.MLP(64, 10, hidden=(32,))
    fl.Trainer(max_epochs=5, runs_dir=None).fit(model, digits)
    return model, make_demo(model, digits).html


def forward(x):
    """Return a script that computes the network's output for x."""
    return (
        f"const x = new Arr({list(x.shape)}, Float32Array.from({x.ravel().tolist()}));"
        "return Array.from(model.forward(x).data);"
    )


def test_a_browser_computes_what_numpy_computes(classifier, digits, tmp_path):
    model, page = classifier
    x = digits.test[np.arange(100)][0]
    found = run_in_page(page, forward(x), tmp_path)
    assert found["requests"] == []
    assert found["violations"] == []
    y = model.eval()(x)
    np.testing.assert_allclose(np.float32(found["result"]).reshape(y.shape), y, atol=1e-5)


def test_a_drawn_line_is_a_one(classifier, tmp_path):
    script = DRAW + "line(0.5, 0.2, 0.5, 0.8);" + FRAME
    script += "const label = bars.element.getAttribute('aria-label');"
    script += "return [answer.textContent, Array.from(picture), label];"
    found = run_in_page(classifier[1], script, tmp_path, width=400)
    answer, picture, label = found["result"]
    rows = np.array(picture).reshape(8, 8)
    assert rows[:, :3].max() == rows[:, 5:].max() == 0
    assert (rows[:, 3:5].sum(axis=1) > 0.3).all()  # as high as the training images' digits
    assert answer == "1"
    assert label.startswith("0 ")
    assert found["violations"] == []


def test_the_arrow_keys_draw(classifier, tmp_path):
    script = "const press = (key) => pad.dispatchEvent(new KeyboardEvent('keydown', { key }));"
    script += "clearPad(); press(' '); for (let k = 0; k < 12; k++) press('ArrowDown');" + FRAME
    script += "return [strokes.length, strokes[0].length, answer.textContent];"
    assert run_in_page(classifier[1], script, tmp_path)["result"] == [1, 13, "1"]


def test_a_page_for_a_phone_is_not_wider_than_the_phone(classifier, tmp_path):
    script = "return [document.documentElement.scrollWidth, innerWidth];"
    wide, inner = run_in_page(classifier[1], script, tmp_path, width=500)["result"]
    assert wide <= inner


def test_a_language_model_writes(tmp_path):
    file = tmp_path / "cats.txt"
    file.write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 40)
    text = datasets.load("text", path=str(file), block_size=16)
    model = models.GPT(text.tokenizer.vocab_size, 16, n_layer=2, n_head=2, n_embd=16)
    page = make_demo(model, text).html
    script = "temperature.value = 0; for (let n = 0; n < 30; n++) step();"
    script += "return [tokens, given, first, read.length, incremental, chips.textContent.length,"
    script += "looks.map((rows) => rows[3].map((p) => p.reduce((a, b) => a + b, 0)))];"
    found = run_in_page(page, script, tmp_path)
    tokens, given, first, read, incremental, shown, sums = found["result"]
    assert found["violations"] == found["requests"] == []
    assert incremental
    assert len(tokens) == given + 30
    assert 0 < read <= 16
    assert first == len(tokens) - read
    assert shown >= len(tokens)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    x = np.array(tokens)[None, : 16 - given % 2]
    y = model.eval()(x)[0]  # each token that was written is the likeliest after those before
    assert y[given - 1 : -1].argmax(axis=1).tolist() == tokens[given : x.shape[1]]


def test_the_curve_follows_a_point(tmp_path):
    page = make_demo(models.Polynomial(3), datasets.load("polynomial")).html
    script = "points[4][1] = 2; update(); return [points, curve([0.1, 0.5, 0.9])];"
    points, y = run_in_page(page, script, tmp_path)["result"]
    x, t = np.array(points).T
    best = np.polynomial.Polynomial.fit(x, t, 3)
    np.testing.assert_allclose(y, best(np.array([0.1, 0.5, 0.9])), atol=1e-4)


def test_a_network_learns_the_points_in_the_page(tmp_path):
    x = np.linspace(-1, 1, 12, dtype="float32")[:, None]
    data = fl.DataSplits((x, np.sin(3 * x)), val=(x, np.sin(3 * x)), name="sine")
    model = models.MLP(1, 1, hidden=(16,), activation="tanh", task="regression", norm=None)
    script = "const rms = () => Number(error.textContent); const before = rms(); learn(400);"
    script += (
        "update(false); const after = rms(); reset(); return [canLearn, before, after, rms()];"
    )
    page = make_demo(model, data).html
    can_learn, before, after, restored = run_in_page(page, script, tmp_path)["result"]
    assert can_learn
    assert after < before / 5
    assert restored == before


def test_a_slider_changes_the_answer(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (60, 2))
    data = datasets.arrays.from_arrays(x, (x[:, 0] > 5).astype(int), classes=["low", "high"])
    model = models.MLP(2, 2, hidden=(8,))
    fl.Trainer(max_epochs=40, runs_dir=None).fit(model, data)
    script = "const set = (v) => { inputs[0].value = v; inputs[0].oninput();"
    script += "return answer.textContent; };"
    script += "return [set(inputs[0].min), set(inputs[0].max)];"
    found = run_in_page(make_demo(model, data).html, script, tmp_path)
    assert found["result"] == ["low", "high"]
    assert found["violations"] == []


def test_a_photo_of_a_digit_is_prepared_like_a_drawing(classifier, tmp_path):
    script = """
    const paper = el("canvas", { width: 320, height: 200 }), context = paper.getContext("2d");
    context.fillStyle = "#ddd";
    context.fillRect(0, 0, 320, 200);
    context.fillStyle = "#223";
    context.fillRect(60, 40, 14, 120);
    clearPad();
    picture = inkPixels(paper);
    """
    script += FRAME + "return Array.from(picture);"
    found = run_in_page(classifier[1], script, tmp_path)
    picture = found["result"]
    rows = np.array(picture).reshape(8, 8)
    assert rows[:, 3:5].sum(axis=1).min() > 0.8
    assert rows[:, :3].max() == rows[:, 5:].max() == 0
    assert found["requests"] == found["violations"] == []
