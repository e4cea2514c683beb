"""``firstlight check``: what is wrong with a model's backward, its data or its training."""

import json

import numpy as np

from firstlight.tools.cli import chosen
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Compare each hand-written gradient with forward, find the innermost module that is wrong and guess
the mistake; look at data, loss, outputs and a training step. Exit code 1 where something is wrong.

  firstlight check --model cnn --data mnist
  firstlight check train.py                   # all that this script would train
  firstlight check train.py -- --epochs 3     # with arguments of its own
  firstlight check net.py:Net --data digits --json
  firstlight check --parity --model cnn       # one step on the CPU and on a GPU, compared"""
MOST = 6  # trainings of one script that are checked
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
    words, arguments = chosen.split(words)
    own, words = parser.parse_known_args(words)
    found = chosen.made(own, words, OPTIONS, parser, arguments)
    if found is None:
        return 0
    if own.parity:
        return _parity(found.trainings[0].model, found.trainings[0].data, own)
    reports = [_report(found, training) for training in found.trainings[:MOST]]
    if own.json:
        tell(json.dumps(_as_json(found, reports), indent=1))
    else:
        _print(found, reports)
    return 0 if all(report.ok for report in reports) else 1


def _report(found, training):
    from firstlight.tools.diagnose import check

    options = {"train": found.options["train"], "torch": found.options["torch"]}
    report = check(training.model, training.data, **options)
    report.data = report.data or str(found.name)
    if training.looped and isinstance(training.data, np.ndarray):
        report.skip("step", "loss", "not known: the loop calls no loss that is a Module")
    if training.looped:
        report.add("training", "gradients start from zero", training.findings)
    return report


def _followed(found):
    """Say what was checked of a script, and how far it was followed; "" where that is plain."""
    count, lines = len(found.trainings), []
    if count > 1:
        more = "" if count <= MOST else f", of which the first {MOST} are checked"
        lines.append(f"{count} trainings{more}: {'; '.join(t.place for t in found.trainings)}")
    if found.ended:
        lines.append(f"the script: {found.ended}")
    return "\n".join(lines)


def _as_json(found, reports):
    if len(reports) == 1:
        return reports[0].to_dict()
    return {
        "ok": all(report.ok for report in reports),
        "script": _followed(found),
        "reports": [
            {"training": training.place, **report.to_dict()}
            for training, report in zip(found.trainings, reports, strict=False)
        ],
    }


def _print(found, reports):
    from firstlight.tools.cli.text import console as open_console

    console = open_console()
    if _followed(found):
        console.print(_followed(found), highlight=False, markup=False)
    for training, report in zip(found.trainings, reports, strict=False):
        if len(reports) > 1:
            console.print(f"\n{training.place}", highlight=False, markup=False)
        console.print(report)


def _parity(model, data, own):
    from firstlight.data.splits import as_loader
    from firstlight.tools.diagnose.parity import check_parity

    batch = next(iter(as_loader(data, "train")))
    found = check_parity(model, tuple(np.asarray(part) for part in batch), device=own.device)
    if own.json:
        tell(json.dumps([vars(d) | {"differs": d.differs} for d in found.differences], indent=1))
    else:
        tell(*found.differences, found, sep="\n")
    return 0 if found.first is None else 1
