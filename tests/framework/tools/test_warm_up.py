"""Warm-up: what it compiles is used, and it begins in the background only once."""

import os
import time

import pytest

from firstlight.support import background
from firstlight.tools import warm_up

pytestmark = pytest.mark.forms


@pytest.fixture(autouse=True)
def started(monkeypatch, tmp_path):
    """Record what would be started, as for a user who has numba and has not warmed up."""
    pytest.importorskip("numba", reason="needs numba")
    from firstlight.fast import conditions

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(conditions, "numba_is_enabled", lambda: True)
    found = []
    monkeypatch.setattr(background, "start", lambda code: found.append(code) or True)
    return found


def test_it_begins_once(started):
    warm_up.in_background()
    warm_up.in_background()
    assert started == [warm_up.IN_BACKGROUND]


def test_one_that_was_killed_begins_again(started):
    warm_up.in_background()
    long_ago = time.time() - 2 * warm_up.TAKES
    os.utime(warm_up._marker(), (long_ago, long_ago))
    warm_up.in_background()
    assert len(started) == 2


def test_where_nothing_can_be_started_the_next_command_tries(started, monkeypatch):
    monkeypatch.setattr(background, "start", lambda code: False)
    warm_up.in_background()
    assert not warm_up._marker().exists()


def test_where_nothing_can_be_kept_nothing_begins(started, tmp_path):
    (tmp_path / "cache").write_text("a file")
    warm_up.in_background()
    assert started == []


def test_without_numba_it_says_so(started, monkeypatch):
    monkeypatch.setattr("firstlight.fast.conditions.numba_is_enabled", lambda: False)
    warm_up.in_background()
    assert started == []
    with pytest.raises(RuntimeError, match="expected numba, whose compiled forms a warm-up"):
        warm_up.compile_all()


def test_it_takes_steps_of_all_models_and_marks_what_is_kept(monkeypatch):
    from firstlight.fast.compiled import code_cache

    code_cache.folder.cache_clear()
    try:
        steps = []
        monkeypatch.setattr(warm_up, "_step", lambda model, _: steps.append(type(model).__name__))
        _, folder = warm_up.compile_all()
        assert folder == code_cache.folder()
        assert {"MLP", "CNN", "GPT", "ViT", "ResNet"} < {*steps}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "some.code").write_bytes(b"")
        warm_up.compile_all()
        assert warm_up._marker().stat().st_size > 0
    finally:
        code_cache.folder.cache_clear()
