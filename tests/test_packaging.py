"""The package as a user gets it: built, checked, installed, and run from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TREE = ("framework", "models", "callbacks", "datasets", "examples", "docs")
FILES = ("pyproject.toml", "README.md", "LICENSE")
pytestmark = pytest.mark.slow


def run(*command, cwd, **environment):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the source distribution, and the wheel that was made from it."""
    pytest.importorskip("build", reason="builds the package")
    source = tmp_path_factory.mktemp("source")
    for name in TREE:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--no-isolation", ".", cwd=source)
    return sorted((source / "dist").iterdir(), key=lambda path: path.suffix == ".whl")


def test_the_index_takes_what_was_built(built, tmp_path):
    pytest.importorskip("twine", reason="checks the package")
    told = run(sys.executable, "-m", "twine", "check", "--strict", *built, cwd=tmp_path)
    assert told.count("PASSED") == 2


def test_every_file_is_in_the_wheel_and_in_the_source(built):
    """Kernels, templates, data: what no import names."""
    folders = {"framework": "firstlight", **{n: f"firstlight/{n}" for n in TREE[1:4]}}
    expected = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in folders.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    source, wheel = built
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()
    with tarfile.open(source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    ours = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours - packed == set()


def test_an_installed_wheel_trains_in_an_empty_folder(built, tmp_path):
    place, empty = tmp_path / "fresh", tmp_path / "empty"
    empty.mkdir()
    venv.create(place)
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    python = programs / Path(sys.executable).name
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", built[1], cwd=empty)
    (site,) = place.rglob("site-packages")
    # What firstlight requires is that of this environment, behind the new one's own packages.
    others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "others.pth").write_text("\n".join(others), encoding="utf-8")
    environment = {"VIRTUAL_ENV": str(place), "FIRSTLIGHT_BACKGROUND": "0"}
    told = run(programs / "firstlight", "fit", "--trainer.max_epochs", 2, cwd=empty, **environment)
    assert "test accuracy 0.9" in told
    (summary,) = empty.glob("runs/*/*/summary.json")
    assert json.loads(summary.read_text(encoding="utf-8"))["status"] == "finished"
    done = subprocess.run(
        [str(programs / "firstlight"), "doctor", "--json"],
        cwd=empty,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    found = {one["subject"]: one for one in json.loads(done.stdout)["findings"]}
    assert str(site) in found["firstlight"]["found"]
    assert found["NumPy"]["state"] == "ok"
