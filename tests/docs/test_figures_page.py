"""The page of figures names every figure, and its pictures are small."""

import re
from pathlib import Path

from drawn_figures import DRAWN

DOCS = Path(__file__).parents[2] / "docs"


def test_every_figure_is_named():
    text = (DOCS / "figures.md").read_text()
    assert [name for name in DRAWN if f"`{name}`" not in text] == []


def test_pictures_are_those_of_the_page_and_small():
    shown = set(re.findall(r"\]\(pictures/(\S+)\)", (DOCS / "figures.md").read_text()))
    kept = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert set(kept) == shown
    assert sum(kept.values()) < 1_000_000
