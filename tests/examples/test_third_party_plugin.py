"""The example plugin, and one scaffolded from it: installed, found, trained, tested."""

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from plugin_packages import install_by_hand, run

import firstlight
from firstlight.tools.cli.commands._scaffold import CHECKOUT, new_plugin

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def check_listed(site, name, cwd):
    """The command line lists the plugin with all it offers."""
    listed = run(site, "-m", "firstlight", "plugins", "--json", cwd=cwd)
    assert listed.returncode == 0, listed.stderr
    (plugin,) = (p for p in json.loads(listed.stdout) if p["name"] == name)
    assert plugin["error"] == ""
    assert plugin["offers"] == {
        "model": [f"{name}_net"],
        "dataset": [name],
        "callback": [f"{name}_best"],
        "command": [name],
    }
    hooks = [f"register_{kind}" for kind in ("callbacks", "commands", "datasets", "models")]
    assert plugin["hooks"] == hooks


def check_command(site, name, cwd):
    """The command line has the plugin's command, and its help."""
    shown = run(site, "-m", "firstlight", cwd=cwd).stdout
    assert f"\n  {name:<12} draw the {name} as text\n" in shown
    drawn = run(site, "-m", "firstlight", name, "--samples", "50", cwd=cwd)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert {"o", "+"} <= set(drawn.stdout)
    wrong = run(site, "-m", "firstlight", name, "--sample", "50", cwd=cwd)
    assert wrong.returncode == 2
    assert f"firstlight {name}: unrecognized arguments: --sample=50" in wrong.stderr


def check_trained(site, name, cwd):
    """The command line trains the plugin's model on its data with its callback."""
    names = ["--model", f"{name}_net", "--data", name, "--callback", f"{name}_best"]
    trained = run(
        site,
        "-m",
        "firstlight",
        "fit",
        *names,
        "--trainer.max_epochs",
        "20",
        "--seed",
        "0",
        cwd=cwd,
    )
    assert trained.returncode == 0, trained.stderr
    assert "best epoch" in trained.stdout
    (summary,) = cwd.glob("runs/*/2*/summary.json")
    assert json.loads(summary.read_text())["metrics"]["val_acc"] > 0.95


def check_own_tests_pass(site, source, cwd):
    # An own cache folder, and none of this suite's settings: the plugin brings its own.
    done = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", source, cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.fixture(params=["the example", "a scaffolded one"])
def plugin(request, tmp_path):
    """Return ``(source folder, entry-point name)`` of a plugin."""
    if request.param == "the example":
        return shutil.copytree(CHECKOUT, tmp_path / "source"), "rings"
    return new_plugin("my-own-plugin", tmp_path), "my_own_plugin"


@pytest.mark.slow
def test_it_is_found_trains_by_name_and_passes_its_tests(plugin, tmp_path):
    source, name = plugin
    install_by_hand(source, tmp_path / "site")
    check_listed(tmp_path / "site", name, tmp_path)
    check_command(tmp_path / "site", name, tmp_path)
    check_trained(tmp_path / "site", name, tmp_path)
    check_own_tests_pass(tmp_path / "site", source, tmp_path)


def test_it_is_written_for_this_version():
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    major, minor = map(int, firstlight.__version__.split(".")[:2])
    assert f"firstlight>={major}.{minor},<{major}.{minor + 1}" in needed


def can_build():
    """Return whether pip and a setuptools as new as pyproject.toml wants are here."""
    if not all(map(importlib.util.find_spec, ("pip", "setuptools"))):
        return False
    return int(importlib.metadata.version("setuptools").partition(".")[0]) >= 77


@pytest.mark.slow
@pytest.mark.skipif(not can_build(), reason="needs pip and setuptools >= 77")
def test_pip_installs_it(tmp_path):
    source, site = shutil.copytree(CHECKOUT, tmp_path / "source"), tmp_path / "site"
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*PIP, "install", *offline, "--target", site, source], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    check_listed(site, "rings", tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not can_build(), reason="needs pip and setuptools >= 77")
def test_a_built_firstlight_brings_the_template(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("framework", "models", "callbacks", "datasets", "examples", "docs/starters"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    (source / "README.md").write_text("# firstlight\n")
    site = tmp_path / "site"
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run(
        [*PIP, "install", *offline, "--target", site, source], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    code = "from firstlight.tools.cli.commands import _scaffold as scaffold; "
    code += "assert scaffold.INSTALLED.is_dir(); "
    code += "print(scaffold.new_plugin('firstlight-moons'))"
    done = run(site, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {code}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "firstlight-moons/src/firstlight_moons/net.py").is_file()
