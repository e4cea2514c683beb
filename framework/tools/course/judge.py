"""Judges a solution: which blanks are right, and the causes of what is wrong."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firstlight.tools.course import run
from firstlight.tools.course.causes import Cause, Comparison, raised
from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.imports import forbidden_imports
from firstlight.tools.course.lines import line_of
from firstlight.tools.course.outcome import Outcome, Problem
from firstlight.tools.course.words import say

PRETENDED = re.compile(r"\b(passed|bestanden|all (tests|checks))\b|100 ?%", re.IGNORECASE)


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
        return "empty" if "empty" in states <= {"empty", "unknown"} else "wrong"

    @property
    def share(self) -> float:
        """Fraction of the blanks that are right, 0 after a forbidden step."""
        right = sum(state == "right" for state in self.parts.values())
        return 0.0 if self.forbidden else right / len(self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON-able values."""
        return asdict(self) | {"status": self.status, "share": self.share}


def judge(
    source: str, path: str | Path, task: Exercise, seed: int, limits: run.Limits | None = None
) -> Result:
    """Run a solution, compare it with the lesson, and name the causes of what differs.

    Parameters
    ----------
    source : str
        The solution.
    path : str or Path
        The file that it is from.
    task : Exercise
    seed : int
        Of the arrays and sizes.
    limits : Limits, optional
    """
    limits, path = limits or run.Limits(), os.fspath(path)
    if not source.strip():
        return Result(task.name, dict.fromkeys(task.blanks, "empty"), [Cause("", say("missing"))])
    outcome = run.run_solution(source, path, task, seed, limits)
    result = judge_outcome(outcome, source, task, seed, limits)
    _add_findings(result, source, path, task, seed, limits)
    for cause in result.causes:
        cause.line = cause.line or line_of(source, cause.blank, cause.target)
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
    steps = forbidden_imports(source, task) + outcome.forbidden + _tricks(outcome)
    result.forbidden = list({(one.kind, one.message): one for one in reversed(steps)}.values())
    judged = Comparison(task, outcome, run.expected(task, seed), seed)
    for blank in task.blanks:
        result.parts[blank] = judged.state(blank)
        if result.parts[blank] == "wrong":
            result.causes.append(judged.cause(blank))
    _put_in_place(result.causes, judged.places)
    file_errors = [one for one in outcome.problems if one.kind != "Forbidden" and not one.blank]
    result.causes = [raised(one) for one in file_errors] + result.causes
    if outcome.ended:
        result.causes = [Cause("", _end(outcome.ended, limits))]
    return result


def _put_in_place(causes, places):
    """Move a mistake to the wrong blank that has it, if nothing else is known about this one."""
    unexplained = {one.blank: one for one in causes if one.blank not in places and not one.line}
    for cause in causes:
        origin = unexplained.get(places.get(cause.blank, ""))
        if origin is not None:
            origin.what, origin.how, origin.target = cause.what, cause.how, cause.target
    moved = {one.what: one.blank for one in unexplained.values() if one.target}
    for cause in causes:
        if cause.blank in places and cause.what in moved:
            cause.what, cause.how, cause.target = say("follows", blank=moved[cause.what]), "", ""


def _is_unexplained_backward(cause, parts):
    """Return whether a cause tells only how an output of a backward differs."""
    told = {say("follows", blank=blank) for blank in parts}
    no_cure = {"", *(say("first", blank=blank) for blank in parts)}
    told_only = not cause.line and not cause.target and cause.what not in told
    return cause.blank.endswith(".backward") and told_only and cause.how in no_cure


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
    """Let `firstlight check` look for the line and the cure of a wrong backward.

    It compares with numerical gradients of the solution's own forward, so a backward without a
    finding is wrong only as a consequence of its forward.
    """
    unexplained = [one for one in result.causes if _is_unexplained_backward(one, result.parts)]
    if not unexplained or result.forbidden:
        return
    checked = run.run_solution(source, path, task, seed, limits, find=True)
    found, checks = checked.findings, not checked.problems and not checked.ended
    for cause in unexplained:
        forward = cause.blank.removesuffix("backward") + "forward"
        if result.parts.get(forward) == "wrong":  # a finding would mend it to fit the mistake
            if checks and cause.blank not in found:
                cause.what, cause.how = say("follows", blank=forward), ""
        elif cause.blank in found:
            message, line, cure = found[cause.blank]
            cause.what = message
            cause.line = int(line) or cause.line
            cause.how = say("line", line=cure) if cure else ""
