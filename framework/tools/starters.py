"""Starters: scripts of `examples/starters` to begin a project with, their options and copies."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from firstlight.support.rng import seed_everything

HERE = Path(__file__).parent
# In a wheel, packages of firstlight; in a checkout, the folders they are built from.
SCRIPTS = (HERE.parent / "starter_scripts", HERE.parents[1] / "examples" / "starters")
PAGES = (HERE.parent / "starter_pages", HERE.parents[1] / "docs" / "starters")
LINK = re.compile(r"!?\[([^]]*)\]\((?!https?:)[^)]*\)")  # to a file, which the copy has not


def arguments(
    description: str, words: list[str] | None = None, *, epochs: int, **settings: Any
) -> argparse.Namespace:
    """Parse a starter's command line, and seed all random generators with ``--seed``.

    Parameters
    ----------
    description : str
        Text of ``--help``, usually the script's docstring.
    words : list of str, optional
        The command line, ``sys.argv[1:]`` by default.
    epochs : int
        Default of ``--epochs``.
    **settings : int, float or str
        Further options and their defaults, e.g. ``width=128`` for ``--width``.

    Returns
    -------
    argparse.Namespace
        ``epochs``, ``seed``, ``resume``, ``device``, ``runs_dir``, the settings, and ``trainer``:
        the arguments of `firstlight.Trainer` among them.

    Examples
    --------
    >>> from firstlight.tools.starters import arguments
    >>> args = arguments("A starter.", ["--epochs", "3"], epochs=20, width=64)
    >>> args.width, args.trainer
    (64, {'max_epochs': 3, 'device': 'cpu', 'runs_dir': 'runs'})
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=epochs, help="epochs to train (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (%(default)s)")
    parser.add_argument("--resume", help="auto, last, best or a path: continue from a checkpoint")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (%(default)s)")
    parser.add_argument("--runs_dir", default="runs", help="folder of all runs (%(default)s)")
    for name, value in settings.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help="(%(default)s)")
    args = parser.parse_args(words)
    seed_everything(args.seed)
    args.trainer = {
        "max_epochs": args.epochs,
        "device": args.device,
        "runs_dir": args.runs_dir,
    }
    return args


def starters() -> dict[str, str]:
    """Return the first line of each starter's docstring, by name."""
    found = {}
    for path in sorted(_folder(SCRIPTS).glob("[a-z]*.py")):
        found[path.stem] = path.read_text(encoding="utf-8").split("\n")[0].strip('"')
    return found


def copy_starter(name: str, directory: str | os.PathLike[str] = ".") -> list[Path]:
    """Copy a starter's script and page to a folder, and the table that it reads, if any.

    Pictures are not copied, and links to other pages become their text.

    Parameters
    ----------
    name : str
        One of `starters`.
    directory : path-like

    Returns
    -------
    list of pathlib.Path
        The script, the page and the table.

    Raises
    ------
    ValueError
        There is no such starter.
    FileExistsError
        A file of that name exists already.
    """
    if name not in starters():
        raise ValueError(f"no starter {name!r}; there are {', '.join(starters())}")
    script = _folder(SCRIPTS) / f"{name}.py"
    texts = {
        Path(directory, f"{name}.py"): script.read_text("utf-8"),
        Path(directory, f"{name}.md"): _without_links(
            (_folder(PAGES) / f"{name}.md").read_text("utf-8")
        ),
    }
    table = script.with_suffix(".csv")
    if table.is_file():
        texts[Path(directory, table.name)] = table.read_text("utf-8")
    for path in texts:
        if path.exists():
            raise FileExistsError(
                f"{str(path)!r} exists already; move it away, or choose another --directory"
            )
    Path(directory).mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _folder(places):
    return next(place for place in places if place.is_dir())


def _without_links(page):
    """Return a page without its pictures, and with the text of its links to files."""
    lines = [line for line in page.split("\n") if not line.startswith("![")]
    return LINK.sub(r"\1", re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))
