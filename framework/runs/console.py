"""Copy what a process prints while it trains.

The copy is made in the ``write`` of the stream objects that ``sys.stdout`` and ``sys.stderr`` are
when the training starts. The objects stay where they are, and so do their file descriptors: a
notebook, rich, ``logging`` handlers and redirections keep working, and what they write is copied,
too. What C libraries and other processes write is not.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def copied_to(new_copy: Callable[[], Callable[[str], None]]) -> Iterator[None]:
    r"""Copy all text that is written to standard output and error.

    Contexts may be nested, and may end in any order; each gets the text.

    Parameters
    ----------
    new_copy : callable
        Called for each of the two; returns a function that takes the text and must not raise.

    Examples
    --------
    >>> from firstlight.runs.console import copied_to
    >>> texts = []
    >>> with copied_to(lambda: texts.append):
    ...     print("loss", 0.5)
    loss 0.5
    >>> "".join(texts)
    'loss 0.5\n'
    """
    copies = [(tap, new_copy()) for stream in _streams() if (tap := _tapped(stream)) is not None]
    for tap, copy in copies:
        tap.copies.append(copy)
    try:
        yield
    finally:
        for tap, copy in copies:
            tap.copies.remove(copy)
            tap.remove_if_unused()


class _Tap:
    """The ``write`` of a stream, and calls that get a copy of the text."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.copies: list[Callable[[str], None]] = []
        self._before = vars(stream).get("write")  # set on the object by other code
        self._write = stream.write
        stream.write = self

    def __call__(self, text: str) -> Any:
        if isinstance(text, str):
            self._copy(text)
        try:
            return self._write(text)
        except UnicodeError:
            self._copy("\r")  # the caller may print the line again, in other characters
            raise
        except (OSError, ValueError):  # closed or full; no end of the line follows
            self._copy("\n")
            raise

    def _copy(self, text):
        for copy in tuple(self.copies):
            copy(text)

    def remove_if_unused(self) -> None:
        """Restore the stream, unless another replacement of its ``write`` calls this one."""
        if self.copies or vars(self.stream).get("write") is not self:
            return
        if self._before is None:
            del self.stream.write
        else:
            self.stream.write = self._before


def _streams():
    """Return standard output and error, once if they are the same object."""
    found = {id(one): one for one in (sys.stdout, sys.stderr) if one is not None}
    return list(found.values())


def _tapped(stream):
    """Return the `_Tap` of a stream; None if its ``write`` cannot be replaced."""
    try:
        present = vars(stream).get("write")
        return present if isinstance(present, _Tap) else _Tap(stream)
    except (AttributeError, TypeError):  # an object without attributes of its own
        return None
