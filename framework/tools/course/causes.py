"""Causes: what a solution computed beside what is right, and beside what mistakes compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firstlight.tools.course import run
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.differences import AFTER_TWO, IN_PLACE, Difference, describe, equal
from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.hints import hint
from firstlight.tools.course.lines import blank_at, target_at
from firstlight.tools.course.mutations import Mutation, mutations
from firstlight.tools.course.outcome import Outcome, Problem
from firstlight.tools.course.words import say
from firstlight.tools.diagnose.kind import in_language


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
    target : str
        What is computed wrongly, as the lesson calls it, "" if unknown.
    """

    blank: str
    what: str
    line: int = 0
    how: str = ""
    target: str = ""


class Comparison:
    """What a solution computed beside what is right and what known mistakes compute."""

    def __init__(
        self,
        task: Exercise,
        got: Outcome,
        right: Outcome,
        seed: int,
    ):
        self.task, self.got, self.right, self.seed = task, got, right, seed
        self.explained: Outcome | None = None  # of the mistake found in an earlier blank
        self.explained_blank = ""
        self.places: dict[str, str] = {}  # by blank with a known mistake: the blank that has it

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
        if not _same_problem(self.problem(self.got, blank), self.problem(other, blank)):
            return False
        keys = self.keys(blank)
        here = [key for key in keys if key in self.got.values]
        if here != [key for key in keys if key in other.values]:
            return False
        return all(equal(self.got.values[key], other.values[key]) for key in here)

    def explains(self, outcome, blank):
        """Return whether a mistake's outcome explains a wrong blank, and contradicts no other."""
        return (
            not self.is_right(outcome, blank)
            and self.same(outcome, blank)
            and not self.contradicts(outcome, blank)
        )

    def contradicts(self, outcome, blank):
        """Return whether a mistake makes an earlier blank wrong that is right in the solution."""
        earlier = self.task.blanks[: self.task.blanks.index(blank)]
        rights = [one for one in earlier if self.state(one) == "right"]
        return not all(self.is_right(outcome, one) for one in rights)

    def mutation(self, blank):
        """Return the mutation of the lesson that explains a wrong blank, and its outcome."""
        for one in mutations(self.task, blank):
            first = run.of_mutation(self.task, one, self.seed, runs=1)
            if self.fits(first, blank):
                outcome = run.of_mutation(self.task, one, self.seed)
                if self.explains(outcome, blank):
                    return one, outcome
        return None

    def fits(self, outcome, blank):
        """Return whether outputs of a blank in the first run are the same, and not all right."""
        got, theirs, right = self.got.values, outcome.values, self.right.values
        keys = [key for key in self.keys(blank) if key.startswith("0/")]
        same = all((key in got) == (key in theirs) for key in keys)
        there = [key for key in keys if key in got]
        return (
            same
            and all(equal(got[key], theirs[key]) for key in there)
            and bool(there)
            and (len(there) < len(keys) or any(not equal(got[key], right[key]) for key in there))
        )

    def known_mistake(self, blank):
        """Return a known mistake that explains a wrong blank, and its outcome; or None."""
        for known, outcome in run.of_mistakes(self.task, self.seed):
            if self.explains(outcome, blank):
                return known, outcome
        return None

    def partial_mistake(self, blank):
        """Return a mistake that has some wrong outputs in common with a wrong blank, or None.

        There may be further mistakes, so its other wrong outputs need only be wrong in the blank.
        Of several such mistakes, it is the one of most outputs; if there is none, such a mutation.
        """
        changed = (
            (one, run.of_mutation(self.task, one, self.seed, runs=1))
            for one in mutations(self.task, blank)
        )
        for candidates in (run.of_mistakes(self.task, self.seed), changed):
            found = [(len(self.shared(other, blank)), (one, other)) for one, other in candidates]
            most, mistake = max(found, key=lambda one: one[0], default=(0, None))
            if most:
                return mistake
        return None

    def shared(self, outcome, blank):
        """Return the wrong outputs that a mistake shares; none if one of its others is right."""
        got, theirs, right = self.got.values, outcome.values, self.right.values
        ended = self.problem(self.got, blank) is not None  # before the last output
        here = [key for key in self.keys(blank) if key in theirs and (key in got or not ended)]
        here = [key for key in here if not _overflows(right[key], theirs[key], got.get(key))]
        wrong = [key for key in here if not equal(theirs[key], right[key])]
        problem = self.problem(outcome, blank)
        if problem is not None and not _same_problem(problem, self.problem(self.got, blank)):
            return []
        if any(key not in got or equal(got[key], right[key]) for key in wrong):
            return []
        common = [key for key in wrong if equal(got[key], theirs[key])]
        telling = any(_is_telling(theirs[key]) for key in common)
        return common if telling and not self.contradicts(outcome, blank) else []

    def is_right(self, outcome, blank):
        """Return whether another outcome has the right outputs of a blank."""
        keys = self.keys(blank)
        return self.problem(outcome, blank) is None and _same_as(outcome, self.right, keys)

    def cause(self, blank):
        """Return the cause of a wrong blank: a known mistake, or what its first output shows."""
        before = self.explained
        if before is not None and (self.same(before, blank) or self.shared(before, blank)):
            return Cause(blank, say("follows", blank=self.explained_blank))
        found = self.known_mistake(blank) or self.mutation(blank) or self.partial_mistake(blank)
        if found is not None:
            known, outcome = found
            if self.explained is None:
                self.explained, self.explained_blank = outcome, blank
            return self.told(blank, known)
        problem = self.problem(self.got, blank)
        if problem is not None and not self.differs_before_an_error(blank):
            return raised(problem, self.case(problem))
        return self.described(blank)

    def case(self, problem):
        """Return the output at which an exception came, if the blank has others without one."""
        starts, keys = self.right.starts, list(self.right.values)
        first = starts.get(problem.trial, len(keys))
        end = min((start for start in starts.values() if start > first), default=len(keys))
        missing = [key for key in keys[first:end] if key not in self.got.values]
        _, blank, name = missing[0].split("/", 2) if missing else ("", "", "")
        there = any(key in self.got.values for key in self.keys(problem.blank))
        return name if there and blank == problem.blank else ""

    def differs_before_an_error(self, blank):
        """Return whether an output is wrong before one is missing; an error may follow from it."""
        got, right = self.got.values, self.right.values
        for key in self.keys(blank):
            if key not in got or not equal(got[key], right[key]):
                return key in got
        return False

    def described(self, blank):
        """Return the cause that the first wrong output of a blank shows."""
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
        what = f"{name}: {describe([self.difference(one) for one in runs])}"
        earlier = self.task.blanks[: self.task.blanks.index(blank)]
        used = [one for one in earlier if _uses(blank, one) and self.state(one) == "wrong"]
        return Cause(blank, what, how=say("first", blank=used[0]) if used else "")

    def told(self, blank, known):
        """Return a mistake or mutation as the cause of a blank."""
        if isinstance(known, Mutation):
            target = known.target
            self.places[blank] = blank
        else:
            text = solution_text(self.task)
            line = text[: text.index(known.edits[0][0])].count("\n") + 1
            target = target_at(text, line)
            self.places[blank] = blank_at(text, line, self.task.blanks)
        return Cause(blank, in_language(known.what), 0, in_language(known.how), target)

    def difference(self, key):
        """Return what an output is and should be, and the sizes."""
        sizes = self.right.sizes.get(key, {})
        return Difference(self.got.values[key], self.right.values[key], sizes)


