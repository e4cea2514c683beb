"""Lay the packages out by their import names, as `pip install` does, in ``build/site``.

For mkdocstrings, as a hook of the site, and for editors, which do not follow an editable install:
pyproject.toml names the folder to basedpyright, pyright and Pylance; ``make setup`` makes it.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIBLINGS = ("models", "callbacks", "datasets")


def on_startup(command, dirty):
    """Make the folder before the site is built."""
    lay_out(ROOT / "build" / "site")


def lay_out(folder):
    """Make a folder with the package ``firstlight`` in it, out of links to the sources."""
    package = folder / "firstlight"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    parts = [*(ROOT / "framework").iterdir(), *(ROOT / name for name in SIBLINGS)]
    for part in parts:
        if part.name != "__pycache__":
            (package / part.name).symlink_to(part, target_is_directory=part.is_dir())


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "site")
