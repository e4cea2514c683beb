"""The files of grades: overview, table, feedback, and those of other programs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from firstlight.support.files import write_atomically
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.grades import GradeBook, Grades
from firstlight.tools.course.words import STATES, say
from firstlight.tools.diagnose.kind import in_language
from firstlight.tools.language import current_language, speaking


def write_all(book: GradeBook, folder: Path, *, moodle: str | None = None) -> list[Path]:
    """Write the results of all groups to a folder; return the files and folders.

    Parameters
    ----------
    book : GradeBook
    folder : pathlib.Path
    moodle : str, optional
        Grading worksheet of Moodle; a copy is filled in.

    Raises
    ------
    ValueError
        The worksheet lacks a column.
    """
    (folder / "feedback").mkdir(parents=True, exist_ok=True)
    (folder / "gradescope").mkdir(exist_ok=True)
    written = [folder / "overview.html", folder / "grades.csv", folder / "otter.csv"]
    write_atomically(written[0], overview(book))
    write_atomically(written[1], _csv(_grade_rows(book)))
    write_atomically(written[2], _csv(_otter_rows(book)))
    for group in book.groups:
        project = group.submission.project
        with speaking(project.language if project else current_language()):
            text = feedback(group, book)
            results = json.dumps(gradescope(group, book), indent=1, ensure_ascii=False)
        write_atomically(folder / "feedback" / f"{_file_name(group)}.md", text)
        write_atomically(folder / "gradescope" / f"{_file_name(group)}.json", results)
    if moodle is not None:
        filled = _filled_worksheet(Path(moodle), book)
        write_atomically(folder / "moodle.csv", filled)
        written.append(folder / "moodle.csv")
    return [*written, folder / "feedback", folder / "gradescope"]


def overview(book: GradeBook) -> str:
    """Return a page with a table of groups and exercises, coloured by state."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from firstlight.tools.course.project import TEMPLATES

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("overview.html.j2").render(
        book=book,
        title=say("grades"),
        say=say,
        state={key: in_language(word) for key, word in STATES.items()},
        about=about,
        file_name=_file_name,
        language=current_language(),
        chapters={name: exercise(name).chapter for name in book.most},
    )


def about(group: Grades, name: str) -> list[str]:
    """Return the sentences about one exercise of a group."""
    result = group.results[name]
    told = [f"{say('forbidden')} {say(one.kind)}: {one.message}" for one in result.forbidden]
    for cause in result.causes:
        line = f" ({say('line number', line=cause.line)})" if cause.line else ""
        told.append(f"{cause.blank or say('file')}: {cause.what}{line}")
    return told


def feedback(group: Grades, book: GradeBook) -> str:
    """Return the feedback for a group, in Markdown."""
    lines = [f"# {group.submission.name}: {group.total:g} / {book.full:g}", ""]
    for name, result in group.results.items():
        state = in_language(STATES[result.status])
        lines += [f"## {name}: {group.points[name]:g} / {book.most[name]:g}, {state}", ""]
        lines += [f"- {sentence}" for sentence in about(group, name)]
        lines += [f"  - {cause.how}" for cause in result.causes if cause.how]
        lines += [""] if result.causes or result.forbidden else []
    return "\n".join(lines).rstrip() + "\n"


def gradescope(group: Grades, book: GradeBook) -> dict:
    """Return what Gradescope reads as ``results.json`` of an autograder."""
    tests = [
        {
            "name": name,
            "score": group.points[name],
            "max_score": book.most[name],
            "status": "passed" if result.status == "right" else "failed",
            "output": "\n".join(about(group, name)),
        }
        for name, result in group.results.items()
    ]
    return {
        "score": group.total,
        "execution_time": round(group.seconds, 1),
        "visibility": "visible",
        "tests": tests,
    }


def _grade_rows(book):
    names = list(book.most)
    yield ["group", "members", *names, "total", "of", "hints", "not counted", "seed"]
    for group in book.groups:
        project = group.submission.project
        members = "; ".join(map(str, project.members)) if project else ""
        hints = sum(project.hints.values()) if project else ""
        refused = {
            f"{name}: {one.kind} {one.message}"
            for name, result in group.results.items()
            for one in result.forbidden
        }
        points = [f"{group.points[name]:g}" for name in names]
        row = [group.submission.name, members, *points, f"{group.total:g}", f"{book.full:g}"]
        yield [*row, hints, "; ".join(sorted(refused)), book.seed]


def _otter_rows(book):
    names = list(book.most)
    yield ["file", *names, "percent_correct", "total_points_earned"]
    for group in book.groups:
        points = [f"{group.points[name]:g}" for name in names]
        share = group.total / book.full if book.full else 0.0
        yield [group.submission.name, *points, f"{share:.4f}", f"{group.total:g}"]


def _filled_worksheet(path: Path, book: GradeBook) -> str:
    """Return a grading worksheet of Moodle with grades and feedback filled in.

    A row belongs to a group if the group's name, or one of its members, is in the row, or if the
    entry has the name that Moodle gives: full name, number of the participant, ...
    """
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    needed = ("Identifier", "Full name", "Grade", "Feedback comments")
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise ValueError(
            f"{path}: the column {missing[0]!r} is missing; expected a grading worksheet as Moodle "
            "exports it, in English"
        )
    for row in rows:
        for group in book.groups:
            if _belongs(row, group):
                row["Grade"] = f"{group.total:.2f}"
                row["Feedback comments"] = feedback(group, book)
    return _csv([list(rows[0]), *(row.values() for row in rows)])


def _belongs(row, group):
    number = re.sub(r"\D", "", row["Identifier"] or "")
    name, project = group.submission.name, group.submission.project
    if number and number in re.split(r"[_\s]", name):
        return True
    members = {name, *(map(str, project.members) if project else ())}
    return any(value in members for value in row.values() if value)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell):
    """Return a cell that a spreadsheet does not take for a formula."""
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "@", "\t")) else text


def _file_name(group: Grades) -> str:
    return re.sub(r"[^\w.-]", "_", group.submission.name)
