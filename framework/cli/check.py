"""``firstlight check``: what is wrong with a model's backward, its data or its training."""

import json
import sys

from firstlight.cli import chosen

DESCRIPTION = """\
Compare each hand-written gradient with forward, find the innermost module that is wrong and guess
the mistake; look at data, loss, outputs and a training step. Exit code 1 where something is wrong.

  firstlight check --model cnn --data mnist
  firstlight check train.py                   # what that script would train
  firstlight check net.py:Net --data digits --json"""
OPTIONS = {
    "train": (bool, True, "Try to learn a few samples by heart."),
    "torch": (bool, False, "Compare layers with their PyTorch twins, forward too."),
}


def run(words):
    """Check and print; returns the exit code: 1 if something was found."""
    parser = chosen.parser("check", DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    own, words = parser.parse_known_args(words)
    found = chosen.made(own, words, OPTIONS, parser)
    if found is None:
        return 0
    from firstlight.diagnose import check

    model, data, name, options = found
    report = check(model, data, train=options["train"], torch=options["torch"])
    report.data = report.data or str(name)
    if own.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        from rich.console import Console

        from firstlight.diagnose.show import draw

        draw(report, Console(file=sys.stdout))
    return 0 if report.ok else 1
