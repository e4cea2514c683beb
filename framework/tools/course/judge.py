"""Judges a solution: which blanks are right, and the causes of what is wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from firstlight.tools.course import run
from firstlight.tools.course.differences import AFTER_TWO, IN_PLACE, Difference, describe, equal
from firstlight.tools.course.exercise import Exercise, Mistake
from firstlight.tools.course.hints import hint
from firstlight.tools.course.imports import forbidden_imports
from firstlight.tools.course.outcome import Outcome, Problem
from firstlight.tools.course.words import say
from firstlight.tools.diagnose.kind import in_language

PRETENDED = re.compile(r"\b(passed|bestanden|all (tests|checks))\b|100 ?%", re.IGNORECASE)


@dataclass
class Cause:
    """Why a blank is not right, in three steps of detail.

    Attributes
    ----------
    blank : str
        Function or method, "" for the file.
    what : str
        What is wrong.
    line : int
        The line to look at, 0 if unknown.
    how : str
        How to mend it, "" if unknown.
    """

    blank: str
    what: str
    line: int = 0
    how: str = ""


@dataclass
class Result:
    """The judgement of a solution.

    Attributes
    ----------
    exercise : str
    parts : dict of str to str
        By blank: "right", "wrong", "empty" or "unknown", if an error came first.
    causes : list of Cause
    forbidden : list of Problem
        Steps that no solution may take; if there are any, no part counts.
    ended : str
        "" or why the process ended early.
    seconds : float
    """

    exercise: str
    parts: dict[str, str]
    causes: list[Cause] = field(default_factory=list)
    forbidden: list[Problem] = field(default_factory=list)
    ended: str = ""
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """The word for all parts: "forbidden", "right", "empty" or "wrong"."""
        states = set(self.parts.values())
        if self.forbidden:
            return "forbidden"
        if states == {"right"}:
            return "right"
        return "empty" if states <= {"empty", "unknown"} and not self.ended else "wrong"

    @property
    def share(self) -> float:
        """Fraction of the blanks that are right, 0 after a forbidden step."""
        right = sum(state == "right" for state in self.parts.values())
        return 0.0 if self.forbidden else right / len(self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON-able values."""
        return asdict(self) | {"status": self.status, "share": self.share}


def judge(
    source: str, path: str, task: Exercise, seed: int, limits: run.Limits | None = None
) -> Result:
    """Run a solution, compare it with the lesson, and name the causes of what differs.

    Parameters
    ----------
    source, path : str
        The solution, and the file that it is from.
    task : Exercise
    seed : int
        Of the arrays and sizes.
    limits : Limits, optional
    """
    limits = limits or run.Limits()
    if not source.strip():
        return Result(task.name, dict.fromkeys(task.blanks, "empty"), [Cause("", say("missing"))])
    outcome = run.run_solution(source, path, task, seed, limits)
    result = judge_outcome(outcome, source, task, seed, limits)
    _add_findings(result, source, path, task, seed, limits)
    lines = _lines_of_blanks(source)
    for cause in result.causes:
        cause.line = cause.line or lines.get(cause.blank, 0)
    return result


def judge_outcome(
    outcome: Outcome, source: str, task: Exercise, seed: int, limits: run.Limits | None = None
) -> Result:
    """Judge what a solution computed.

    Parameters
    ----------
    outcome : Outcome
    source : str
    task : Exercise
    seed : int
        With which it was computed.
    limits : Limits, optional
        Of its process.
    """
    limits = limits or run.Limits()
    result = Result(task.name, {}, seconds=outcome.seconds, ended=outcome.ended)
    result.forbidden = forbidden_imports(source, task) + outcome.forbidden + _tricks(outcome)
    judged = _Judged(task, outcome, run.expected(task, seed), lambda: run.of_mistakes(task, seed))
    for blank in task.blanks:
        result.parts[blank] = judged.state(blank)
        if result.parts[blank] == "wrong":
            result.causes.append(judged.cause(blank))
    file_errors = [one for one in outcome.problems if one.kind != "Forbidden" and not one.blank]
    result.causes = [_raised(one) for one in file_errors] + result.causes
    if outcome.ended:
        result.causes = [Cause("", _end(outcome.ended, limits))]
    return result


