"""A student's project: its files, the exercises in it, and the hints that were used."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import firstlight
from firstlight.support.files import write_atomically
from firstlight.tools.course.cut import exercise_text, solution_text
from firstlight.tools.course.exercise import all_exercises
from firstlight.tools.language import current_language, speaking

TEMPLATES = Path(__file__).parent / "templates"
SETTINGS = "course.json"
FILES = {  # of a project, and the template of each; {} is the language
    "README.md": "README.{}.md",
    "report.md": "report.{}.md",
    "poster.md": "poster.{}.md",
    "data.py": "data.py.txt",
    "train.py": "train.py.txt",
    "tests/test_exercises.py": "test_exercises.py.txt",
    ".github/workflows/check.yml": "check.yml",
    "job.sh": "job.sh",
    ".gitignore": "gitignore",
}
TESTS = "tests/test_exercises.py"


@dataclass
class Project:
    """A folder that `new_project` wrote.

    Attributes
    ----------
    folder : pathlib.Path
    group : str
    language : {"en", "de"}
    members : list of str
    hints : dict of str to int
        By exercise, the highest level of hint that was shown: 2 the line, 3 the cure.
    checks : dict of str to int
        By exercise, how often it was checked.
    """

    folder: Path
    group: str = ""
    language: str = "en"
    members: list[str] = field(default_factory=list)
    hints: dict[str, int] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path) -> Project:
        """Return the project of a folder, or of one above it.

        Raises
        ------
        FileNotFoundError
            There is none.
        ValueError
            Its ``course.json`` is damaged.
        """
        for one in (folder.absolute(), *folder.absolute().parents):
            if (one / SETTINGS).is_file():
                return cls.read(one)
        raise FileNotFoundError(
            f"no project of the course in {str(folder)!r} or above it ({SETTINGS} is missing); "
            "go to its folder, or make one with: firstlight course new NAME"
        )

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Return the project of a folder that has a ``course.json``."""
        path = folder / SETTINGS
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            known = {key: told[key] for key in cls.__dataclass_fields__ if key in told}
            return cls(folder, **known)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged ({error}); restore it from git") from error

    def save(self) -> None:
        """Write the settings."""
        told: dict[str, Any] = {k: v for k, v in vars(self).items() if k != "folder"}
        told["firstlight"] = firstlight.__version__
        write_atomically(self.folder / SETTINGS, json.dumps(told, indent=1) + "\n")

    def path_of(self, name: str) -> Path:
        """Return the file of an exercise."""
        return self.folder / "exercises" / f"{name}.py"


def new_project(
    name: str, directory: Path | str = ".", *, language: str | None = None, solutions: bool = False
) -> Project:
    """Write the files of a student's project to a new folder.

    Parameters
    ----------
    name : str
        Of the group and the folder.
    directory : path-like
        Where the folder is made.
    language : {"en", "de"}, optional
        The current language by default.
    solutions : bool
        Write the exercises with their solutions, for a teacher.

    Raises
    ------
    ValueError
        The name is no name of a folder.
    FileExistsError
        There is such a folder already.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise ValueError(f"course new: expected letters, digits, - and _ as name, got {name!r}")
    folder = Path(directory) / name
    if folder.exists():
        raise FileExistsError(f"{str(folder)!r} exists already; choose another name or directory")
    Path(directory).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as made:  # the folder appears when complete
        project = Project(Path(made, name), name, language or current_language())
        for target, template in FILES.items():
            _write(project.folder / target, _template(template, project))
        with speaking(project.language):
            for one in all_exercises():
                text = solution_text(one) if solutions else exercise_text(one)
                _write(project.path_of(one.name), text)
        project.save()
        project.folder = project.folder.rename(folder)
    return project


def _template(name, project):
    text = (TEMPLATES / name.format(project.language)).read_text(encoding="utf-8")
    return text.replace("$group", project.group)


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
