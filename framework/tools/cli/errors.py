"""Errors of the command line."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UsageError(Exception):
    """The command line is wrong; the command ends with exit code 2 and this message."""


class HelpShown(Exception):
    """The help was shown; the command ends with exit code 0."""


@contextmanager
def usage_errors(
    prefix: str = "", kinds: tuple[type[Exception], ...] = (ValueError,)
) -> Iterator[None]:
    """Turn errors of some kinds, raised within ``with``, into a `UsageError`."""
    try:
        yield
    except kinds as error:
        raise UsageError(f"{prefix}{error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean ...?"`` with the known name most like this one, or ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
