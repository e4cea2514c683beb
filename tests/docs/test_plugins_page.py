"""docs/plugins.md says what the code does."""

import inspect
import re
from pathlib import Path

import pytest

from firstlight import hookspecs, testing
from firstlight.training import hook_manager

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", hook_manager.HOOKS)
def test_every_hook_is_there_with_its_signature(hook):
    names = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"| `{hook}({names})` |" in PAGE


def test_no_other_hook_is_there():
    assert set(
        re.findall(r"^\| `(\w+)\(\w+.*?\)` \|", PAGE.partition("## A plugin")[0], re.M)
    ) == set(hook_manager.HOOKS)


def test_the_firing_order_is_that_of_hookspecs():
    listing = inspect.cleandoc(hookspecs.__doc__.split("::\n\n")[1].split("\n\n")[0])
    assert f"```text\n{listing}\n```" in PAGE


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.S))
def test_its_code_runs(code):
    exec(code, {"__name__": "page"})


def test_it_names_the_whole_conformance_kit():
    missing = [name for name in testing.__all__ if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == ["HookCall"]
