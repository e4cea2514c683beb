"""Exercise: a lesson with blanks, the trials that judge a solution, and its known mistakes."""

from __future__ import annotations

import functools
import importlib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
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


@dataclass(frozen=True, eq=False)  # hashed by identity
class Exercise:
    """A part of the course in which a student fills in bodies of functions.

    Its words are in a file ``NAME.toml`` beside its module.

    Attributes
    ----------
    name : str
        Of its file in a student's project.
    chapter : int
        Of the lab manual, from 1.
    lessons : dict of str to tuple of str
        Names to take from each module; functions and classes that they use come with them.
    blanks : tuple of str
        Functions and methods to fill in, such as ``"Linear.forward"``.
    trials : tuple of callable
        ``trial(code, draw)`` yields `Output`; code is the module of a solution.
    without : tuple of str
        Methods of the lesson that the exercise leaves out, besides the usual ones.
    hidden : tuple of str
        Functions that only the solution has, since they are the answer.
    title, task : (str, str)
        In English and German.
    mistakes : tuple of Mistake
    """

    name: str
    chapter: int
    lessons: dict[str, tuple[str, ...]]
    blanks: tuple[str, ...]
    trials: tuple[Trial, ...]
    without: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def title(self) -> Text:
        """Of its file, in English and German."""
        return self._text(self._words["title"])

    @property
    def task(self) -> Text:
        """What to fill in, in English and German."""
        return self._text(self._words["task"])

    @functools.cached_property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The known mistakes."""
        return tuple(map(self._mistake, self._words["mistakes"]))

    @functools.cached_property
    def _words(self):
        path = Path(__file__).parent / "exercises" / f"{self.name}.toml"
        return tomllib.loads(path.read_text(encoding="utf-8"))

    @staticmethod
    def _text(told):
        return told["en"], told["de"]

    def _mistake(self, told):
        numbers = ("", *map(str, range(2, 10)))
        edits = [(told[f"right{n}"], told[f"wrong{n}"]) for n in numbers if f"right{n}" in told]
        return Mistake(tuple(edits), self._text(told["what"]), self._text(told["how"]))


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
