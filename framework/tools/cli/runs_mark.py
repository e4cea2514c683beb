"""``firstlight runs tag`` and ``note``: what somebody says about a run."""

from firstlight.runs import run_files
from firstlight.tools.cli import runs
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

TAG = """\
Give a run tags, take others away, and show those it has then. They can be asked for:
  firstlight runs list --where "'baseline' in tags"."""
NOTE = """\
Note something about a run, or show what was noted; "" takes the note away."""


def run(command, words):
    """Mark; returns the exit code."""
    return tag(command, words) if command == "tag" else note(command, words)


def tag(command, words):
    """Change a run's tags, and print them."""
    parser = runs.parser(command, TAG, "RUN [TAG ...] [--remove TAG,...]")
    parser.add_argument("run", metavar="RUN", help="which run")
    parser.add_argument("tags", nargs="*", metavar="TAG", help="tags to give it")
    parser.add_argument("--remove", metavar="TAG,...", default="", help="tags to take away")
    own = parser.parse_args(words)
    found = runs.one(own.run, own)
    away = [word for word in own.remove.split(",") if word]
    missing = [word for word in away if word not in found.tags]
    if missing:
        has = f"it has {', '.join(found.tags)}" if found.tags else "it has none"
        raise UsageError(f"{found.label} has no tag {missing[0]}; {has}")
    try:
        now = run_files.tag(found.path, own.tags, away) if own.tags or away else found.tags
    except ValueError as error:
        raise UsageError(str(error)) from error
    tell(f"{found.label}: {' '.join(now) or 'no tags'}")
    return 0


def note(command, words):
    """Write a run's note, and print it."""
    parser = runs.parser(command, NOTE, "RUN [TEXT]")
    parser.add_argument("run", metavar="RUN", help="which run")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what there is to say")
    own = parser.parse_args(words)
    found = runs.one(own.run, own)
    now = found.note
    if own.text:
        now = " ".join(own.text)
        run_files.note(found.path, now)
    tell(f"{found.label}: {now or 'no note'}")
    return 0
