"""Each chapter of docs/derivations quotes the lessons that it derives, and is listed.

tests/docs/test_pages.py compares the quoted lines with their files.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "docs" / "derivations").glob("*.md"))
SOURCES = [path for name in ("framework", "models") for path in (ROOT / name).rglob("*.py")]
chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.name)


@chapters
def test_a_chapter_quotes_the_lines_that_it_derives(chapter):
    text = chapter.read_text(encoding="utf-8")
    quotes = re.findall(r'^```python title="(framework/(?:nn|optim)/\w+\.py)"\n', text, re.M)
    assert quotes, f"{chapter.name} derives no line of a lesson"


@chapters
def test_a_chapter_is_listed(chapter):
    assert f"(derivations/{chapter.name})" in (ROOT / "docs" / "derivations.md").read_text()
    assert f": derivations/{chapter.name}\n" in (ROOT / "mkdocs.yml").read_text()


def test_docstrings_name_chapters_that_exist():
    named = {
        name
        for path in SOURCES
        for name in re.findall(r"docs/derivations[\w/]*\.md", path.read_text())
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
