"""``firstlight models``: which models there are."""

from firstlight.cli import listing
from firstlight.cli.errors import UsageError
from firstlight.cli.words import split

HELP = """\
usage: firstlight models

List the models. The arguments of one: firstlight fit --model NAME --help
"""


def run(argv):
    """List; returns the exit code."""
    positionals, pairs = split(argv)
    if any(flag == "help" for flag, _ in pairs):
        print(HELP, end="")
        return 0
    if argv:
        raise UsageError(f"unexpected {(positionals or argv)[0]}")
    print(listing.listed("model"))
    return 0
