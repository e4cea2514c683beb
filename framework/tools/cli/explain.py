"""``firstlight explain``: one batch forwards and backwards, layer by layer."""

from pathlib import Path

from firstlight.support.files import write_atomically
from firstlight.tools.cli import chosen, text
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Go through one training step, layer by layer: formulas, shapes, norms and numbers, first forwards,
then backwards.

  firstlight explain --model mlp --data digits
  firstlight explain train.py --samples 2 --output step.html"""
OPTIONS = {"samples": (int, 4, "Samples in the batch.")}


def run(words):
    """Print, or write a page; returns the exit code."""
    parser = chosen.parser("explain", DESCRIPTION)
    parser.add_argument("--output", metavar="FILE", help="write a page, .html, instead of printing")
    words, arguments = chosen.split(words)
    own, words = parser.parse_known_args(words)
    if own.output is not None and Path(own.output).suffix not in (".html", ".htm"):
        raise UsageError(f"--output: expected a name that ends in .html, got {own.output}")
    found = chosen.made(own, words, OPTIONS, parser, arguments)
    if found is None:
        return 0
    from firstlight.tools.diagnose import explain

    first, samples = found.trainings[0], found.options["samples"]
    if samples < 1:
        raise UsageError(f"--samples: expected 1 or more, got {samples}")
    step = explain(first.model, first.data, samples=samples)
    if own.output is not None:
        write_atomically(own.output, step.to_html())
        tell(f"page: {own.output}")
        return 0
    text.console().print(step)
    return 0
