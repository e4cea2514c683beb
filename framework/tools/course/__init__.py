"""The course kit: exercises with blanks, and the judgement of solutions.

An `Exercise` is cut from lessons of firstlight, so that exercise and solution cannot differ from
them. A solution runs in a process of its own, on random arrays; its outputs are compared with those
of the lesson, and with those of the lesson with each known mistake.
"""

from firstlight.tools.course.causes import Cause
from firstlight.tools.course.exercise import NAMES, Exercise, all_exercises, exercise
from firstlight.tools.course.judge import Result, judge

__all__ = ["NAMES", "Cause", "Exercise", "Result", "all_exercises", "exercise", "judge"]
