"""A poster is one page of exactly its size, with vectors in it."""

import shutil

import numpy as np
import pytest
from PIL import Image

from firstlight.runs import RunFolder, list_runs
from firstlight.runs.baseline_results import BaselineResults, Row
from firstlight.tools.cli.commands.report import BY_SCRIPT, rebuilt
from firstlight.tools.report import gather, read_sections, write_poster
from firstlight.tools.report.blocks import Table
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.poster import _comparison, _parts
from firstlight.tools.report.sections import Section, Texts, words

pypdf = pytest.importorskip("pypdf")
MILLIMETRES = 25.4 / 72
SIZES = {"a0": (841, 1189), "a1": (594, 841)}  # of ISO 216


@pytest.fixture(scope="module")
def poster(runs_dir):
    """Return a function that writes a poster and reads it; pictures take most of its time."""

    def write(path, texts=None, compared=(), pictures=False, **options):
        runs = list_runs(runs_dir)
        content = gather(runs[0], runs, rebuilt(runs[0].path)[0] if pictures else None)
        write_poster(path, content, [runs[i] for i in compared], texts, **options)
        return pypdf.PdfReader(path)

    return write


@pytest.mark.parametrize(
    ("size", "language"), [("a0", "en"), pytest.param("a1", "de", marks=pytest.mark.slow)]
)
def test_it_is_one_page_of_that_size(poster, tmp_path, size, language):
    options = {"size": size, "language": language, "pictures": size == "a0"}
    pages = poster(tmp_path / "p.pdf", compared=range(4), **options).pages
    assert len(pages) == 1
    assert (len(pages[0].images) > 3) == (size == "a0")
    box = pages[0].mediabox
    found = np.array([float(box.width), float(box.height)]) * MILLIMETRES
    np.testing.assert_allclose(found, SIZES[size], atol=0.01)
    told = pages[0].extract_text()
    expected = ("Results", "Model") if language == "en" else ("Ergebnisse", "Einstellungen")
    assert all(word in told for word in expected)
    assert "firstlight fit --config" in told


