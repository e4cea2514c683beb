"""A poster is one page of exactly its size, with its source, figures and numbers beside it."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from firstlight.runs import RunFolder, list_runs
from firstlight.runs.baseline_results import BaselineResults, Row
from firstlight.tools.cli.commands.report import BY_SCRIPT, rebuilt
from firstlight.tools.cli.main import main
from firstlight.tools.report import gather, read_sections, write_poster
from firstlight.tools.report.comparison import compare
from firstlight.tools.report.parts import Table
from firstlight.tools.report.poster_parts import PosterParts
from firstlight.tools.report.sections import Section, Texts, words

pypdf = pytest.importorskip("pypdf", reason="reads the pages; needs the extra test")
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


def letters_on(page):
    """Return the sizes of letters on a page, in points, without scripts of formulas."""
    found = set()

    def see(text, _cm, matrix, font, size):
        if text.strip() and "Math" not in str((font or {}).get("/BaseFont")):
            found.add(round(size * abs(matrix[3] or matrix[1]), 1))

    page.extract_text(visitor_text=see)
    return found


@pytest.mark.parametrize(
    ("size", "layout", "language"),
    [
        pytest.param("a0", "portrait", "en", marks=pytest.mark.slow),
        pytest.param("a1", "landscape", "de", marks=pytest.mark.slow),
        pytest.param("a0", "three-columns", "de", marks=pytest.mark.slow),
    ],
)
def test_it_is_one_page_of_that_size_and_can_be_read(poster, tmp_path, size, layout, language):
    options = {"size": size, "layout": layout, "language": language}
    pages = poster(tmp_path / "p.pdf", compared=range(4), pictures=True, **options).pages
    assert len(pages) == 1
    box = pages[0].mediabox
    found = np.array([float(box.width), float(box.height)]) * MILLIMETRES
    expected = SIZES[size][::-1] if layout == "landscape" else SIZES[size]
    np.testing.assert_allclose(found, expected, atol=0.01)
    told = pages[0].extract_text()
    assert all(word in told for word in ("Results" if language == "en" else "Ergebnisse",))
    assert "firstlight fit --config" in told
    assert min(letters_on(pages[0])) >= 23.99 * SIZES[size][0] / 841
    shares = re.findall(r"\.svg\".*width: (\d+)%", (tmp_path / "p.typ").read_text())
    assert shares, "figures have a width at which their letters can be read"


@pytest.mark.slow
def test_its_source_figures_and_numbers_are_beside_it(poster, tmp_path):
    poster(tmp_path / "p.pdf", pictures=True)
    folder = tmp_path / "p_files"
    names = {path.name for path in folder.iterdir()}
    assert {"curves.svg", "curves_loss.csv", "confusion_matrix.csv", "poster.typ"} <= names
    assert {"results.csv", "results.tex", "results.typ"} <= names
    assert (folder / "curves_loss.csv").read_text().startswith("curve,")
    assert r"\toprule" in (folder / "results.tex").read_text()
    before = (tmp_path / "p.pdf").read_bytes()
    source = (tmp_path / "p.typ").read_text(encoding="utf-8")
    assert "= Results" in source
    (tmp_path / "p.typ").write_text(source.replace("= Results", "= What we found"))
    with pytest.raises(ValueError, match=r"p\.typ was edited since it was written, and is kept"):
        poster(tmp_path / "p.pdf")
    assert (tmp_path / "p.pdf").read_bytes() == before
    assert main(["poster", str(tmp_path / "p.typ")]) == 0
    assert "What we found" in pypdf.PdfReader(tmp_path / "p.pdf").pages[0].extract_text()


@pytest.mark.slow
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


FRONT = """---
title: Formulas
authors:
  - Ada
  - {name: Alan, affiliation: Institute}
