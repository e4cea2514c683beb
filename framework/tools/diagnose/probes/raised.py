"""Exceptions, and what else could not be judged of a script, as evidence."""

from dataclasses import dataclass
from typing import Any

from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.places import own_line
from firstlight.tools.diagnose.probes.script.events import Trace, Update


@dataclass
class Raised(Evidence):
    """An exception that a training step or a script raises.

    Attributes
    ----------
    error : Exception
    group, subject, detail, where, type : str
        See `Evidence`.
    samples : int
        In the batch, 0 if unknown.
    """

    error: BaseException
    group: str = "step"
    subject: str = "training_step"
    detail: str = ""
    where: str = "training_step"
    type: str = ""
    samples: int = 0

    @property
    def at(self) -> Place | None:
        """The innermost line of the user's source."""
        if isinstance(self.error, SyntaxError) and self.error.filename:
            line = (self.error.text or "").strip()
            return Place(self.error.filename, self.error.lineno or 0, line)
        return own_line(self.error)

    @property
    def said(self) -> str:
        """The exception's class and message, in one line."""
        return one_line(self.error)


class Failure(Raised):
    """An exception inside a check, which nothing expected."""


def one_line(error: Any) -> str:
    """Return the class and message of an exception in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an own class of exception whose __str__ raises
        text = ""
    name = type(error).__name__
    return f"{name}: {text[:300]}" if text else name


@dataclass
class Unclear(Evidence):
    """A part of a training that could not be judged; the detail says why.

    Attributes
    ----------
    subject, detail : str
        Of the line of the table.
    """

    subject: str
    detail: str
    group = "training"
    where = "training loop"
    verdict = "unjudged"


@dataclass
class Untrained(Evidence):
    """A script in which no training was found.

    Attributes
    ----------
    trace : Trace
    """

    trace: Trace
    group = "script"
    subject = "its training"
    where = "script"

    @property
    def repeated(self) -> Update | None:
        """A change of numbers that a loop repeats."""
        changes = self.trace.of(Update)
        return next((one for one in changes if one.loops and one.loops[0].number), None)

    @property
    def plain_classes(self) -> list[str]:
        """The script's classes that have a backward, and are no modules."""
        return [
            name
            for name, value in self.trace.names.items()
            if isinstance(value, type) and hasattr(value, "backward")
            if not issubclass(value, Module)
        ]
