"""What the command line says when it is used wrongly."""

import difflib


class UsageError(Exception):
    """The command cannot be understood; ends it with exit code 2 and this message."""


def nearest(name, known):
    """Return ``"; did you mean ...?"`` with the known name most like this one, or ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
