"""``firstlight runs``: tag, note, rm, gc."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def three():
    """Three run folders: two finished, one failed without a checkpoint."""
    for label, status in (("a/1", "finished"), ("a/2", "finished"), ("b/3", "failed")):
        path = Path("runs") / label
        path.mkdir(parents=True)
        (path / "config.json").write_text("{}")
        summary = {"status": status, "metrics": {}, "best": {}}
        (path / "summary.json").write_text(json.dumps(summary))


def left():
    return sorted(path.parent.name for path in Path("runs").glob("*/*/config.json"))


def test_tags_and_notes(cli, refused, three):
    assert cli("runs", "tag", "a/1", "good", "old")[1] == "a/1: good old\n"
    assert cli("runs", "tag", "a/1", "--remove", "old")[1] == "a/1: good\n"
    assert cli("runs", "tag", "a/2")[1] == "a/2: no tags\n"
    assert cli("runs", "note", "a/1", "the first", "that works")[1] == (
        "a/1: the first that works\n"
    )
    assert cli("runs", "note", "a/1")[1] == "a/1: the first that works\n"
    _, out, _ = cli("runs", "list", "--where", "'good' in tags")
    assert out.splitlines()[1].endswith("good (note)")
    assert cli("runs", "note", "a/1", "")[1] == "a/1: no note\n"
    assert "has no tag x; it has good" in refused("runs", "tag", "a/1", "--remove", "x")
    assert "got 'two words'" in refused("runs", "tag", "a/1", "two words")


def test_nothing_is_deleted_where_nobody_can_be_asked(refused, three):
    assert refused("runs", "rm", "a/1") == (
        "firstlight runs rm: 1 run, 0.0 MB: stdin is not a terminal, so no confirmation is "
        "possible; delete with --yes"
    )
    assert left() == ["1", "2", "3"]


@pytest.mark.parametrize(("answer", "ids"), [("y", "23"), ("n", "123"), ("", "123")])
def test_rm_asks_first(cli, three, monkeypatch, answer, ids):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    code, out, _ = cli("runs", "rm", "a/1")
    assert "".join(left()) == ids
    assert code == (0 if answer == "y" else 1)
    assert out.startswith("a/1  finished")


def test_rm_of_many_and_with_yes(cli, three):
    code, out, _ = cli("runs", "rm", "--yes", "--where", "name == 'a'")
    assert (code, left()) == (0, ["3"])
    assert "deleted: 2 runs" in out


def test_rm_deletes_only_what_is_a_run_of_the_folder(refused, three, tmp_path):
    other = tmp_path / "project" / "settings"
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}")
    assert "is not a run of" in refused("runs", "rm", str(other), "--yes")
    assert (other / "config.json").is_file()
    for folder in ("runs", "runs/a"):
        assert "is a folder of runs" in refused("runs", "rm", folder, "--yes")
    assert left() == ["1", "2", "3"]


def test_a_damaged_run_hides_no_other(cli, three):
    Path("runs/b/3/summary.json").write_text("[]")
    Path("runs/b/3/metrics.jsonl").write_text("[1\n")
    code, out, _ = cli("runs", "list")
    assert code == 0
    assert "a/1" in out
    assert "b/3" in out


def test_gc_takes_what_failed_in_its_first_step_though_its_state_was_kept(cli, three):
    for label, steps in (("b/3", 0), ("a/2", 7)):
        path = Path("runs") / label
        (path / "checkpoints").mkdir()
        (path / "checkpoints/exception.safetensors").write_bytes(b"x")
        summary = {"status": "failed", "metrics": {}, "best": {}, "steps": steps}
        (path / "summary.json").write_text(json.dumps(summary))
    assert cli("runs", "gc", "--yes")[0] == 0
    assert left() == ["1", "2"]


def test_gc_takes_what_nobody_will_miss(cli, three):
    code, out, _ = cli("runs", "gc", "--yes")
    assert (code, left()) == (0, ["1", "2"])
    assert "b/3  failed" in out
    assert cli("runs", "gc")[1] == "there is nothing to delete\n"
