"""Packages of plugins: install them without building anything, and use them in a process."""

import os
import shutil
import subprocess
import sys
import tomllib


def install_by_hand(source, site):
    """Copy a package and write its metadata as pip would, without building anything."""
    with open(source / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    shutil.copytree(source / "src", site, dirs_exist_ok=True)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata)
    points = project["entry-points"]["firstlight"]
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[firstlight]", *lines]))


def run(site, *command, cwd, warnings="error"):
    """Run Python with the packages of a folder; warnings are errors unless told otherwise."""
    return subprocess.run(
        [sys.executable, "-W", warnings, *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
    )
