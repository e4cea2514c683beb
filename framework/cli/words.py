"""Split a command line into words that stand alone and ``--flag value`` pairs."""

from firstlight.cli.errors import UsageError

SWITCHES = ("help", "debug", "print_config", "json")  # they take no value
BARE = object()  # stands for the value of a flag that was given none


def split(argv):
    """Return ``(positionals, [(flag, value), ...])``.

    Flags lose their dashes, and ``-`` within them becomes ``_``, so that ``--runs-dir`` and
    ``--runs_dir`` are one. A flag followed by another one, or by nothing, has the value `BARE`.

    Examples
    --------
    >>> from firstlight.cli.words import split
    >>> split(["runs/a", "--model.hidden", "512,256", "--runs-dir=out"])
    (['runs/a'], [('model.hidden', '512,256'), ('runs_dir', 'out')])
    """
    positionals, pairs = [], []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "-h":
            word = "--help"
        if not word.startswith("--"):
            if word.startswith("-") and len(word) > 1:
                raise UsageError(f"unknown argument {word}; arguments begin with two dashes")
            positionals.append(word)
            continue
        flag, equals, value = word[2:].partition("=")
        flag = flag.replace("-", "_")
        if not equals:
            lonely = flag in SWITCHES or not words or words[0].startswith("--")
            value = BARE if lonely else words.pop(0)
        pairs.append((flag, value))
    return positionals, pairs