logo: teal.png
url: https://example.org/demo
---
"""


@pytest.mark.slow
def test_formulas_citations_footnotes_pictures_and_authors(poster, tmp_path):
    Image.new("RGB", (60, 20), "teal").save(tmp_path / "teal.png")
    entry = "@article{adam, author={Kingma, D. P.}, title={Adam}, journal={ICLR}, year={2015}}"
    (tmp_path / "t.md").write_text(
        FRONT + "## Method\n\nAs in [@adam] $x_i$ costs $5.[^1]\n\n$$\\sum_n \\delta_n$$\n\n"
        "| kind | where it is used |\n|---|---|\n| **mlp** | "
        + "a long text " * 20
        + "|\n\n![A caption](teal.png)\n\n```\nx = __init__(1)\n```\n\n[^1]: A note.\n",
        encoding="utf-8",
    )
    (tmp_path / "t.bib").write_text(entry, encoding="utf-8")
    (page,) = poster(tmp_path / "p.pdf", read_sections(tmp_path / "t.md")).pages
    told = " ".join(page.extract_text().split())
    for part in ("Alan", "Institute", "[1]", "$5", "A note.", "A caption", "References", "Kingma"):
        assert part in told
    assert "https://example.org/demo" in told
    assert "∑" in told
    assert told.count("a long text") == 20, "broken into lines, not cut off"
    assert "x = __init__(1)" in told
    (picture, *_) = (one for one in page.images if one.image.size == (60, 20))
    assert picture.image.convert("RGB").getpixel((5, 5)) == (0, 128, 128)


@pytest.mark.slow
def test_long_texts_get_smaller_letters_and_too_long_ones_are_an_error(poster, tmp_path):
    def texts(count):
        return Texts("Title", "", [Section("Method", "method", "word " * count)])

    def letters(count):
        poster(tmp_path / f"{count}.pdf", texts(count))
        return int(re.search(r"letters: (\d+)pt", (tmp_path / f"{count}.typ").read_text())[1])

    assert letters(900) < letters(100)
    with pytest.raises(ValueError, match=r"too long for one page.* from the section '.+' on"):
        poster(tmp_path / "long.pdf", texts(6000))
    assert not list(tmp_path.glob("long*"))


@pytest.mark.slow
def test_what_cannot_be_broken_names_its_section(poster, tmp_path):
    wide = "$$" + "a + " * 100 + "b$$"
    texts = Texts("Title", "", [Section("Method", "method", wide)])
    with pytest.raises(ValueError, match="the formula in the section 'Method' is wider than"):
        poster(tmp_path / "wide.pdf", texts)
    texts = Texts("Title", "", [Section("Method", "method", r"$\unknown x$")])
    with pytest.raises(ValueError, match=r"formula \$\\unknown x\$: cannot be set"):
        poster(tmp_path / "wide.pdf", texts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_comparison_shows_what_differs(poster, tmp_path):
    told = poster(tmp_path / "p.pdf", compared=range(4)).pages[0].extract_text()
    words_of = " ".join(told.split())
    assert re.search(r"Run hidden", words_of)
    assert "8, 8" in words_of
    assert "×3" in words_of


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
    table, note = PosterParts(None, [], Texts(), words("en")).compared(found)
    assert list(table.rows[0]) == ["Run", *(f"s{k}" for k in range(8, 14)), "val_loss"]
    assert len(table.rows) == 13
    missing = ", ".join(f"model.s{k}" for k in range(8))
    assert note.text == f"The best 12 of 20. These differ too: {missing}"


def test_results_of_a_test_have_their_intervals(runs, tmp_path):
    run = RunFolder(shutil.copytree(runs[0].path, tmp_path / runs[0].id))
    rows = [Row("knn", "k-NN, k = 5", 0.9, 0.86, 0.93, 0.1)]
    BaselineResults("digits", "test", "acc", 359, 1000, rows).write(run.path)
    parts = PosterParts(gather(run), [], Texts(), words("en"))
    tables = [part for part in parts if isinstance(part, Table)]
    head, *metrics = next(table.rows for table in tables if table.rows[0][0] == "Metric")
    assert head[2] == "95 % interval"
    cells = {name: cell for name, _, cell, *_ in metrics}
    assert all((cell != "") == name.startswith("test_") for name, cell in cells.items())
    assert {"test_loss", "test_acc", "val_acc"} <= cells.keys()
    expected = [
        ("method", "test accuracy", "95 % interval"),
        ("k-NN, k = 5", "0.9000", "[0.860, 0.930]"),
    ]
    assert expected in [list(table.rows) for table in tables]
    (table, *_) = PosterParts(None, [], Texts(), words("en")).compared(compare(runs))
    assert table.rows[0][-2:] == ("test_acc", "95 % interval")
    assert table.right[-1]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": "a4"}, "expected size a0 or a1, got 'a4'"),
        ({"layout": "x"}, "expected layout portrait, landscape, three-columns, slides, got 'x'"),
    ],
)
def test_another_size_or_layout_is_an_error(poster, tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        poster(tmp_path / "p.pdf", **option)
    with pytest.raises(ValueError, match=r"expected a name that ends in \.pdf, \.tex, got .*p\.x"):
        poster(tmp_path / "p.x")


@pytest.mark.slow
def test_slides_have_a_page_for_each_section(poster, tmp_path):
    pages = poster(tmp_path / "s.pdf", pictures=True, layout="slides").pages
    assert len(pages) > 5
    assert float(pages[0].mediabox.width) / float(pages[0].mediabox.height) == pytest.approx(16 / 9)


@pytest.mark.slow
def test_a_run_of_a_script_makes_a_poster_too(by_script, tmp_path):
    content = gather(by_script, [by_script], missing=BY_SCRIPT)
    write_poster(tmp_path / "s.pdf", content)
    (page,) = pypdf.PdfReader(tmp_path / "s.pdf").pages
    told = " ".join(page.extract_text().split())
    assert "Results" in told
    assert not {"pictures", "build"} & set(told.split())  # advice is for the terminal
    assert {"Settings", "trainer.max_epochs", "Time"} <= set(told.split())
    assert len(page.images) == 0, "curves are no pictures"
