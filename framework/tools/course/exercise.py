"""Exercise: a lesson with blanks, the trials that judge a solution, and its known mistakes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from firstlight.tools.course.draw import Draw

Text = tuple[str, str]  # English, German


class Output(NamedTuple):
    """One value that a trial took from a solution.

    Attributes
    ----------
    blank : str
        The blank that computes it, such as ``"Linear.backward"``.
    name : str
        What a message calls it, such as ``"dx"``.
    value : array, number or bool
    """

    blank: str
    name: str
    value: Any


Trial = Callable[[Any, Draw], Iterator[Output]]


@dataclass(frozen=True)
class Mistake:
    """A known mistake: the lesson with other text, which computes something else.

    A solution whose outputs equal those of the changed lesson has made this mistake.

    Attributes
    ----------
    edits : tuple of (str, str)
        Text of the solution, which occurs there once, and the wrong text in its place.
    what, how : (str, str)
        The mistake, and how to mend it, each in English and German.
    """

    edits: tuple[tuple[str, str], ...]
    what: Text
    how: Text


def mistake(right: str, wrong: str, what: Text, how: Text) -> Mistake:
    """Return a `Mistake` of one edit."""
    return Mistake(((right, wrong),), what, how)


@dataclass(frozen=True, eq=False)  # hashed by identity
class Exercise:
    """A part of the course in which a student fills in bodies of functions.

    Attributes
    ----------
    name : str
        Of its file in a student's project.
    chapter : int
        Of the lab manual, from 1.
    title, task : (str, str)
        In English and German.
    lessons : dict of str to tuple of str
        Names to take from each module; functions and classes that they use come with them.
    blanks : tuple of str
        Functions and methods to fill in, such as ``"Linear.forward"``.
    trials : tuple of callable
        ``trial(code, draw)`` yields `Output`; code is the module of a solution.
    mistakes : tuple of Mistake
    without : tuple of str
        Methods of the lesson that the exercise leaves out, besides the usual ones.
    hidden : tuple of str
        Functions that only the solution has, since they are the answer.
    """

    name: str
    chapter: int
    title: Text
    task: Text
    lessons: dict[str, tuple[str, ...]]
    blanks: tuple[str, ...]
    trials: tuple[Trial, ...]
    mistakes: tuple[Mistake, ...] = ()
    without: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


NAMES = (  # in the order of the course
    "least_squares",
    "plain_python",
    "linear",
    "activations",
    "cross_entropy",
    "sgd",
    "adam",
    "training_loop",
    "dropout",
    "array_module",
    "convolution",
    "max_pooling",
    "batchnorm",
    "saliency",
    "embedding",
    "layernorm",
    "attention",
    "lstm",
    "schedule",
    "early_stopping",
)


@functools.cache
def exercise(name: str) -> Exercise:
    """Return the exercise of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in NAMES:
        raise ValueError(f"unknown exercise {name!r}; there are {', '.join(NAMES)}")
    return importlib.import_module(f"firstlight.tools.course.exercises.{name}").EXERCISE


def all_exercises() -> list[Exercise]:
    """Return the exercises in the order of the course."""
    return [exercise(name) for name in NAMES]
