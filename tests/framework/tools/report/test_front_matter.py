"""A front matter has title, authors, affiliations, logo, address and bibliography."""

from pathlib import Path

import pytest

from firstlight.tools.report import read_sections
from firstlight.tools.report.front_matter import Author, FrontMatter, read_front_matter

HEAD = """---
title: On $x$
authors:
  - Ada
  - name: Alan
    affiliation: [Here, There]
affiliations: [Here]
date: 2026-07-01
url: https://example.org
---
# Not the title

## Question
Why [@adam]?
"""


@pytest.fixture
def text(tmp_path):
    (tmp_path / "t.md").write_text(HEAD)
    (tmp_path / "t.bib").write_text(
        "@string{x = {y}}\n@Book{adam,\n title={A}}\n@misc{b, title={}}"
    )
    return tmp_path / "t.md"


def test_it_is_read_and_the_rest_follows(text):
    front, rest = read_front_matter(HEAD, text)
    assert front == FrontMatter(
        "On $x$",
        "2026-07-01",
        [Author("Ada"), Author("Alan", [1, 2])],
        ["Here", "There"],
        url="https://example.org",
        bibliography=text.with_suffix(".bib"),
    )
    assert rest.startswith("# Not the title")
    texts = read_sections(text)
    assert texts.title == "On $x$"
    assert texts.cited() == ["adam"]


def test_a_text_needs_none():
    assert read_front_matter("# Title\n\n---\n", Path("t.md")) == (
        FrontMatter(),
        "# Title\n\n---\n",
    )


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("author: Ada", "expected title, authors, .*got 'author'; did you mean authors?"),
        ("- x", "expected lines such as 'title: ...'"),
        ("title: [", "expected YAML"),
        ("logo: none.png", "logo: there is no file .*none.png"),
        ("authors: [{nam: Ada}]", "expected an author's name and affiliation"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, head, message):
    with pytest.raises(ValueError, match=rf"t\.md: front matter: {message}"):
        read_front_matter(f"---\n{head}\n---\n", tmp_path / "t.md")


def test_a_citation_needs_an_entry(text):
    text.with_suffix(".bib").write_text("@book{eve, title={A}}")
    with pytest.raises(ValueError, match=r"\[@adam\]: .*t\.bib has no entry 'adam'; it has eve"):
        read_sections(text)
    text.with_suffix(".bib").unlink()
    with pytest.raises(ValueError, match=r"\[@adam\] needs a bibliography; write one as t\.bib"):
        read_sections(text)