def _uses(blank, earlier):
    """Return whether a method may use an earlier blank: one of its class, or a function."""
    owner = blank.rpartition(".")[0]
    return owner != "" and earlier.rpartition(".")[0] in ("", owner)


def _is_telling(value):
    """True for numbers that two solutions hardly share by chance."""
    return value.dtype.kind == "f" and bool((np.isfinite(value) & (value != 0)).any())


def _same_problem(one, other):
    """Return whether two exceptions, or None for none, are the same."""
    return (one and (one.kind, one.message)) == (other and (other.kind, other.message))


def _overflows(right, *others):
    """True if one of several values is not finite where the right one is."""
    numbers = [one for one in others if one is not None and one.dtype.kind == "f"]
    finite = right.dtype.kind == "f" and bool(np.isfinite(right).all())
    return finite and not all(np.isfinite(one).all() for one in numbers)


def _same_as(one, other, keys):
    return all(
        key in one.values and key in other.values and equal(one.values[key], other.values[key])
        for key in keys
    )


def raised(problem: Problem, output: str = "") -> Cause:
    """Return an exception as a `Cause`; ``output`` is what it prevented, where that tells more."""
    told = f"{problem.kind}: {problem.message}" if problem.message else problem.kind
    if problem.kind == "SystemExit":
        told = say("exits")
    details = [say("computing", output=output)] if output else []
    if problem.kind in ("ValueError", "IndexError") and problem.sizes:  # of shapes, most often
        sizes = ", ".join(f"{n} = {size}" for n, size in problem.sizes.items())
        details.append(say("sizes", sizes=sizes))
    told += f" ({'; '.join(details)})" if details else ""
    return Cause(problem.blank, told, problem.line, hint(problem.message))