def test_texts_stand_where_they_belong(poster, tmp_path):
    (tmp_path / "t.md").write_text(
        "# How wide?\n\nA *course*.\n\n## Question\n\nIs **wide** better -- or not?\n\n"
        "- first item\n\n## Thanks\n\nTo all.\n",
        encoding="utf-8",
    )
    told = poster(tmp_path / "p.pdf", read_sections(tmp_path / "t.md")).pages[0].extract_text()
    parts = ["How wide?", "A course.", "Question", "better", "first item", "Results", "Thanks"]
    places = [told.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "**" not in told


FORMULAS = (
    r"$L = \sum_i w_i * x_i * y_{i,j}$",
    r"$a__b \__ c ** d \** e -- f[i](x) \-- ~~g~~ _{nb}$",
    r"$$\frac{\partial L}{\partial W_{ij}} \\ = \sum_n \delta_n x_{n_j} < 1 & 2$$",
)


@pytest.mark.slow
def test_no_sign_of_a_formula_is_lost(poster, tmp_path):
    lines = "\n\n".join(f"So *it* is {formula} and **so** on." for formula in FORMULAS)
    block = FORMULAS[2].replace("$$", "\n$$\n")
    (tmp_path / "t.md").write_text(f"# Title\n\n## Question\n\n{lines}\n{block}\n")
    told = poster(tmp_path / "p.pdf", read_sections(tmp_path / "t.md")).pages[0].extract_text()
    told = "".join(told.split())
    for formula in FORMULAS:
        assert f"soitis{''.join(formula.split())}andsoon.".lower() in told.lower()
    assert told.count("".join(FORMULAS[2].split())) == 2


@pytest.mark.slow
def test_long_texts_get_smaller_letters_and_too_long_ones_are_an_error(poster, tmp_path):
    def texts(count):
        return Texts("Title", "", [Section("Method", "method", "word " * count)])

    def letters(count):
        found = []

        def see(text, _cm, _tm, _font, size):
            if text.startswith("word word"):
                found.append(size)

        page = poster(tmp_path / f"{count}.pdf", texts(count)).pages[0]
        page.extract_text(visitor_text=see)
        return found[0]

    assert letters(700) < letters(100)
    with pytest.raises(ValueError, match="texts are too long for one page"):
        poster(tmp_path / "long.pdf", texts(3000))
    assert not (tmp_path / "long.pdf").exists()


def test_tables_pictures_and_code_stand_on_it(poster, tmp_path):
    Image.new("RGB", (60, 20), "teal").save(tmp_path / "teal.png")
    (tmp_path / "t.md").write_text(
        "## Method\n\n| kind | where it is used |\n|---|---|\n| **mlp** | "
        + "a long text " * 20
        + "|\n\n![picture](teal.png)\n\n```\nx = __init__(1)\n```\n",
        encoding="utf-8",
    )
    (page,) = poster(tmp_path / "p.pdf", read_sections(tmp_path / "t.md")).pages
    told = page.extract_text()
    assert "| kind" not in told
    assert "mlp" in told
    assert "**" not in told
    assert told.count("a long text") >= 10, "broken into lines, not cut off"
    assert "x = __init__(1)" in told
    (picture,) = (one for one in page.images if one.image.size == (60, 20))
    assert picture.image.convert("RGB").getpixel((5, 5)) == (0, 128, 128)


@pytest.mark.slow
def test_a_comparison_shows_what_differs(poster, tmp_path):
    told = poster(tmp_path / "p.pdf", compared=range(4)).pages[0].extract_text()
    lines = [line.split() for line in told.splitlines()]
    head = next(line for line in lines if line[:2] == ["Run", "hidden"])
    assert head[2:] == ["val_loss", "val_acc"] or "test_loss" in head
    assert any("8," in line for line in lines)
    assert any("16" in line and "×3" in line for line in lines)


def test_many_differing_settings_are_named_if_they_have_no_column():
    found = {
        "metrics": ["val_loss"],
        "groups": [
            {"label": f"r{i}", "runs": [None], "spreads": [0.1 * i], "intervals": [""]}
            for i in range(20)
        ],
        "differing": {f"model.s{k}": [10**6 + i % (k + 2) for i in range(20)] for k in range(14)},
        "verdicts": [],
        "figures": {},
    }
    table, note = (block for _, block in _comparison(found, words("en")))
    assert table.rows[0] == ["Run", *(f"s{k}" for k in range(8, 14)), "val_loss"]
    assert len(table.rows) == 13
    (line,) = note.lines
    missing = ", ".join(f"model.s{k}" for k in range(8))
    assert line.text == f"The best 12 of 20. These differ too: {missing}"


def test_results_of_a_test_have_their_intervals(runs, tmp_path):
    run = RunFolder(shutil.copytree(runs[0].path, tmp_path / runs[0].id))
    rows = [Row("knn", "k-NN, k = 5", 0.9, 0.86, 0.93, 0.1)]
    BaselineResults("digits", "test", "acc", 359, 1000, rows).write(run.path)
    tables = [b for _, b in _parts(gather(run), [], Texts(), words("en")) if isinstance(b, Table)]
    head, *metrics = next(table.rows for table in tables if table.rows[0][0] == "Metric")
    assert head[2] == "95 % interval"
    cells = {name: cell for name, _, cell, *_ in metrics}
    assert all((cell != "") == name.startswith("test_") for name, cell in cells.items())
    assert {"test_loss", "test_acc", "val_acc"} <= cells.keys()
    expected = [
        ("method", "test accuracy", "95 % interval"),
        ("k-NN, k = 5", "0.9000", "[0.860, 0.930]"),
    ]
    assert list(map(list, expected)) in [table.rows for table in tables]
    (table, *_) = (block for _, block in _comparison(compare(runs), words("en")))
    assert table.rows[0][-2:] == ["test_acc", "95 % interval"]
    assert table.right[-1]


def test_another_size_is_an_error(poster, tmp_path):
    with pytest.raises(ValueError, match="expected size a0 or a1, got 'a4'"):
        poster(tmp_path / "p.pdf", size="a4")


@pytest.mark.slow
def test_a_run_of_a_script_makes_a_poster_too(by_script, tmp_path):
    content = gather(by_script, [by_script], missing=BY_SCRIPT)
    write_poster(tmp_path / "s.pdf", content)
    (page,) = pypdf.PdfReader(tmp_path / "s.pdf").pages
    told = " ".join(page.extract_text().split())
    assert "Results" in told
    assert not {"pictures", "build"} & set(told.split())  # advice is for the terminal
    assert {"Settings", "trainer.max_epochs", "Environment", "numpy", "Time"} <= set(told.split())
    assert len(page.images) == 0, "curves are no pictures"
    assert page.get_contents().get_data().count(b" l\n") > 50, "but lines"
