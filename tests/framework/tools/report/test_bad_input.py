"""What cannot be read is named; texts without a place and runs without a model are shown."""

import numpy as np
import pytest
from two_optimizers import GAN

import firstlight as fl
from firstlight import nn
from firstlight.tools.report import gather, read_sections, typeset_file, typesetting, write_report
from firstlight.tools.report.typesetting import FOREIGN, SIZES, fitting


@pytest.fixture
def reported(runs, tmp_path):
    """Return a function that writes a report with a text, and returns the page."""

    def write(markdown):
        (tmp_path / "mine.md").write_text(markdown, encoding="utf-8")
        path = tmp_path / "r.html"
        write_report(path, gather(runs[0], runs), texts=read_sections(tmp_path / "mine.md"))
        return path.read_text(encoding="utf-8")

    return write


@pytest.mark.slow
def test_no_section_is_lost(reported):
    page = reported("## References\n\nRead one.\n\n## Filters of the first layer\n\nLook.\n")
    assert "Read one." in page
    assert "Look." in page


@pytest.mark.parametrize(
    ("name", "content", "text", "message"),
    [
        ("mine.bib", b"@book{a, title={x", "See [@a].", r"mine\.bib: cannot be read \(Typst"),
        ("mine.bib", b"@book{a, title={\xff}}", "See [@a].", r"mine\.bib: expected BibTeX in UTF"),
        ("x.png", b"no picture", "![x](x.png)", r"x\.png: cannot be shown \(Typst"),
        ("x.png", b"", "![x](y.png)", r"mine\.md: picture y\.png: there is no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(reported, tmp_path, name, content, text, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        reported(f"## Question\n\n{text}\n")


def test_a_model_that_diverged_has_a_report_without_pictures_of_predictions(runs, tmp_path):
    model, data = fl.models.MLP(64, 10), fl.datasets.load("digits")
    for parameter in model.parameters():
        parameter.data[...] = np.nan
    trainer = fl.Trainer(runs_dir=None, default_callbacks=False)
    content = gather(runs[0], runs, (model, data, trainer, None))
    write_report(tmp_path / "r.html", content)
    assert "no pictures of predictions" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_model_whose_forward_does_not_take_the_data_has_a_report(runs):
    data = fl.datasets.load("digits")
    content = gather(runs[0], runs, (GAN(), data, fl.Trainer(runs_dir=None), None))
    assert content.missing.endswith("its forward does not take the data")


def test_a_segmentation_has_a_report(runs):
    x, y = np.zeros((4, 6, 6, 1), "float32"), np.zeros((4, 6, 6), "int64")
    splits = fl.DataSplits((x, y), (x, y), classes=["ground", "disc"])
    trainer = fl.Trainer(runs_dir=None, default_callbacks=False)
    content = gather(runs[0], runs, (nn.Conv2d(1, 2, 1), splits, trainer, None))
    assert content.missing == ""
    assert content.summary.parameters == 4


def test_fonts_of_the_system_are_used_only_for_letters_that_need_them():
    assert not FOREIGN.search("Größe, naïve, αβγ, Ω, Привет, 8 × 8 – “quoted” → ∑ ≤ ★")
    assert all(FOREIGN.search(one) for one in ("名字", "🎉", "ひ", "한", "שלום"))


def test_a_poster_with_little_text_has_larger_letters_and_figures(monkeypatch):
    room = 40 * 120  # letters times figures
    monkeypatch.setattr(
        typesetting,
        "asked",
        lambda source, root, label: [] if label == "overfull" else [1 + (source > room)],
    )
    letters, figures, out = fitting(lambda a, b, without: a * b, None, ["filters"])
    assert (letters, out) == (40, [])
    assert figures == 120
    assert SIZES[0][0] > 56


def test_an_edited_source_that_is_wrong_is_named_with_its_line(tmp_path):
    (tmp_path / "poster.typ").write_text("= Question\n\n#wrong(\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"poster\.typ:3: Typst: unclosed delimiter"):
        typeset_file(tmp_path / "poster.typ")
    assert not (tmp_path / "poster.pdf").exists()


def test_a_place_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match=r"r\.html cannot be written.*by --output"):
        write_report(tmp_path / "taken" / "r.html", gather(runs[0], runs))
