"""The pages in a browser: the same outputs as NumPy, no request, and what visitors do."""

import numpy as np
import pytest
from browser import CHROMIUM, Browser

import firstlight as fl
from firstlight import datasets, models
from firstlight.tools.demo import make_demo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
FRAME = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def opened(browser):
    """Load a page; when the test ends, nothing has been asked for, and nothing has failed."""

    def load(page, **size):
        browser.page(page, **size)
        return browser

    yield load
    assert browser.requests == []
    assert browser.problems == []


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def classifier(digits):
    fl.seed_everything(0)
    model = models.MLP(64, 10, hidden=(64,))
    fl.Trainer(max_epochs=20, runs_dir=None).fit(model, digits)
    return model, make_demo(model, digits).html


def draw(browser, *points, touch=False):
    """Draw a line through points from 0 to 1 on the pad, and wait for the answer."""
    script = "const box = pad.getBoundingClientRect(); return [box.left, box.top, box.width];"
    left, top, width = browser.run(script)
    corners = np.array(points) * width + (left, top)
    steps = np.linspace(0, len(corners) - 1, 20 * (len(corners) - 1) + 1)
    path = [np.interp(steps, np.arange(len(corners)), axis).tolist() for axis in corners.T]
    browser.press(list(zip(*path, strict=True)), touch=touch)
    return browser.run(FRAME + "return [answer.textContent, Array.from(picture)];")


def test_a_browser_computes_what_numpy_computes(classifier, digits, opened):
    model, page = classifier
    x = digits.test[np.arange(100)][0]
    script = f"const x = new Arr({list(x.shape)}, Float32Array.from({x.ravel().tolist()}));"
    found = opened(page).run(script + "return Array.from(model.forward(x).data);")
    y = model.eval()(x)
    np.testing.assert_allclose(np.float32(found).reshape(y.shape), y, atol=1e-5)


@pytest.mark.parametrize("phone", [False, True])
def test_a_drawn_line_is_a_one(classifier, opened, phone):
    size = {"width": 390, "height": 844, "phone": True} if phone else {}
    browser = opened(classifier[1], **size)
    answer, picture = draw(browser, (0.5, 0.2), (0.5, 0.8), touch=phone)
    rows = np.array(picture).reshape(8, 8)
    assert rows[:, :3].max() == rows[:, 5:].max() == 0
    assert (rows[:, 3:5].sum(axis=1) > 0.3).all()  # as high as the training images' digits
    assert answer == "1"
    label = browser.run("return bars.element.getAttribute('aria-label');")
    assert label.startswith("0 ")
    wide = browser.run("return [document.documentElement.scrollWidth, innerWidth];")
    assert wide[0] <= wide[1] == (390 if phone else 1200)


def test_the_arrow_keys_draw(classifier, opened):
    script = "const press = (key) => pad.dispatchEvent(new KeyboardEvent('keydown', { key }));"
    script += "clearPad(); press(' '); for (let k = 0; k < 12; k++) press('ArrowDown');" + FRAME
    script += "return [strokes.length, strokes[0].length, answer.textContent];"
    assert opened(classifier[1]).run(script) == [1, 13, "1"]


def test_a_photo_of_a_digit_is_prepared_like_a_drawing(classifier, opened):
    script = """
    const paper = el("canvas", { width: 320, height: 200 }), context = paper.getContext("2d");
    context.fillStyle = "#ddd";
    context.fillRect(0, 0, 320, 200);
    context.fillStyle = "#223";
    context.fillRect(60, 40, 14, 120);
    const blob = await new Promise((done) => paper.toBlob(done));
    await openFile(new File([blob], "one.png"));
    """
    script += FRAME + "const first = Array.from(picture);"
    script += "await openFile(new File(['no picture'], 'x.txt'));"
    picture, refused = opened(classifier[1]).run(script + "return [first, answer.textContent];")
    rows = np.array(picture).reshape(8, 8)
    assert rows[:, 3:5].sum(axis=1).min() > 0.8
    assert rows[:, :3].max() == rows[:, 5:].max() == 0
    assert refused == "x.txt is not a picture"


def test_a_drawing_is_centred_by_its_mass_if_the_images_are(opened):
    images = np.zeros((20, 28, 28, 1), "float32")  # of T, whose mass is above their middle
    images[:, 9:13, 6:22] = 1
    images[:, 13:27, 12:16] = 1
    y = np.arange(20) % 2
    data = fl.DataSplits((images, y), val=(images, y), classes=["a", "b"], name="T")
    browser = opened(make_demo(models.MLP(784, 2, hidden=(4,)), data).html)
    assert browser.run("return [INK.centre, INK.box];") == ["mass", 18]
    _, picture = draw(browser, (0.3, 0.8), (0.3, 0.3), (0.7, 0.3))  # the corner of an L
    image = np.array(picture).reshape(28, 28)
    places = np.arange(28) + 0.5
    expected = browser.run("return INK.offset;") + np.float64(14)
    found = [image.sum(axis=axis) @ places / image.sum() for axis in (1, 0)]
    np.testing.assert_allclose(found, expected, atol=0.3)


