"""``firstlight plugins new``: a package that works from the start."""

import re

import pytest

from firstlight.tools.cli.commands._scaffold import CHECKOUT, new_plugin


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_new_plugin_has_the_files_of_the_example_under_its_own_names(tmp_path):
    folder = new_plugin("firstlight-two-moons", tmp_path)
    assert folder == tmp_path / "firstlight-two-moons"
    assert files(folder) == {
        "README.md",
        "pyproject.toml",
        "src/firstlight_two_moons/__init__.py",
        "src/firstlight_two_moons/best.py",
        "src/firstlight_two_moons/data.py",
        "src/firstlight_two_moons/draw.py",
        "src/firstlight_two_moons/net.py",
        "tests/test_two_moons.py",
    }
    text = "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert not re.search("rings", text, re.IGNORECASE)
    assert 'two_moons = "firstlight_two_moons"' in text
    assert 'registry.add("two_moons_net", TwoMoonsNet)' in text


def test_a_name_that_contains_the_example_s_is_replaced_once(tmp_path):
    folder = new_plugin("firstlight-strings", tmp_path)
    assert (folder / "src/firstlight_strings/__init__.py").is_file()
    assert "strings_net" in (folder / "README.md").read_text()
    assert "ststrings" not in (folder / "README.md").read_text()


def test_under_the_example_s_own_name_it_is_the_example(tmp_path, monkeypatch):
    monkeypatch.setattr("firstlight.plugins.Registry.names", lambda self: [])
    folder = new_plugin("firstlight-rings", tmp_path)
    for name in files(folder):
        assert (folder / name).read_bytes() == (CHECKOUT / name).read_bytes()


def test_what_tests_and_builds_leave_behind_is_not_copied(tmp_path, monkeypatch):
    template = new_plugin("firstlight-moons", tmp_path)
    for rubbish in ("src/firstlight_moons/__pycache__", "build/lib", "src/x.egg-info"):
        (template / rubbish).mkdir(parents=True)
        (template / rubbish / "left.py").write_text("")
    monkeypatch.setattr("firstlight.tools.cli.commands._scaffold.INSTALLED", template)
    copy = new_plugin("firstlight-suns", tmp_path)
    assert not [name for name in files(copy) if "left" in name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "expected lower-case words"),
        ("Moons", "expected lower-case words"),
        ("my plugin", "expected lower-case words"),
        ("../moons", "expected lower-case words"),
        ("2moons", "expected lower-case words"),
        ("moons-", "expected lower-case words"),
        ("class", "'class' makes no Python name"),
        ("firstlight-2moons", "'firstlight-2moons' makes no Python name"),
        ("firstlight-import", "'firstlight-import' makes no Python name"),
        ("firstlight", "'firstlight' is a package already; write e.g. firstlight-firstlight"),
        ("json", "'json' is a package already; write e.g. firstlight-json"),
        ("firstlight-digits", "there is a data set 'digits' already"),
    ],
)
def test_a_name_that_cannot_be(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        new_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    folder = new_plugin("moons", tmp_path)
    (folder / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match="'.*moons' exists already; choose another"):
        new_plugin("moons", tmp_path)
    assert (folder / "README.md").read_text() == "mine"
