"""Submissions: the sources of all groups, from folders, zips, git repositories and notebooks."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from firstlight.tools.course.exercise import NAMES
from firstlight.tools.course.project import SETTINGS, TEMPLATES, TESTS, Project

LARGEST = 50 * 2**20  # bytes of an unpacked zip
MOST_FILES = 2000
DEPTH = 4  # folders above a project
MARK = re.compile(r"#\s*(?:exercise|aufgabe)\s*:\s*(\w+)", re.IGNORECASE)


@dataclass
class Submission:
    """What one group handed in.

    Attributes
    ----------
    name : str
        Of the group: that of its entry.
    sources : dict of str to (str, str)
        By exercise, the source and its file.
    project : Project or None
        Its settings, if it has some.
    tests_changed : bool
        Whether the tests that came with the project differ from the original.
    error : str
        Why nothing could be read, or "".
    """

    name: str
    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    project: Project | None = None
    tests_changed: bool = False
    error: str = ""


@contextmanager
def submissions(folder: Path) -> Iterator[list[Submission]]:
    """Yield the submissions of a folder, sorted by name; what is unpacked is deleted afterwards.

    Raises
    ------
    NotADirectoryError
        There is no such folder.
    ValueError
        It has no entries.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{str(folder)!r} is no folder of submissions")
    entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    if not entries:
        raise ValueError(
            f"{str(folder)!r} is empty; put a folder, zip or notebook of each group in it"
        )
    with tempfile.TemporaryDirectory() as unpacked:
        yield [_read(entry, Path(unpacked, str(n))) for n, entry in enumerate(entries)]


def _read(entry: Path, unpacked: Path) -> Submission:
    name = entry.name.removesuffix(".zip").removesuffix(".git").removesuffix(".ipynb")
    found = Submission(name)
    try:
        folder = _folder_of(entry, unpacked)
        root = _project_folder(folder)
        if (root / SETTINGS).is_file():
            found.project = Project.read(root)
        found.tests_changed = _tests_differ(root / TESTS)
        for path in sorted(folder.rglob("*.ipynb")):
            if ".ipynb_checkpoints" not in path.parts:
                found.sources |= _of_notebook(path, unpacked)
        for exercise in NAMES:
            path = root / "exercises" / f"{exercise}.py"
            if path.is_file() and not path.is_symlink():
                found.sources[exercise] = (_text(path), str(path))
        if not found.sources:
            found.error = "no exercises/*.py and no notebook with exercises"
    except (OSError, ValueError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
        found.error = " ".join(str(error).split()) or type(error).__name__
    return found


def _folder_of(entry, unpacked):
    """Return an entry as a folder, unpacked or cloned if need be."""
    unpacked.mkdir(parents=True)
    if entry.is_dir():
        if (entry / "HEAD").is_file() and (entry / "objects").is_dir():  # a bare repository
            command = [
                "git",
                "clone",
                "--quiet",
                "--no-hardlinks",
                str(entry),
                str(unpacked / "clone"),
            ]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            return unpacked / "clone"
        return entry
    if entry.suffix == ".zip":
        _unzip(entry, unpacked)
    elif entry.suffix == ".ipynb":
        shutil.copy(entry, unpacked)
    else:
        raise ValueError(f"{entry.name} is no folder, zip, git repository or notebook")
    return unpacked


def _unzip(path, target):
    """Unpack a zip whose files lie within the target and are not too large."""
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) > MOST_FILES or sum(one.file_size for one in members) > LARGEST:
            raise ValueError(
                f"{path.name}: more than {MOST_FILES} files or {LARGEST // 2**20} MB unpacked"
            )
        for one in members:
            inner = (target / one.filename).resolve()
            if not inner.is_relative_to(target.resolve()):
                raise ValueError(f"{path.name}: {one.filename!r} lies outside the archive's folder")
        archive.extractall(target, members)


def _project_folder(folder):
    """Return the folder with ``exercises``, which may lie deeper."""
    found = [folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())]
    for path in found:
        if len(path.relative_to(folder).parts) <= DEPTH and (path / "exercises").is_dir():
            return path
    return folder


def _text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def _tests_differ(path):
    """Return whether the tests of a project differ from the original in more than layout."""
    if not path.is_file():
        return False
    try:
        theirs = ast.dump(ast.parse(_text(path)))
    except SyntaxError:
        return True
    return theirs != ast.dump(ast.parse(_text(TEMPLATES / "test_exercises.py.txt")))


def _of_notebook(path, unpacked):
    """Return the sources of a notebook by exercise.

    A cell that begins with ``# exercise: NAME`` starts an exercise; without any, all cells count
    for all exercises. Only imports, definitions and assignments are taken, since a notebook also
    trains and draws.
    """
    cells = json.loads(_text(path)).get("cells", [])
    codes = ["".join(one["source"]) for one in cells if one.get("cell_type") == "code"]
    parts: dict[str, list[str]] = {}
    current = ""
    for code in codes:
        mark = MARK.match(code.lstrip())
        current = mark[1] if mark else current
        parts.setdefault(current, []).append(_definitions(code))
    shared = "\n\n".join(parts.pop("", []))
    found = {}
    for name in NAMES:
        source = "\n\n".join([shared, *parts.get(name, [])]).strip()
        if source and (name in parts or not parts):
            file = unpacked / f"{path.stem}-{name}.py"
            file.write_text(source, encoding="utf-8")
            found[name] = (source, str(file))
    return found


def _definitions(code):
    """Return the imports, definitions and assignments of a cell's code."""
    lines = [line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))]
    code = "\n".join(lines)
    try:
        body = ast.parse(code).body
    except SyntaxError:
        return code
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    kept = [one for one in body if isinstance(one, kinds)]
    return "\n".join(ast.get_source_segment(code, one) or "" for one in kept)
