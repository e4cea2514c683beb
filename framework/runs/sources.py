"""The user's own source files: copied into a run, and imported from there again.

They are the main script and the modules that it has imported from its folder or from elsewhere,
as Python text. Installed packages are not copied. ``source/rebuild.json`` lists the files, and is
the record from which `firstlight.load` creates model and data again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from firstlight.runs import consent, edits
from firstlight.runs.masking import masked_json
from firstlight.runs.source_masking import masked_source
from firstlight.support.files import PathLike, forgiving, inside, write_atomically
from firstlight.support.reading import parse_json, read_text

FOLDER = "source"  # in a run's folder
RECORD = "rebuild.json"
MAIN = "__main__"
ELSEWHERE = "_elsewhere"  # folder of copies from outside of the script's folder
SCRIPT = "script_of_run"  # name of the main script of a run as a module
OWN_CLASSES = ("firstlight.nn.", "firstlight.models.", "firstlight.data.transforms:")
FILE_LIMIT = 2**18  # bytes of one file
LIMIT = 2**21  # bytes of all
IMPORTED = re.compile(r"^[ \t]*(?:from|import)[ \t]+(.+)", re.MULTILINE)
WORD = re.compile(r"\w+")
_installed: set[str] = set()  # modules of installed packages, as an earlier search found
ENCODING = re.compile(r"\A((?:[ \t\f]*#.*\n|\s*\n)?[ \t\f]*#.*?coding[:=][ \t]*)[-\w.]+")  # PEP 263


def collect() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return the user's modules that are imported now.

    Returns
    -------
    modules : dict of str to str
        The copy of each module's file by its name: its place in the script's folder, or in
        `ELSEWHERE`.
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
    edited = []
    for name, module, path, file in _own_modules(root, texts):
        try:
            status = os.stat(path)
            size = status.st_size
            if size > FILE_LIMIT or total + size > LIMIT:
                left_out[name] = f"it has {size:,} bytes, which is too large to be copied"
                continue
            text = read_source(path)
        except (OSError, ValueError, SyntaxError) as error:
            left_out[name] = f"it could not be read ({error})"
            continue
        if edits.is_edited(module, status, text):
            left_out[name] = edits.REASON
            edited.append(os.path.basename(path))
            continue
        total += size
        modules[name] = file
        texts[file] = masked_source(text)
    if edited:
        warnings.warn(
            f"{', '.join(edited)} was changed after the program had read it, and before the "
            "training; the run does not keep its code, and cannot be loaded without the script",
            stacklevel=2,
        )
    return modules, texts, left_out


def _own_modules(root: str, texts: Mapping[str, str]) -> Iterator[tuple[str, ModuleType, str, str]]:
    """Yield name, module, path and name of the copy of the user's modules.

    First those of the script's folder, then those elsewhere, on PYTHONPATH for example, that the
    files in ``texts`` import; a debugger has others.
    """
    beginning, elsewhere = root + os.sep, {}
    names = [name for name in list(sys.modules) if name not in _installed]
    firsts = [name.partition(".")[0] for name in names]
    tops = set(firsts).difference(sys.builtin_module_names)  # thousands of modules belong to few
    own = {top for top in tops if not is_installed(top, _file(sys.modules.get(top)))}
    _installed.update([name for name, top in zip(names, firsts, strict=True) if top not in own])
    for name in [name for name in names if name not in _installed]:
        module = sys.modules.get(name)
        path = _file(module)
        if not path.endswith(".py") or is_installed(name, path):
            continue
        path = os.path.normpath(path)  # sys.path may hold ".."
        if path.startswith(beginning):
            yield name, module, path, path.removeprefix(beginning).replace(os.sep, "/")
        elif name != MAIN and os.path.isabs(path):
            elsewhere[name] = module, path
    before, imported = -1, set()
    while elsewhere and len(imported) > before:
        before = len(imported)
        for text in texts.values():
            imported |= {word for line in IMPORTED.findall(text) for word in WORD.findall(line)}
        for name in [name for name in elsewhere if name.partition(".")[0] in imported]:
            module, path = elsewhere.pop(name)
            end = "/__init__.py" if os.path.basename(path) == "__init__.py" else ".py"
            yield name, module, path, f"{ELSEWHERE}/{name.replace('.', '/')}{end}"


def _file(module):
    """Return the path of a module's file, "" without one."""
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) else ""


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
    folder = os.path.dirname(path)
    for _ in filter(None, package):
        folder = os.path.dirname(folder)
    return None if is_installed(MAIN, path) else folder


def is_installed(name: str, path: str) -> bool:
    """Return whether a module belongs to an installed package, to Python, or to firstlight."""
    if path.startswith(_installation()) or "site-packages" in path or "dist-packages" in path:
        return True
    return name.partition(".")[0] == "firstlight"


@cache
def _installation():
    """Return the folders of Python's modules and of commands, and firstlight's own.

    `sysconfig` knows them, too, but takes 3 ms to be imported.
    """
    commands = [os.path.join(sys.prefix, name) for name in ("bin", "Scripts", "local/bin")]
    places = [os.path.dirname(os.__file__), *commands, os.path.dirname(os.path.dirname(__file__))]
    return tuple(os.path.join(place, "") for place in places)


def as_files(record: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the folder ``source``, by name; the record's secrets are masked."""
    return {**texts, RECORD: masked_json(record) + "\n"}


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
