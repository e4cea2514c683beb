"""Texts come from Markdown, by headings in English or German."""

import pytest

from firstlight.tools.report import read_sections
from firstlight.tools.report.sections import WORDS, words


def write(tmp_path, text):
    path = tmp_path / "text.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_headings_find_their_section_in_both_languages(tmp_path):
    text = "# Title\n\nLead.\n\n## Question\n\nWhy?\n\n## FAZIT ##\nSo.\n\n## My own\n- a\n"
    texts = read_sections(write(tmp_path, text))
    assert texts.path.parent == tmp_path
    assert (texts.title, texts.lead) == ("Title", "Lead.")
    assert texts.take("question").text == "Why?"
    assert texts.take("conclusion").text == "So."
    assert [(s.title, s.text) for s in texts.others()] == [("My own", "- a")]
    assert texts.take("data") is None


def test_footnotes_may_be_anywhere(tmp_path):
    text = "## Question\nWhy?[^a]\n\n## Method\nSo.\n\n[^a]: Because.\n\n## Data\nMany.\n"
    found = {one.name: one.text for one in read_sections(write(tmp_path, text)).sections}
    expected = {"question": "Why?[^a]\n\n[^a]: Because.\n", "method": "So.", "data": "Many."}
    assert found == expected


def test_code_is_no_heading_and_nothing_is_nothing(tmp_path):
    texts = read_sections(write(tmp_path, "## Method\n```\n# comment\n## Data\n```\n"))
    assert [section.name for section in texts.sections] == ["method"]
    assert read_sections(None).sections == []
    assert read_sections(write(tmp_path, "")).title == ""


def test_bad_files_say_what_is_wrong(tmp_path):
    path = tmp_path / "latin.md"
    path.write_bytes("## Größe".encode("latin-1"))
    with pytest.raises(ValueError, match="expected Markdown in UTF-8"):
        read_sections(path)
    with pytest.raises(ValueError, match="the section 'data' is there 2 times"):
        read_sections(write(tmp_path, "## Data\n\n## Daten\n"))
    with pytest.raises(FileNotFoundError):
        read_sections(tmp_path / "none.md")


def test_every_heading_has_both_languages():
    assert all(len(both) == 2 and all(both) for both in WORDS.values())
    assert words("de")["question"] == "Fragestellung"
    with pytest.raises(ValueError, match="expected one of en, de, got 'fr'"):
        words("fr")
