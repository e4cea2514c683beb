"""The user's own source files: copied into a run, and imported from there again.

They are the main script and the modules that it has imported from its folder, as Python text.
Installed packages are not copied. ``source/rebuild.json`` lists the files, and is the record from
which `firstlight.load` creates model and data again.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
import sysconfig
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from firstlight.runs import consent
from firstlight.runs.source_masking import masked_source
from firstlight.support.files import PathLike, forgiving, inside, write_atomically
from firstlight.support.reading import parse_json, read_text

FOLDER = "source"  # in a run's folder
RECORD = "rebuild.json"
MAIN = "__main__"
SCRIPT = "script_of_run"  # name of the main script of a run as a module
OWN_CLASSES = ("firstlight.nn.", "firstlight.models.", "firstlight.data.transforms:")
FILE_LIMIT = 2**18  # bytes of one file
LIMIT = 2**21  # bytes of all
ENCODING = re.compile(r"\A((?:[ \t\f]*#.*\n|\s*\n)?[ \t\f]*#.*?coding[:=][ \t]*)[-\w.]+")  # PEP 263


def collect() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the user's modules that are imported now.

    Returns
    -------
    modules : dict of str to str
        The file of each module by its name, relative to the script's folder.
    texts : dict of str to str
        The text of each file, secrets masked.
    left_out : dict of str to str
        Why the file of a module is not kept.
    """
    modules: dict[str, str] = {}
    texts: dict[str, str] = {}
    left_out: dict[str, str] = {}
    root, total = script_folder(), 0
    if root is None:
        return modules, texts, left_out
    beginning = root + os.sep
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        path = os.path.normpath(path) if isinstance(path, str) else ""  # sys.path may hold ".."
        if not path.startswith(beginning):
            continue
        if not path.endswith(".py") or is_installed(name, path):
            continue
        try:
            size = os.path.getsize(path)
            if size > FILE_LIMIT or total + size > LIMIT:
                left_out[name] = f"it has {size:,} bytes, which is too large to be copied"
                continue
            text = read_source(path)
        except (OSError, ValueError, SyntaxError) as error:
            left_out[name] = f"it could not be read ({error})"
            continue
        total += size
        modules[name] = path.removeprefix(beginning).replace(os.sep, "/")
        texts[modules[name]] = masked_source(text)
    return modules, texts, left_out


def read_source(path: PathLike) -> str:
    """Return the text of a Python file, of any encoding that it declares.

    The declaration is replaced: the text is UTF-8 where it is written again.

    Raises
    ------
    OSError, ValueError, SyntaxError
        It cannot be read, or is not in the encoding that it declares.
    """
    with tokenize.open(path) as file:
        text = file.read()
    return ENCODING.sub(r"\g<1>utf-8", text)


def script_folder() -> str | None:
    """Return the folder of the user's files; None if an installed program runs, such as pytest.

    It is that of the main script, of its outermost package, or, in a notebook, the working
    directory.
    """
    main = sys.modules.get(MAIN)
    path = getattr(main, "__file__", None)
    if not isinstance(path, str):
        return os.getcwd()
    path = os.path.abspath(path)
    package = (getattr(main, "__package__", None) or "").split(".")
    folder = Path(path).parents[len(list(filter(None, package)))]
    return None if is_installed(MAIN, path) else str(folder)


def is_installed(name: str, path: str) -> bool:
    """Return whether a module belongs to an installed package, to Python, or to firstlight."""
    if name.partition(".")[0] == "firstlight":
        return True
    return path.startswith(_installation()) or "site-packages" in path or "dist-packages" in path


@cache
def _installation():
    """Return the folders of installed modules, and firstlight's own."""
    paths = sysconfig.get_paths()
    places = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    own = [str(Path(__file__).parents[1])]
    return tuple(os.path.join(place, "") for place in (*places, *own))


