"""``firstlight explain``: one batch forwards and backwards, layer by layer."""

from argparse import Namespace

from firstlight.support.files import write_atomically
from firstlight.tools.cli import text
from firstlight.tools.cli.command import at_least_one, file_name, option
from firstlight.tools.cli.examined import ExamineCommand, Examined
from firstlight.tools.cli.text import tell


class Explain(ExamineCommand):
    """Go through one training step, layer by layer: formulas, shapes, norms and numbers, first
    forwards, then backwards.

      firstlight explain --model mlp --data digits
      firstlight explain train.py --samples 2 --output step.html
    """

    options = (
        option("--output FILE", "write a page", type=file_name(".html", ".htm")),
        option("--samples N", "samples in the batch", 4, type=at_least_one),
    )

    def examine(self, found: Examined, args: Namespace) -> int:
        """Print the steps, or write a page."""
        from firstlight.tools.diagnose import explain

        first = found.trainings[0]
        step = explain(first.model, first.data, samples=args.samples)
        if args.output is not None:
            write_atomically(args.output, step.to_html())
            tell(f"page: {args.output}")
            return 0
        text.console().print(step)
        return 0