class _Judged:
    """What a solution computed beside what is right and what known mistakes compute."""

    def __init__(
        self,
        task: Exercise,
        got: Outcome,
        right: Outcome,
        mistakes: Callable[[], tuple[tuple[Mistake, Outcome], ...]],
    ):
        self.task, self.got, self.right, self.mistakes = task, got, right, mistakes
        self.explained: Outcome | None = None  # of the mistake found in an earlier blank
        self.explained_blank = ""

    def keys(self, blank):
        return [key for key in self.right.values if key.split("/")[1] == blank]

    def problem(self, outcome, blank):
        return next((one for one in outcome.problems if one.blank == blank), None)

    def state(self, blank):
        """Return "right", "wrong", "empty" or "unknown" of a blank."""
        problem = self.problem(self.got, blank)
        if problem is not None:
            return "empty" if problem.kind == "NotImplementedError" else "wrong"
        if self.wrong_keys(blank):
            return "wrong"
        return "right" if all(key in self.got.values for key in self.keys(blank)) else "unknown"

    def wrong_keys(self, blank):
        """Return the keys of a blank's outputs that are not right, of those that are there."""
        got, right = self.got.values, self.right.values
        return [key for key in self.keys(blank) if key in got and not equal(got[key], right[key])]

    def same(self, other, blank):
        """Return whether a solution's outputs of a blank are those of another outcome."""
        mine, its = self.problem(self.got, blank), self.problem(other, blank)
        if (mine and (mine.kind, mine.message)) != (its and (its.kind, its.message)):
            return False
        keys = self.keys(blank)
        here = [key for key in keys if key in self.got.values]
        if here != [key for key in keys if key in other.values]:
            return False
        return all(equal(self.got.values[key], other.values[key]) for key in here)

    def explains(self, outcome, blank):
        """Return whether a mistake's outcome explains a wrong blank, and contradicts no other."""
        wrong = [one for one in self.task.blanks if not self.is_right(outcome, one)]
        return (
            blank in wrong
            and self.same(outcome, blank)
            and not any(self.state(one) == "right" for one in wrong)
        )

    def partly_explained_by(self, blank):
        """Return the mistake whose wrong outputs are all among those of a wrong blank, or None.

        There may be further mistakes. Of several such mistakes, it is the one of most outputs.
        """
        found = [(len(self.shared(outcome, blank)), known) for known, outcome in self.mistakes()]
        most, known = max(found, key=lambda one: one[0], default=(0, None))
        return known if most else None

    def shared(self, outcome, blank):
        """Return the keys of a mistake's wrong outputs, if all are also the solution's."""
        got, theirs, right = self.got.values, outcome.values, self.right.values
        ended = self.problem(self.got, blank) is not None  # before the last output
        here = [key for key in self.keys(blank) if key in theirs and (key in got or not ended)]
        wrong = [key for key in here if not equal(theirs[key], right[key])]
        same = all(key in got and equal(got[key], theirs[key]) for key in wrong)
        raised = self.problem(outcome, blank) is not None
        telling = same and not raised and any(_is_telling(theirs[key]) for key in wrong)
        return wrong if telling else []

    def is_right(self, outcome, blank):
        """Return whether another outcome has the right outputs of a blank."""
        keys = self.keys(blank)
        return self.problem(outcome, blank) is None and _same_as(outcome, self.right, keys)

    def cause(self, blank):
        """Return the cause of a wrong blank: a known mistake, or what its first output shows."""
        if self.explained is not None and self.same(self.explained, blank):
            return Cause(blank, say("follows", blank=self.explained_blank))
        for known, outcome in self.mistakes():
            if self.explains(outcome, blank):
                if self.explained is None:
                    self.explained, self.explained_blank = outcome, blank
                return Cause(blank, in_language(known.what), how=in_language(known.how))
        known = self.partly_explained_by(blank)
        if known is not None:
            return Cause(blank, in_language(known.what), how=in_language(known.how))
        problem = self.problem(self.got, blank)
        if problem is not None:
            return _raised(problem)
        key = self.wrong_keys(blank)[0]
        run_number, _, name = key.split("/", 2)
        if name.endswith(IN_PLACE):
            return Cause(blank, say("in place", name=name.removesuffix(IN_PLACE)))
        single = f"{run_number}/{blank}/{name.removesuffix(AFTER_TWO)}"
        if name.endswith(AFTER_TWO) and equal(self.got.values[single], self.right.values[single]):
            label = name.removesuffix(AFTER_TWO)
            return Cause(blank, say("overwritten", name=label), how=say("add", name=label))
        same_name = [one for one in self.keys(blank) if one.split("/", 2)[2] == name]
        runs = [key] + [one for one in same_name if one != key and one in self.got.values]
        return Cause(blank, f"{name}: {describe([self.difference(one) for one in runs])}")

    def difference(self, key):
        """Return what an output is and should be, and the sizes."""
        sizes = self.right.sizes.get(key, {})
        return Difference(self.got.values[key], self.right.values[key], sizes)