def as_files(record: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the folder ``source``, by name."""
    return {**texts, RECORD: json.dumps(record, indent=1) + "\n"}


def write(run: PathLike, files: Mapping[str, str]) -> None:
    """Write the folder ``source`` of a run, and note that its code is this user's."""
    for name, text in files.items():
        path = inside(Path(run) / FOLDER, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    if names_code(json.loads(files[RECORD])):
        with forgiving("the note that this run is yours"):
            consent.remember(run, {FOLDER: digest(files)})


def digest(files: Mapping[str, str]) -> str:
    """Return a hash of the files of the folder ``source``."""
    found = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            found.update(hashlib.sha256(part.encode()).digest())
    return found.hexdigest()


def read(run: PathLike) -> dict[str, str]:
    """Return the files of a run's folder ``source`` that its record lists; {} without a record.

    Raises
    ------
    ValueError, OSError
        A file is missing or damaged.
    """
    folder = Path(run) / FOLDER
    if not (folder / RECORD).is_file():
        return {}
    text = read_text(folder / RECORD, LIMIT)
    record = parse_json(text)
    if not isinstance(record, dict) or not isinstance(record.get("modules"), dict):
        raise ValueError(f"{folder / RECORD} does not hold the record of a script; restore it")
    names = {str(name) for name in record["modules"].values()}
    return {n: read_text(inside(folder, n), LIMIT) for n in names} | {RECORD: text}


def names_code(record: Mapping[str, Any]) -> bool:
    """Return whether a record needs code beyond firstlight's models and registered data."""
    data = record["data"] or {}
    if record["modules"] or ":" in str(data.get("name")):
        return True
    named = references([record["model"], data.get("arguments")])
    return not all(name.startswith(OWN_CLASSES) for name in named)


def references(encoded):
    """Yield the classes and functions that an encoded value names."""
    if isinstance(encoded, dict):
        yield from (str(encoded[kind]) for kind in ("object", "reference") if kind in encoded)
    if isinstance(encoded, (list, dict)):
        for item in encoded.values() if isinstance(encoded, dict) else encoded:
            yield from references(item)


class Copies(importlib.abc.MetaPathFinder):
    """Import modules from the copies in a run, and from nothing else that may lie there.

    Parameters
    ----------
    folder : path-like
        The folder ``source``.
    modules : dict of str to str
        File by module.
    texts : dict of str to str
        Text by file.
    """

    def __init__(
        self, folder: PathLike, modules: Mapping[str, str], texts: Mapping[str, str]
    ) -> None:
        self.folder = Path(folder)
        self.files = {name: file for name, file in modules.items() if name != MAIN}
        self.texts = texts

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of a copied module."""
        above = name + "."
        if name in self.files:
            file = self.files[name]
            loader = _Copy(self.texts[file], str(self.folder / file))
            inner = [] if loader.is_package(name) else None
            return importlib.util.spec_from_file_location(
                name, loader.path, loader=loader, submodule_search_locations=inner
            )
        if any(other.startswith(above) for other in self.files):  # a folder without __init__.py
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        return None

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Import the copied modules under their names, and restore ``sys.modules`` at the end.

        A module that is imported already from the same text stays.
        """
        names = [name for name in (*self.files, *self._folders()) if not self._is_same(name)]
        before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(before)

    def _folders(self):
        return {
            name.rpartition(".")[0]
            for name in self.files
            if "." in name and name.rpartition(".")[0] not in self.files
        }

    def _is_same(self, name):
        """Return whether a module is imported already, from the same text."""
        path = getattr(sys.modules.get(name), "__file__", None)
        if name not in self.files or not path:
            return False
        try:
            text = masked_source(read_source(path))
        except (OSError, ValueError, SyntaxError):
            return False
        return text == self.texts[self.files[name]]


class _Copy(importlib.abc.InspectLoader):
    """Execute the text of a copied module; nothing is written beside it."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path

    def get_source(self, fullname: str) -> str:
        return self.text

    def get_code(self, fullname: str) -> Any:
        return compile(self.text, self.path, "exec")

    def is_package(self, fullname: str) -> bool:
        return self.path.endswith("__init__.py")

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), vars(module))
