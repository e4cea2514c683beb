"""``firstlight course``: a student's project, its check, and the grades of all."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.support.extras import require
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, Args, Command, Options, at_least_one, option
from firstlight.tools.cli.commands.runs import Runs
from firstlight.tools.cli.errors import UsageError, nearest, usage_errors
from firstlight.tools.cli.text import tell
from firstlight.tools.language import LANGUAGES, speaking

if TYPE_CHECKING:
    from firstlight.tools.course import Result
    from firstlight.tools.course.project import Project

LANGUAGE = option("--language", "en or de", choices=LANGUAGES)
WIDTH = 30  # of the bar


class Course(Runs):
    """Exercises of the course: a project with blanks, a check that says what is wrong and why, and
    grades.

    {commands}

    firstlight course COMMAND --help shows its options. For example:
      firstlight course new group7
      firstlight course check linear
      firstlight course grade submissions/ --output grades
    """


class New(Command):
    """Write a student's project: exercises with blanks, a training script, data, report, poster,
    tests, and a Slurm file.

      firstlight course new group7 --language de
      firstlight course new solutions --solutions    # for the teacher
    """

    options: Options = (
        option("name", "of the group, and of the folder"),
        option("--directory DIR", "where the folder is made", "."),
        LANGUAGE,
        option("--solutions", "with the solutions of all exercises", False),
    )

    def run(self, args: Args) -> int:
        """Write the files."""
        from firstlight.tools.course.project import new_project

        with usage_errors(kinds=(FileExistsError, ValueError)):
            project = new_project(
                args.name, args.directory, language=args.language, solutions=args.solutions
            )
        tell(f"{project.folder}: go there, read README.md, and try: firstlight course check")
        return 0


class Check(Command):
    """Say which exercises of a project are right, and what is wrong and why.

    With exercises: in detail. --hint shows one level more at each call: first the line, then how to
    mend it. The highest level shown is kept in course.json. Exit code 1 if one of the exercises is
    wrong.

      firstlight course check
      firstlight course check linear softmax --hint
    """

    options: Options = (
        option("exercises", "which ones", nargs="*", metavar="EXERCISE"),
        option("--hint", "one hint more", False),
        option("--project DIR", "the project's folder", "."),
        option("--seed N", "of the arrays; another one each time by default", type=int),
        LANGUAGE,
        JSON,
    )

    def run(self, args: Args) -> int:
        """Judge the exercises, print the results, and count them."""
        from firstlight.tools.course import NAMES, exercise, judge
        from firstlight.tools.course.project import Project

        with usage_errors(kinds=(FileNotFoundError, ValueError)):
            project = Project.find(Path(args.project))
        for name in args.exercises:
            if name not in NAMES:
                raise UsageError(f"unknown exercise {name!r}{nearest(name, NAMES)}")
        seed = random.randrange(2**31) if args.seed is None else args.seed
        results = []
        with speaking(args.language or project.language):
            for name in args.exercises or NAMES:
                path = project.path_of(name)
                source = path.read_text(encoding="utf-8") if path.is_file() else ""
                results.append(judge(source, str(path), exercise(name), seed))
            if args.exercises:
                self._count(project, results, args)
            if args.json:
                tell(json.dumps([one.to_dict() for one in results], indent=1))
            elif args.exercises:
                _show_details(project, results)
            else:
                _show_table(results)
        if args.exercises:
            project.save()
        return int(any(one.status not in ("right", "empty") for one in results))

    @staticmethod
    def _count(project, results, args):
        for result in results:
            name = result.exercise
            project.checks[name] = project.checks.get(name, 0) + 1
            if args.hint and result.causes:
                most = 3 if any(cause.how for cause in result.causes) else 2
                project.hints[name] = min(most, project.hints.get(name, 1) + 1)


class Grade(Command):
    """Grade the submissions of all groups: folders, zips, git repositories or notebooks.

    Each exercise runs in a process of its own with limits of time, memory and files, and without
    network, on arrays of a fresh seed. Written are overview.html, grades.csv, a file of feedback
    per group, and what Gradescope, otter-grader and Moodle read.

      firstlight course grade submissions/ --output grades
      firstlight course grade submissions/ --points points.yaml --seed 7
    """

    options: Options = (
        option("submissions", "folder with one entry per group"),
        option("--output DIR", "folder of the results", "grades"),
        option("--points FILE", "YAML: points by exercise; only these are graded"),
        option("--moodle FILE", "grading worksheet of Moodle, to be filled in"),
        option("--seed N", "of the arrays; the same seed gives the same grades", type=int),
        option("--seconds N", "CPU time limit of an exercise", 10.0),
        option("--memory MB", "memory limit of an exercise", 1024, type=at_least_one),
        option("--jobs N", "exercises at once; the number of cores by default", type=at_least_one),
        LANGUAGE,
    )

    def run(self, args: Args) -> int:
        """Grade, and write the results."""
        require("the overview of grades", "jinja2", extra="report")
        from firstlight.tools.course.grades import grade, read_points
        from firstlight.tools.course.grading_files import write_all
        from firstlight.tools.course.run import Limits
        from firstlight.tools.course.submissions import submissions

        with usage_errors(kinds=(OSError, ValueError)):
            points = read_points(args.points)
            found = submissions(Path(args.submissions))
        seed = random.randrange(2**31) if args.seed is None else args.seed
        limits = Limits(args.seconds, args.memory * 2**20, args.submissions)
        with speaking(args.language or "en"):
            with found as groups:
                book = grade(groups, points, seed, limits, jobs=args.jobs, tell=tell)
            with usage_errors(kinds=(OSError, ValueError)):
                written = write_all(book, Path(args.output), moodle=args.moodle)
        tell(*(f"written: {path}" for path in written), sep="\n")
        return 0


def _show_table(results: list[Result]) -> None:
    """Print all exercises, and how far the course is."""
    from firstlight.tools.course import exercise
    from firstlight.tools.course.words import STATES, say
    from firstlight.tools.diagnose.kind import in_language

    rows: list[tuple[object, ...]] = []
    for result in results:
        task = exercise(result.exercise)
        state = in_language(STATES[result.status])
        if result.status == "wrong":
            right = sum(one == "right" for one in result.parts.values())
            state += f", {right}/{len(result.parts)}"
        cause = result.causes[0].what if result.causes else ""
        rows.append((task.chapter, task.name, state, text.brief(cause, 60)))
    head = [say(word) for word in ("chapter", "exercise", "state", "cause")]
    tell(text.table([head, *rows], right=(0,), head=True))
    done = sum(result.status == "right" for result in results)
    filled = round(WIDTH * done / len(results))
    bar = "#" * filled + "-" * (WIDTH - filled)
    tell(f"[{bar}] {say('done', done=done, total=len(results))}")


def _show_details(project: Project, results: list[Result]) -> None:
    """Print what is wrong in each exercise, as far as hints were asked for."""
    from firstlight.tools.course.words import STATES, say
    from firstlight.tools.diagnose.kind import in_language

    for result in results:
        level = project.hints.get(result.exercise, 1)
        tell(f"{result.exercise}: {in_language(STATES[result.status])}")
        for blank, state in result.parts.items():
            tell(f"  {blank}: {in_language(STATES[state])}")
        for one in result.forbidden:
            tell(f"  {say('forbidden')}: {say(one.kind)} ({one.message})")
        for cause in result.causes:
            tell(f"  {cause.blank or say('file')}: {cause.what}")
            if level >= 2 and cause.line:
                tell(f"    {say('look')} {project.path_of(result.exercise)}:{cause.line}")
            if level >= 3 and cause.how:
                tell(f"    {cause.how}")
        if level < (3 if any(cause.how for cause in result.causes) else 2) and result.causes:
            tell(f"  {say('more hints', name=result.exercise)}")
