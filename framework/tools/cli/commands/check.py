"""``firstlight check``: mistakes in a model's backward, its data or its training."""

from __future__ import annotations

import json
from argparse import Namespace

import numpy as np

from firstlight.tools.cli.command import JSON, Switch, option
from firstlight.tools.cli.examined import ExamineCommand, Examined
from firstlight.tools.cli.text import console as open_console
from firstlight.tools.cli.text import tell

MOST = 6  # trainings of one script that are checked


class Check(ExamineCommand):
    """Compare each hand-written gradient with forward, find the innermost module that is wrong and
    guess the mistake; look at data, loss, outputs and a training step. Exit code 1 where something
    is wrong.

      firstlight check --model cnn --data mnist
      firstlight check train.py                   # all that this script would train
      firstlight check train.py -- --epochs 3     # with arguments of its own
      firstlight check net.py:Net --data digits --json
      firstlight check --parity --model cnn       # one step on the CPU and on a GPU, compared
    """

    options = (
        JSON,
        option("--parity", "compare a step on the CPU and on a GPU instead", False),
        option("--device", "the GPU of --parity", "cuda"),
        option("--train", "try to overfit a few samples", True, action=Switch),
        option("--torch", "compare layers with PyTorch's, forward too", False, action=Switch),
    )

    def examine(self, found: Examined, args: Namespace) -> int:
        """Check and print; the exit code is 1 if something was found."""
        if args.parity:
            return _parity(found.trainings[0], args)
        reports = [_report(found, training, args) for training in found.trainings[:MOST]]
        if args.json:
            tell(json.dumps(_as_json(found, reports), indent=1))
        else:
            _print(found, reports)
        return 0 if all(report.ok for report in reports) else 1


def _report(found, training, args):
    from firstlight.tools.diagnose import check

    report = check(training.model, training.data, train=args.train, torch=args.torch)
    report.data = report.data or str(found.name)
    if training.looped and isinstance(training.data, np.ndarray):
        report.skip("step", "loss", "not known: the loop calls no loss that is a Module")
    if training.looped:
        report.add("training", "gradients start from zero", training.findings)
    return report


def _followed(found):
    """Return which trainings of a script were checked, and how far it was followed."""
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
    console = open_console()
    if _followed(found):
        console.print(_followed(found), highlight=False, markup=False)
    for training, report in zip(found.trainings, reports, strict=False):
        if len(reports) > 1:
            console.print(f"\n{training.place}", highlight=False, markup=False)
        console.print(report)


def _parity(training, args):
    from firstlight.data.splits import as_loader
    from firstlight.tools.diagnose.parity import check_parity

    batch = next(iter(as_loader(training.data, "train")))
    found = check_parity(training.model, tuple(map(np.asarray, batch)), device=args.device)
    if args.json:
        tell(json.dumps([vars(d) | {"differs": d.differs} for d in found.differences], indent=1))
    else:
        tell(*found.differences, found, sep="\n")
    return 0 if found.first is None else 1
