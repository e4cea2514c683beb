"""The packages in examples/trackers: listed, short, and passing their own tests."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from plugin_packages import install_by_hand, run

import firstlight
from firstlight.support.extras import installed

TRACKERS = Path(__file__).parents[2] / "examples" / "trackers"
NAMES = sorted(path.parent.name for path in TRACKERS.glob("*/pyproject.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_is_listed_and_passes_its_tests(name, tmp_path):
    if not installed(name):
        pytest.skip(f"needs {name}")
    site, source = tmp_path / "site", shutil.copytree(TRACKERS / name, tmp_path / "source")
    install_by_hand(source, site)
    listed = run(site, "-m", "firstlight", "plugins", "--json", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    (plugin,) = (p for p in json.loads(listed.stdout) if p["name"] == name)
    assert (plugin["error"], plugin["offers"]) == ("", {"callback": [name]})
    pytest_on = "-m", "pytest", "-q", "-p", "no:cacheprovider", source
    done = run(site, *pytest_on, cwd=source, warnings="default")  # there are some of the libraries
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_is_short_and_for_this_version(name):
    code = TRACKERS / name / "src" / f"firstlight_{name}" / "__init__.py"
    assert len(code.read_text().splitlines()) <= 60
    with open(TRACKERS / name / "pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    major, minor = map(int, firstlight.__version__.split(".")[:2])
    assert f"firstlight>={major}.{minor},<{major}.{minor + 1}" in needed
