"""The files of a new plugin package, copied from a working one.

The template is ``examples/third_party_plugin``, a package that is installed and tested as it is;
pyproject.toml puts a copy into the installed firstlight.
"""

import keyword
import os
import re
import sys
from pathlib import Path

from firstlight import plugins

INSTALLED = Path(__file__).parents[3] / "plugin_template"
CHECKOUT = Path(__file__).parents[4] / "examples" / "third_party_plugin"
GENERATED = ("__pycache__", "build", ".pytest_cache", ".ruff_cache")


def new_plugin(name: str, directory: str | os.PathLike[str] = ".") -> Path:
    """Write a plugin package with a model, a data set and a callback to start from.

    Parameters
    ----------
    name : str
        Of the distribution, e.g. "firstlight-moons": then the package is ``firstlight_moons``,
        and its parts are called ``moons``, ``moons_net`` and ``moons_best``.
    directory : path-like
        Where the folder of that name is made.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        The name cannot be a package's, or is taken.
    FileExistsError
        There is such a folder already.
    """
    names = _names(name)
    folder = Path(directory) / name
    if folder.exists():
        raise FileExistsError(f"{str(folder)!r} exists already; choose another name or directory")
    template = INSTALLED if INSTALLED.is_dir() else CHECKOUT
    tokens = re.compile("|".join(names))  # in one pass, so that no name is replaced twice
    for source in sorted(template.rglob("*")):
        inner = source.relative_to(template)
        if source.is_file() and not any(_generated(part) for part in inner.parts):
            target = folder / tokens.sub(lambda found: names[found[0]], str(inner))
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            target.write_text(tokens.sub(lambda found: names[found[0]], text), encoding="utf-8")
    return folder


def _names(name):
    """Return what replaces each name of the template; the longer ones come first."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        raise ValueError(
            f"plugin name: expected lower-case words of letters and digits joined by -, e.g. "
            f"firstlight-moons, got {name!r}"
        )
    package = name.replace("-", "_")
    short = package.removeprefix("firstlight_")
    if keyword.iskeyword(package) or not short.isidentifier() or keyword.iskeyword(short):
        raise ValueError(f"plugin name: {name!r} makes no Python name; choose another")
    if package == "firstlight" or package in sys.stdlib_module_names:
        raise ValueError(
            f"plugin name: {package!r} is a package already; write e.g. firstlight-{name}"
        )
    if short in plugins.registry("dataset").names():
        raise ValueError(f"plugin name: there is a data set {short!r} already; choose another")
    return {
        "firstlight-rings": name,
        "firstlight_rings": package,
        "Rings": "".join(word.capitalize() for word in short.split("_")),
        "rings": short,
    }


def _generated(part):
    return part in GENERATED or part.endswith(".egg-info")