def _is_telling(value):
    """True for numbers that two solutions hardly share by chance."""
    return value.dtype.kind == "f" and bool((np.isfinite(value) & (value != 0)).any())


def _same_as(one, other, keys):
    return all(
        key in one.values and key in other.values and equal(one.values[key], other.values[key])
        for key in keys
    )


def _raised(problem):
    told = f"{problem.kind}: {problem.message}" if problem.message else problem.kind
    if problem.kind == "SystemExit":
        told = say("exits")
    if problem.kind in ("ValueError", "IndexError") and problem.sizes:  # of shapes, most often
        told += say("sizes", sizes=", ".join(f"{n} = {size}" for n, size in problem.sizes.items()))
    return Cause(problem.blank, told, problem.line, hint(problem.message))


def _tricks(outcome):
    """Return attempts to end the process, or to print a result in place of having one."""
    found = [
        Problem("", "exit", one.kind, one.line)
        for one in outcome.problems
        if one.kind in ("SystemExit", "KeyboardInterrupt")
    ]
    if outcome.ended.startswith("exit"):
        found.append(Problem("", "exit", outcome.ended))
    pretended = PRETENDED.search(outcome.printed)
    if pretended and (outcome.problems or outcome.ended or not outcome.values):
        found.append(Problem("", "print", pretended[0]))
    return found


def _end(ended, limits):
    if ended == "time":
        return say("time", seconds=f"{limits.seconds:g}")
    return say("no result", how=ended)


def _add_findings(result, source, path, task, seed, limits):
    """Let `firstlight check` look for the line and the cure of a wrong backward."""
    unexplained = [one for one in result.causes if one.blank.endswith(".backward") and not one.how]
    forwards = {s for name, s in result.parts.items() if name.endswith(".forward")}
    if not unexplained or result.forbidden or forwards != {"right"}:
        return
    found = run.run_solution(source, path, task, seed, limits, find=True).findings
    for cause in unexplained:
        if cause.blank in found:
            message, line, cure = found[cause.blank]
            cause.what = message
            cause.line = int(line) or cause.line
            cause.how = say("line", line=cure) if cure else ""


def _lines_of_blanks(source):
    """Return the line of each function and method of a source."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node.lineno
        for one in getattr(node, "body", []):
            if isinstance(node, ast.ClassDef) and isinstance(one, ast.FunctionDef):
                found[f"{node.name}.{one.name}"] = one.lineno
    return found