def test_a_language_model_writes(tmp_path, opened):
    file = tmp_path / "cats.txt"
    file.write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 40)
    text = datasets.load("text", path=str(file), block_size=16)
    model = models.GPT(text.tokenizer.vocab_size, 16, n_layer=2, n_head=2, n_embd=16)
    browser = opened(make_demo(model, text).html)
    script = "temperature.value = 0; for (let n = 0; n < 30; n++) step();"
    script += "return [tokens, given, first, read.length, incremental, chips.textContent.length,"
    script += "looks.map((rows) => rows[3].map((p) => p.reduce((a, b) => a + b, 0)))];"
    tokens, given, first, read, incremental, shown, sums = browser.run(script)
    assert incremental
    assert len(tokens) == given + 30
    assert 0 < read <= 16
    assert first == len(tokens) - read
    assert shown >= len(tokens)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    x = np.array(tokens)[None, : 16 - given % 2]
    y = model.eval()(x)[0]  # each token that was written is the likeliest after those before
    assert y[given - 1 : -1].argmax(axis=1).tolist() == tokens[given : x.shape[1]]
    script = "temperature.value = 0.5; topK.value = 2; return ranked([1000, 0, 999.5, 900]);"
    (one, p), (two, q) = browser.run(script)
    assert (one, two) == (0, 2)
    np.testing.assert_allclose([p, q], np.exp([0, -1]) / np.exp([0, -1]).sum())


def test_all_tokens_of_a_large_vocabulary_can_be_drawn_from(tmp_path, opened):
    (tmp_path / "cats.txt").write_text("the cat sat on the mat.\n" * 40)
    text = datasets.load("text", path=str(tmp_path / "cats.txt"), block_size=8, tokenizer="byte")
    model = models.GPT(256, 8, n_layer=1, n_head=1, n_embd=8)
    browser = opened(make_demo(model, text, language="de").html)
    script = "return [topShown.textContent, ranked(Array(256).fill(0)).length, after.textContent];"
    shown, count, after = browser.run(script)
    assert (shown, count) == ("alle", 256)
    assert after.startswith("nach „")
    assert after.endswith("“")
    assert browser.run("topK.value = 99; settings(); " + script)[:2] == ["99", 99]


def test_the_curve_follows_a_point(opened):
    browser = opened(make_demo(models.Polynomial(3), datasets.load("polynomial")).html)
    script = "const box = dots.children[4].getBoundingClientRect();"
    x, y = browser.run(script + "return [box.left + box.width / 2, box.top + box.height / 2];")
    browser.press([(x, y), (x, y - 50), (x + 20, y - 90)])
    before, points, y = browser.run(FRAME + "return [start, points, curve([0.1, 0.5, 0.9])];")
    assert points[4][0] > before[4][0]
    assert points[4][1] > before[4][1]
    x, t = np.array(points).T
    best = np.polynomial.Polynomial.fit(x, t, 3)
    np.testing.assert_allclose(y, best(np.array([0.1, 0.5, 0.9])), atol=1e-4)


def test_a_click_adds_a_point_and_two_remove_it(opened):
    browser = opened(make_demo(models.Polynomial(3), datasets.load("polynomial")).html)
    script = "const box = plot.getBoundingClientRect();"
    x, y = browser.run(script + "return [box.left + 0.3 * box.width, box.top + 0.8 * box.height];")
    browser.press([(x, y)])
    assert browser.run("return points.length;") == 11
    left, low = browser.run("return [px(points[10][0]) / WIDTH, py(points[10][1]) / HEIGHT];")
    np.testing.assert_allclose([left, low], [0.3, 0.8], atol=0.01)
    browser.press([(x, y)])
    browser.press([(x, y)], clicks=2)
    assert browser.run("return points.length;") == 10


def test_a_network_learns_the_points_in_the_page(opened):
    x = np.linspace(-1, 1, 12, dtype="float32")[:, None]
    data = fl.DataSplits((x, np.sin(3 * x)), val=(x, np.sin(3 * x)), name="sine")
    model = models.MLP(1, 1, hidden=(16,), activation="tanh", task="regression", norm=None)
    script = "const rms = () => Number(error.textContent); const before = rms(); learn(400);"
    script += (
        "update(false); const after = rms(); reset(); return [canLearn, before, after, rms()];"
    )
    can_learn, before, after, restored = opened(make_demo(model, data).html).run(script)
    assert can_learn
    assert after < before / 5
    assert restored == before


def test_a_slider_changes_the_answer(opened):
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (60, 2))
    data = datasets.arrays.from_arrays(x, (x[:, 0] > 5).astype(int), classes=["low", "high"])
    model = models.MLP(2, 2, hidden=(8,))
    fl.Trainer(max_epochs=40, runs_dir=None).fit(model, data)
    script = "const set = (v) => { inputs[0].value = v; inputs[0].oninput();"
    script += "return answer.textContent; };"
    script += "return [set(inputs[0].min), set(inputs[0].max)];"
    assert opened(make_demo(model, data).html).run(script) == ["low", "high"]
