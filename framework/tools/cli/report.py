"""``firstlight report`` and ``firstlight poster``: runs on a page, and on the wall."""

from pathlib import Path

from firstlight.data.splits import SPLITS
from firstlight.runs import RunFolder, list_runs
from firstlight.support.files import from_here
from firstlight.tools.cli import past_run, runs, trust
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.text import tell

REPORT = """\
Write one HTML file about a run: question, data, model, curves, results over seeds, confusion
matrix, worst mistakes, filters, time, environment, and the command that makes it again. Of several
runs it compares them first. It needs no other file, and prints well."""
POSTER = """\
Make a poster of a run, one page of PDF with figures that stay sharp at any size: an A0 page by
default. The best of several runs is shown."""
TEXTS = """\
The Markdown file has "# Title" and sections, "## Question", "## Data", "## Model", "## Method",
"## Results", "## Conclusion" (or German: "## Fragestellung", ...), or with headings of your own."""
NO_CHECKPOINT = "the run has no checkpoint; it ended before the first, or kept none."
BY_SCRIPT = "the run was made by a script, and only the script can build its model."
ADVICE = (
    "To have them, let the script end with content = firstlight.report.of_trainer(trainer, data) "
    "and firstlight.report.write_report(path, content) or write_poster(path, content)."
)


def run(command, words):
    """Write a report or a poster; returns the exit code."""
    parser = Parser(
        command,
        REPORT if command == "report" else POSTER,
        usage=f"firstlight {command} [RUN ...] [arguments]",
        epilog=TEXTS,
    )
    add = parser.add_argument
    add("runs", nargs="*", help="folders of runs, or name, or name/id (default: the latest)")
    add("--text", metavar="FILE.md", help="words of your own, in Markdown")
    runs.add_where(parser)
    add("-o", "--output", metavar="FILE", help=f"(default: {command} in the run's folder)")
    add("--split", choices=SPLITS, default="test", help="whose mistakes (default: test)")
    add(
        "--language",
        choices=("en", "de"),
        default="en",
        help="of headings and figures (default: en)",
    )
    add("--runs_dir", metavar="DIR", default="runs", help="folder that keeps all runs")
    add("--trust", action="store_true", help=trust.HELP)
    if command == "poster":
        add("--size", choices=("a0", "a1"), default="a0", help="(default: a0)")
    own = parser.parse_intermixed_args(words)
    from firstlight.tools import report  # which says so if it lacks a package

    given = own.runs or own.where is not None or own.sort is not None
    chosen = runs.chosen(own) if given else [runs.one(None, own)]
    try:
        texts = report.read_sections(own.text)
    except OSError as error:
        raise UsageError(f"--text: {own.text} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"--text: {error}") from error
    best = report.ranked(chosen)[0]
    model, why = rebuilt(best.path, own.trust)
    others = chosen if len(chosen) > 1 else list_runs(own.runs_dir)
    content = report.gather(
        best, others, model, split=own.split, language=own.language, missing=why
    )
    suffix = ".html" if command == "report" else ".pdf"
    path = Path(own.output) if own.output else best.path / f"{command}{suffix}"
    if path.suffix != suffix:
        raise UsageError(f"--output: expected a name that ends in {suffix}, got {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if command == "report":
        report.write_report(path, content, chosen, texts, own.language)
    else:
        report.write_poster(path, content, chosen, texts, own.language, own.size)
    advice = ADVICE if why == BY_SCRIPT else ""
    for line in filter(None, (content.problem, content.missing, advice)):
        tell(line)
    tell(from_here(path))
    return 0


def rebuilt(folder, trusted=False):
    """Return ``((model, splits, trainer, checkpoint), "")``, or None and why it cannot be."""
    try:
        path = past_run.checkpoint_path(folder, None)
        if not path.is_file():
            return None, NO_CHECKPOINT
        if not isinstance(RunFolder(folder).config.get("model"), dict):
            return None, BY_SCRIPT
        return (*past_run.rebuild(folder, None, [], trusted), path), ""
    except (UsageError, ValueError, RuntimeError, OSError, ImportError) as error:
        return None, str(error).splitlines()[0]
