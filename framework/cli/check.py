"""``firstlight check``: what is wrong with a model's backward, its data or its training."""

import json
import sys

import numpy as np

from firstlight.cli import chosen

DESCRIPTION = """\
Compare each hand-written gradient with forward, find the innermost module that is wrong and guess
the mistake; look at data, loss, outputs and a training step. Exit code 1 where something is wrong.

  firstlight check --model cnn --data mnist
  firstlight check train.py                   # what that script would train
  firstlight check net.py:Net --data digits --json
  firstlight check --parity --model cnn       # one step on the CPU and on a GPU, compared"""
OPTIONS = {
    "train": (bool, True, "Try to learn a few samples by heart."),
    "torch": (bool, False, "Compare layers with their PyTorch twins, forward too."),
}


def run(words):
    """Check and print; returns the exit code: 1 if something was found."""
    parser = chosen.parser("check", DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    text = "instead, compare a step on the CPU and on a GPU, in float64 and float32, layer by layer"
    parser.add_argument("--parity", action="store_true", help=text)
    parser.add_argument("--device", default="cuda", help="the GPU of --parity (default: cuda)")
    own, words = parser.parse_known_args(words)
    found = chosen.made(own, words, OPTIONS, parser)
    if found is None:
        return 0
    model, data, name, options = found
    if own.parity:
        return _parity(model, data, own)
    from firstlight.diagnose import check

    report = check(model, data, train=options["train"], torch=options["torch"])
    report.data = report.data or str(name)
    if own.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        from rich.console import Console

        from firstlight.diagnose.show import draw

        draw(report, Console(file=sys.stdout))
    return 0 if report.ok else 1


def _parity(model, data, own):
    from firstlight.data import as_loader
    from firstlight.parity import check_parity

    batch = next(iter(as_loader(data, "train")))
    found = check_parity(model, tuple(np.asarray(part) for part in batch), device=own.device)
    if own.json:
        print(json.dumps([vars(d) | {"differs": d.differs} for d in found.differences], indent=1))
    else:
        print(*found.differences, found, sep="\n")
    return 0 if found.first is None else 1
