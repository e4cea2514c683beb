"""What the command line says when it is used wrongly."""

import argparse
import difflib

from firstlight.support.printable import shown

__all__ = ["HelpShown", "Parser", "UsageError", "nearest", "shown"]


class UsageError(Exception):
    """The command cannot be understood; ends it with exit code 2 and this message."""


class HelpShown(Exception):
    """The help was asked for and shown; ends the command with exit code 0."""


class Parser(argparse.ArgumentParser):
    """argparse's parser of one sub-command; its errors are `UsageError`."""

    def __init__(self, command, description, **options):
        super().__init__(
            prog=f"firstlight {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )

    def exit(self, status=0, message=None):
        """Raise instead of ending the process; argparse calls this after a help."""
        raise HelpShown

    def error(self, message):
        """Raise instead of ending the process."""
        raise UsageError(message)


def nearest(name, known):
    """Return ``"; did you mean ...?"`` with the known name most like this one, or ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""
