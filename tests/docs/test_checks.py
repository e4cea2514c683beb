"""The page on ``firstlight check`` shows every kind of mistake with its present example."""

import runpy
from pathlib import Path

import pytest

from firstlight.tools.diagnose.kind import all_kinds

DOCS = Path(__file__).parents[2] / "docs"
MADE = runpy.run_path(str(DOCS / "checks.py"))
PAGE = (DOCS / "howto" / "check.md").read_text(encoding="utf-8")
SHOWN = [kind for kinds in MADE["groups"]().values() for kind in kinds]


def test_every_kind_with_an_example_is_shown():
    assert {kind.name for kind in SHOWN} == {k.name for k in all_kinds().values() if k.wrong}


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.name)
def test_a_section_shows_the_present_example(kind):
    assert f"(`{kind.name}`)" in PAGE, "python docs/checks.py writes the page"
    assert MADE["change"](kind) in PAGE, "python docs/checks.py writes the page"
