"""``firstlight check`` and ``firstlight explain``: examine a model, its backward and its data.

What they examine has a name, or is trained by a script.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firstlight.support.files import write_atomically
from firstlight.support.rng import seed_everything
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import (
    JSON,
    Args,
    Options,
    Switch,
    at_least_one,
    file_name,
    option,
)
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.facts import facts_of
from firstlight.tools.cli.names import NamesCommand, prefix
from firstlight.tools.cli.text import console, tell

if TYPE_CHECKING:
    from firstlight.tools.diagnose.script import Training

SEED = {"seed": (int, 0, "Seeds everything random.")}
MOST = 6  # trainings of one script that are checked


@dataclass
class Examined:
    """The trainings that a command line names.

    Attributes
    ----------
    trainings : list of firstlight.tools.diagnose.script.Training
        One, but for scripts that train several times.
    name : str
        Of the data.
    ended : str
        How far a script was followed, "" for to its end.
    """

    trainings: list[Training]
    name: str
    ended: str = ""


class ExamineCommand(NamesCommand):
    """A command on a model and data by name, or on those of a script."""

    script_words: list[str]
    usage = "[SCRIPT] [--model NAME] [--data NAME] [arguments] [-- arguments of the script]"

    options: Options = (
        option("script", "a training script, without its training; or file.py:Class", nargs="?"),
        option("--checkpoint FILE", "weights to load first, of a model by name"),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words before ``--``; those behind it are the script's."""
        cut = words.index("--") if "--" in words else len(words)
        self.script_words = words[cut + 1 :]
        return super().__call__(name, words[:cut])

    def run(self, args: Args) -> int:
        """Examine what the options name, unless only the help is asked for."""
        script = args.script
        if script is not None and ":" in script:
            args.model, script = script, None
        if self.script_words and script is None:
            raise UsageError("what stands behind -- goes to a script, and none is named")
        names = self.names(args)
        # settings that only a training needs have no effect here, and are not shown
        unused = {"trainer", "name", "runs_dir", *map(prefix, names.callbacks)}
        names.values = {f: v for f, v in names.values.items() if f.partition(".")[0] not in unused}
        names.callbacks.clear()
        names.choose_defaults()
        settings = Arguments(names, SEED, fixed={"max_epochs", "callbacks"})
        if args.help:
            return self.show_help(settings.parser)
        settings.parse(args.rest, known=vars(args))
        seed_everything(settings.general["seed"])
        if script is not None:
            return self.examine(self._of_script(script, settings, args.data), args)
        return self.examine(self._of_names(settings, args.checkpoint), args)

    def examine(self, found: Examined, args: Args) -> int:
        """Examine models and data; return the exit code."""
        raise NotImplementedError

    def _of_script(self, script, settings, data):
        from firstlight.tools.diagnose.script import trainings

        with usage_errors():
            found, ended = trainings(script, self.script_words)
        for training in found:
            if training.data is None or data is not None:
                training.data = settings.data.make_data()
        return Examined(found, getattr(found[0].data, "name", script), ended)

    def _of_names(self, settings, checkpoint):
        from firstlight.tools.diagnose.script import Training

        data = settings.data.make_data()
        model = settings.model.make_model(facts_of(data))
        if checkpoint:
            from firstlight.checkpoints.format import Checkpoint

            model.load_state_dict(Checkpoint.load(checkpoint).model)
        return Examined([Training(model, data)], data.name)


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

    options: Options = (
        JSON,
        option("--parity", "compare a step on the CPU and on a GPU instead", False),
        option("--device", "the GPU of --parity", "cuda"),
        option("--train", "try to overfit a few samples", True, action=Switch),
        option("--torch", "compare layers with PyTorch's, forward too", False, action=Switch),
    )

    def examine(self, found: Examined, args: Args) -> int:
        """Check and print; the exit code is 1 if something was found."""
        if args.parity:
            return _parity(found.trainings[0], args)
        reports = [_report(found, training, args) for training in found.trainings[:MOST]]
        if args.json:
            tell(json.dumps(_as_json(found, reports), indent=1))
        else:
            _print(found, reports)
        return 0 if all(report.ok for report in reports) else 1


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
        step = explain(first.model, first.data, samples=args.samples)
        if args.output is not None:
            write_atomically(args.output, step.to_html())
            tell(f"page: {args.output}")
            return 0
        console().print(step)
        return 0


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
    if _followed(found):
        tell(_followed(found))
    for training, report in zip(found.trainings, reports, strict=False):
        if len(reports) > 1:
            tell(f"\n{training.place}")
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
