"""Grades: the results of all groups and exercises, with their points."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

from firstlight.tools.course import run
from firstlight.tools.course.causes import Cause
from firstlight.tools.course.exercise import NAMES, exercise
from firstlight.tools.course.judge import Result, judge
from firstlight.tools.course.outcome import Problem
from firstlight.tools.course.similarity import Pair, similar_pairs
from firstlight.tools.course.submissions import Submission
from firstlight.tools.course.words import say
from firstlight.tools.language import current_language, speaking

DEFAULT_POINTS = 5.0  # of an exercise


@dataclass
class Grades:
    """The grades of one group.

    Attributes
    ----------
    submission : Submission
    results : dict of str to Result
        By exercise.
    points : dict of str to float
        By exercise.
    """

    submission: Submission
    results: dict[str, Result]
    points: dict[str, float]

    @property
    def total(self) -> float:
        """Sum of the points."""
        return round(sum(self.points.values()), 2)

    @property
    def seconds(self) -> float:
        """Time that the group's solutions took."""
        return sum(result.seconds for result in self.results.values())


@dataclass
class GradeBook:
    """The grades of all groups.

    Attributes
    ----------
    groups : list of Grades
    most : dict of str to float
        Points of each exercise.
    seed : int
    similar : list of Pair
        Groups whose solutions resemble each other.
    seconds : float
    """

    groups: list[Grades]
    most: dict[str, float]
    seed: int
    similar: list[Pair] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def full(self) -> float:
        """Points of a submission without mistakes."""
        return sum(self.most.values())

    def frequent_causes(self, count: int = 10) -> list[tuple[str, str, int]]:
        """Return ``(exercise, cause, groups)`` of the most frequent causes."""
        found = Counter(
            (result.exercise, cause.what)
            for group in self.groups
            for result in group.results.values()
            for cause in result.causes[:1]
        )
        return [(*key, number) for key, number in found.most_common(count)]


def read_points(path: str | None) -> dict[str, float]:
    """Return the points by exercise of a YAML file; 5 for each exercise without a file.

    Raises
    ------
    ValueError
        An exercise that does not exist, or points that are no number of 0 or more.
    """
    if path is None:
        return dict.fromkeys(NAMES, DEFAULT_POINTS)
    import yaml

    told = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(told, Mapping) or not told:
        raise ValueError(f"{path}: expected lines such as  linear: 5, got {told!r}")
    for name, points in told.items():
        exercise(name)
        if not isinstance(points, int | float) or isinstance(points, bool) or not points >= 0:
            raise ValueError(f"{path}: expected points of 0 or more for {name}, got {points!r}")
    return {name: float(told[name]) for name in NAMES if name in told}


def grade(
    groups: Sequence[Submission],
    most: dict[str, float],
    seed: int,
    limits: run.Limits,
    *,
    jobs: int | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> GradeBook:
    """Judge all exercises of all groups, several at once.

    Parameters
    ----------
    groups : list of Submission
    most : dict of str to float
        Points by exercise.
    seed : int
        Of the arrays; the same seed gives the same grades.
    limits : Limits
        Of one exercise.
    jobs : int, optional
        Exercises at once; the number of cores by default.
    tell : callable
        Called with a line about each group that is done.
    """
    began = time.perf_counter()
    for name in most:  # once, not in each thread
        run.expected(exercise(name), seed)
        run.of_mistakes(exercise(name), seed)
    book = GradeBook([], most, seed)
    pool = ThreadPoolExecutor(jobs or os.cpu_count())
    try:
        context = [(group, name, copy_context()) for group in groups for name in most]
        tasks = [pool.submit(c.run, _judged, g, n, seed, limits) for g, n, c in context]
        for number, group in enumerate(groups):
            mine = tasks[number * len(most) : (number + 1) * len(most)]
            results = {name: one.result() for name, one in zip(most, mine, strict=True)}
            points = {name: round(most[name] * results[name].share, 2) for name in most}
            book.groups.append(Grades(group, results, points))
            tell(f"{group.name}: {book.groups[-1].total:g} / {book.full:g} {group.error}".rstrip())
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, only what runs is waited for
    book.similar = similar_pairs(groups, list(most))
    book.seconds = time.perf_counter() - began
    return book


def _judged(group, name, seed, limits):
    """Return the result of one exercise of a group."""
    task = exercise(name)
    if name not in group.sources:
        cause = Cause("", group.error or say("missing"))
        return Result(name, dict.fromkeys(task.blanks, "empty"), [cause])
    source, path = group.sources[name]
    with speaking(group.project.language if group.project else current_language()):
        result = judge(source, path, task, seed, limits)
    if group.tests_changed:
        result.forbidden.append(Problem("", "tests", "tests/test_exercises.py"))
    return result
