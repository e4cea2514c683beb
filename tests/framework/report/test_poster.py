"""A poster is one page of exactly its size, with vectors in it."""

import numpy as np
import pytest

from firstlight.cli.report import rebuilt
from firstlight.report import gather, read_sections, write_poster
from firstlight.report.sections import Section, Texts

pypdf = pytest.importorskip("pypdf")
MILLIMETRES = 25.4 / 72
SIZES = {"a0": (841, 1189), "a1": (594, 841)}  # of ISO 216


@pytest.fixture(scope="module")
def poster(runs_dir):
    from firstlight.runs import list_runs

    def write(path, texts=None, compared=(), **options):
        runs = list_runs(runs_dir)
        content = gather(runs[0], runs, rebuilt(runs[0].path)[0])
        write_poster(path, content, [runs[i] for i in compared], texts, **options)
        return pypdf.PdfReader(path)

    return write


@pytest.mark.parametrize(("size", "language"), [("a0", "en"), ("a1", "de")])
def test_it_is_one_page_of_that_size(poster, tmp_path, size, language):
    pages = poster(tmp_path / "p.pdf", compared=range(4), size=size, language=language).pages
    assert len(pages) == 1
    box = pages[0].mediabox
    found = np.array([float(box.width), float(box.height)]) * MILLIMETRES
    np.testing.assert_allclose(found, SIZES[size], atol=0.01)
    words = pages[0].extract_text()
    expected = ("Results", "Model") if language == "en" else ("Ergebnisse", "Modell")
    assert all(word in words for word in expected)
    assert "firstlight fit --config" in words


def test_texts_stand_where_they_belong(poster, tmp_path):
    (tmp_path / "t.md").write_text(
        "# How wide?\n\nA *course*.\n\n## Question\n\nIs **wide** better -- or not?\n\n"
        "- first item\n\n## Thanks\n\nTo all.\n",
        encoding="utf-8",
    )
    words = poster(tmp_path / "p.pdf", read_sections(tmp_path / "t.md")).pages[0].extract_text()
    parts = ["How wide?", "A course.", "Question", "better", "first item", "Results", "Thanks"]
    places = [words.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert "**" not in words


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


def test_another_size_is_an_error(poster, tmp_path):
    with pytest.raises(ValueError, match="expected size a0 or a1, got 'a4'"):
        poster(tmp_path / "p.pdf", size="a4")


def test_a_run_of_a_script_makes_a_poster_too(by_script, tmp_path):
    write_poster(tmp_path / "s.pdf", gather(by_script, [by_script]))
    (page,) = pypdf.PdfReader(tmp_path / "s.pdf").pages
    assert "Results" in page.extract_text()
    assert len(page.images) == 0, "curves are no pictures"
    assert page.get_contents().get_data().count(b" l\n") > 50, "but lines"
