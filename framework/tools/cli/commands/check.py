"""``firstlight check`` and ``firstlight explain``: examine a model, its backward and its data.

Model and data are given by name, or taken from a training script or a run.
"""

from __future__ import annotations

import json

import numpy as np

from firstlight.support.files import write_atomically
from firstlight.tools.cli.command import (
    JSON,
    Args,
    Options,
    Switch,
    at_least_one,
    file_name,
    option,
)
from firstlight.tools.cli.errors import HelpShown, UsageError
from firstlight.tools.cli.examine import ExamineCommand, Examined
from firstlight.tools.cli.text import console, tell
from firstlight.tools.language import LANGUAGES, current_language, speaking

MOST = 6  # trainings of one script that are checked


class Check(ExamineCommand):
    """Compare each hand-written gradient with forward, find the innermost wrong module and name the
    likely mistake; check data, loss, outputs and a training step. Exit code 1 if something is
    wrong, 3 if only something could not be judged.

      firstlight check --model cnn --data mnist
      firstlight check train.py                   # all that this script would train
      firstlight check train.py -- --epochs 3     # with arguments of its own
      firstlight check net.py:Net --data digits --json
      firstlight check --parity --model cnn       # one step on the CPU and on a GPU, compared
    """

    options: Options = (
        JSON,
        option("--parity", "compare a step on the CPU and on a GPU instead", False),
        option("--device", "the GPU of --parity", "cuda"),
        option("--train", "try to overfit a few samples", True, action=Switch),
        option("--language", "of the findings: en or de", choices=LANGUAGES),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Run; with --json, errors are JSON too."""
        if "--json" not in words[: words.index("--") if "--" in words else None]:
            return super().__call__(name, words)
        try:
            return super().__call__(name, words)
        except HelpShown:
            raise
        except Exception as error:
            from firstlight.tools.diagnose.probes.raised import one_line

            tell(json.dumps({"ok": False, "error": one_line(error)}, indent=1))
            raise

    def run(self, args: Args) -> int:
        """Check the named model or script; a script that raises is a finding."""
        from firstlight.tools.diagnose.probes.raised import Raised
        from firstlight.tools.diagnose.report import Report
        from firstlight.tools.diagnose.script import ScriptError

        try:
            return super().run(args)
        except ScriptError as stopped:
            report = Report(str(args.script))
            with speaking(args.language or current_language()):
                report.examine(Raised(stopped.error, "script", "its lines", where="script"))
                return self._tell(Examined([], str(args.script)), [report], args)

    def examine(self, found: Examined, args: Args) -> int:
        """Check and print; the exit code is 1 if something was found, 3 if it was not judged."""
        if args.parity:
            return _parity(found.trainings[0], args)
        with speaking(args.language or current_language()):
            reports = [_report(found, training, args) for training in found.trainings[:MOST]]
            of_script = _of_script(found, reports)
            for report in reports:
                report.drop_consequences(of_script)
            reports[0].seconds += found.seconds
            return self._tell(found, reports, args)

    @staticmethod
    def _tell(found, reports, args):
        if args.json:
            tell(json.dumps(_as_json(found, reports), indent=1, default=str))
        else:
            _print(found, reports)
        codes = {report.exit_code for report in reports}
        return 1 if 1 in codes else max(codes)


class Explain(ExamineCommand):
    """Go through one training step, layer by layer: formulas, shapes, norms and numbers, first
    forwards, then backwards.

      firstlight explain --model mlp --data digits
      firstlight explain train.py --samples 2 --output step.html
    """

    options: Options = (
        option("--output FILE", "write a page", type=file_name(".html", ".htm")),
        option("--samples N", "samples in the batch", 4, type=at_least_one),
    )

    def examine(self, found: Examined, args: Args) -> int:
        """Print the steps, or write a page."""
        from firstlight.tools.diagnose import explain

        first = found.trainings[0]
        if first.model is None:
            raise UsageError("the script has no firstlight.Module whose step could be explained")
        step = explain(first.model, first.data, samples=args.samples)
        if args.output is not None:
            write_atomically(args.output, step.to_html())
            tell(f"page: {args.output}")
            return 0
        console().print(step)
        return 0


def _report(found, training, args):
    from firstlight.tools.diagnose import check
    from firstlight.tools.diagnose.report import Report

    if training.model is None:  # only the script's own code
        return Report(str(found.name))
    report = check(training.model, training.data, train=args.train, calls=training.calls)
    report.data = report.data or str(found.name)
    if training.looped and isinstance(training.data, np.ndarray):
        report.skip("step", "loss", "not known: the loop calls no loss that is a Module")
    return report


def _of_script(found, reports):
    """Examine the evidence about the script's code; return the kinds of the findings."""
    from firstlight.tools.diagnose.probes.raised import Raised
    from firstlight.tools.diagnose.probes.steps.wrong_step import WrongStep

    kinds, known = set(), {line.subject for report in reports for line in report.checks}
    for report, training in zip(reports, found.trainings, strict=False):
        for evidence in training.evidence:
            explained = isinstance(evidence, Raised) and any(r.exit_code == 1 for r in reports)
            backward = [f for r in reports for f in r.findings if f.type and f.gradient]
            cured = any(f.cure for f in backward)
            direct = isinstance(evidence, WrongStep) and (
                cured or (backward and evidence.is_direct())
            )
            known_rule = evidence.subject in known  # of an optimizer that its model makes
            if not (explained or direct or known_rule):
                kinds |= {finding.kind for finding in report.examine(evidence)}
    return kinds


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
    if _followed(found):
        tell(_followed(found))
    for index, report in enumerate(reports):
        if len(reports) > 1:
            tell(f"\n{found.trainings[index].place}")
        console().print(report)


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
