"""Hook of the site: lay the packages out by their import names, where mkdocstrings finds them."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIBLINGS = ("models", "callbacks", "datasets")


def on_startup(command, dirty):
    """Make ``build/site/firstlight``, the tree that `pip install` would make, out of links."""
    package = ROOT / "build" / "site" / "firstlight"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    parts = [*(ROOT / "framework").iterdir(), *(ROOT / name for name in SIBLINGS)]
    for part in parts:
        if part.name != "__pycache__":
            (package / part.name).symlink_to(part, target_is_directory=part.is_dir())
