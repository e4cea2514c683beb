"""``firstlight report`` and ``firstlight poster``: pages and posters of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from firstlight.data.splits import SPLITS
from firstlight.runs import RunFolder, list_runs
from firstlight.support.files import from_here
from firstlight.tools.cli import past_run, trust
from firstlight.tools.cli.command import RUNS_DIR, WHERE, Args, Command, Options, file_name, option
from firstlight.tools.cli.commands import runs
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell

TEXTS = """\
The Markdown file has "# Title" and sections, "## Question", "## Data", "## Model", "## Method",
"## Results", "## Conclusion" (or German: "## Fragestellung", ...), or with headings of your own,
formulas ($x_i$, $$...$$), citations ([@key] of FILE.bib), tables, footnotes and pictures. It may
begin with a front matter of title, authors, affiliations, logo, url, bibliography and date."""
NO_CHECKPOINT = "the run has no checkpoint; it ended before the first, or kept none."
BY_SCRIPT = "the run was made by a script, and only the script can build its model."
ADVICE = (
    "To have them, let the script end with content = firstlight.report.of_trainer(trainer, data) "
    "and firstlight.report.write_report(path, content) or write_poster(path, content)."
)


class SheetCommand(Command):
    """A command that writes a document about runs.

    Attributes
    ----------
    formats : tuple of str
        The first is the default.
    """

    usage = "[RUN ...] [arguments]"
    epilog = TEXTS
    formats: tuple[str, ...]
    options: Options = (
        option("runs", "folders of runs, or name, or name/id (default: the latest)", nargs="*"),
        option("--text FILE.md", "your own text, in Markdown"),
        *WHERE,
        option("--split", "split whose mistakes are shown", "test", choices=SPLITS),
        option("--language", "language of headings and figures", "en", choices=("en", "de")),
        option("--url ADDRESS", "shown as a QR code, e.g. where the run's demo is"),
        RUNS_DIR,
        trust.OPTION,
    )

    def run(self, args: Args) -> int:
        """Gather the content of the runs, and write it."""
        from firstlight.tools import report  # raises if a package is missing

        kind = self._kind(args)
        given = args.runs or args.where is not None or args.sort is not None
        chosen = runs.chosen_runs(args) if given else [runs.named_run(None, args)]
        try:
            with usage_errors("--text: "):
                texts = report.read_sections(args.text)
        except OSError as error:
            raise UsageError(f"--text: {args.text} cannot be read ({error.strerror})") from error
        texts.front.url = args.url or texts.front.url
        best = report.ranked(chosen)[0]
        model, why = rebuilt(best.path, args.trust)
        others = chosen if len(chosen) > 1 else list_runs(args.runs_dir)
        content = report.gather(
            best, others, model, split=args.split, language=args.language, missing=why
        )
        path = Path(args.output or best.path / f"{self.name}.{kind}")
        self.write(args, path, content, chosen, texts)
        advice = ADVICE if why == BY_SCRIPT else ""
        for line in filter(None, (content.problem, content.missing, advice)):
            tell(line)
        tell(from_here(path))
        return 0

    def _kind(self, args: Args) -> str:
        """Return the format: that of --format, or of the file's ending."""
        ending = Path(args.output).suffix[1:] if args.output else None
        if args.format and ending and args.format != ending:
            raise UsageError(
                f"--output: expected a name that ends in .{args.format}, got {args.output}"
            )
        return args.format or ending or self.formats[0]

    def write(self, args: Args, *parts: Any) -> None:
        """Write the file from its path and content."""
        raise NotImplementedError


def output_options(*formats: str) -> Options:
    """Return the options of the file and its format."""
    endings = file_name(*(f".{one}" for one in formats))
    return (
        option("-o, --output FILE", "file to write (default: in the run's folder)", type=endings),
        option("--format", f"format of the file (default: {formats[0]})", choices=formats),
    )


class Report(SheetCommand):
    """Write a report about a run: question, data, model, curves, results over seeds, confusion
    matrix, worst mistakes, filters, time, environment, and the command that reproduces it. Several
    runs are compared first. A page of HTML needs no other files, and can be printed; PDF has its
    source beside it.
    """

    formats = ("html", "pdf", "tex")
    options: Options = output_options(*formats)

    def write(self, args: Args, *parts: Any) -> None:
        """Write the file from its path and content."""
        from firstlight.tools import report

        report.write_report(*parts, args.language)


class Poster(SheetCommand):
    """Make a poster of a run, one page of PDF with figures that stay sharp at any size: an A0 page
    by default. The best of several runs is shown. Beside the PDF is its source in Typst, to be
    edited: "firstlight poster poster.typ" sets it again, and --watch does so after each change.
    """

    usage = "[RUN ... | FILE.typ] [arguments]"
    formats = ("pdf", "tex")
    options: Options = (
        *output_options(*formats),
        option("--size", "page size", "a0", choices=("a0", "a1")),
        option(
            "--layout",
            "columns of the page, or slides",
            "portrait",
            choices=("portrait", "landscape", "three-columns", "slides"),
        ),
        option("--watch", "set the PDF again whenever its source changes", False),
    )

    def run(self, args: Args) -> int:
        """Make a poster of runs, or set an edited one again."""
        edited = [Path(name) for name in args.runs if name.endswith(".typ")]
        if not edited:
            return super().run(args)
        from firstlight.tools import report

        if len(args.runs) > 1 or not edited[0].is_file():
            raise UsageError(f"poster: expected one file in Typst, got {', '.join(args.runs)}")
        tell(from_here(report.typeset_file(edited[0])))
        if args.watch:
            report.watch(edited[0])
        return 0

    def write(self, args: Args, *parts: Any) -> None:
        """Write the file from its path and content."""
        from firstlight.tools import report

        report.write_poster(*parts, args.language, args.size, args.layout)
        if args.watch:
            tell(from_here(parts[0]))
            report.watch(parts[0].with_suffix(".typ"))


def rebuilt(folder: Path, trusted: bool = False) -> tuple[tuple[Any, ...] | None, str]:
    """Return ``((model, splits, trainer, checkpoint), "")``, or None and the reason."""
    try:
        path = past_run.checkpoint_path(folder, None)
        if not path.is_file():
            return None, NO_CHECKPOINT
        if not isinstance(RunFolder(folder).config.get("model"), dict):
            return None, BY_SCRIPT
        return (*past_run.rebuild(folder, [], trusted=trusted), path), ""
    except (UsageError, ValueError, RuntimeError, OSError, ImportError) as error:
        return None, str(error).splitlines()[0]
