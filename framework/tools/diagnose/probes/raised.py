"""Exceptions: of the user's code, and of a check itself, as evidence."""

from dataclasses import dataclass
from typing import Any

from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.places import own_line


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
