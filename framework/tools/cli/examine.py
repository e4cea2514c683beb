"""What ``firstlight check`` and ``explain`` examine: by name, of a script, or of a run."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.checkpoints.snapshot import read_weights
from firstlight.runs.find import find_run
from firstlight.support.rng import seed_everything
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.data_arguments import arguments_from_data
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.names import NamesCommand, prefix
from firstlight.tools.cli.past_run import checkpoint_path, find, rebuild

if TYPE_CHECKING:
    from firstlight.tools.diagnose.script import Training

SEED = {"seed": (int, 0, "Seeds everything random.")}


@dataclass
class Examined:
    """The trainings that a command line names.

    Attributes
    ----------
    trainings : list of firstlight.tools.diagnose.script.Training
        One, or several of a script.
    name : str
        Of the data.
    ended : str
        How far a script was followed, "" if to its end.
    seconds : float
        For which it was followed.
    """

    trainings: list[Training]
    name: str
    ended: str = ""
    seconds: float = 0.0


class ExamineCommand(NamesCommand):
    """A command on a model and data by name, or on those of a script or a run."""

    script_words: list[str]
    usage = "[SCRIPT or RUN] [--model NAME] [--data NAME] [arguments] [-- arguments of the script]"

    options: Options = (
        option(
            "script",
            "a training script, without its training; or file.py:Class; or a run",
            nargs="?",
        ),
        option("--checkpoint FILE", "weights to load first, of a model by name or of a run"),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words before ``--``; those behind it are the script's."""
        cut = words.index("--") if "--" in words else len(words)
        self.script_words = words[cut + 1 :]
        return super().__call__(name, words[:cut])

    def run(self, args: Args) -> int:
        """Examine the named model or script, or show the help."""
        script = args.script
        if script is not None and ":" in script:
            args.model, script = script, None
        of_run = script is not None and _is_run(script)
        if self.script_words and (script is None or of_run):
            raise UsageError("words after -- are arguments of a script, but none is named")
        if of_run and not args.help:
            return self.examine(_of_run(script, args), args)
        names = self.names(args)
        # settings that only a training needs have no effect here, and are not shown
        general = {"name", "runs_dir", "num_workers", "workers"}
        unused = {"trainer", *general, *map(prefix, names.callbacks)}
        names.values = {f: v for f, v in names.values.items() if f.partition(".")[0] not in unused}
        names.callbacks.clear()
        names.choose_defaults()
        settings = Arguments(names, SEED, fixed={"max_epochs", "callbacks"})
        if args.help:
            return self.show_help(settings.parser)
        settings.parse(args.rest, known=vars(args))
        seed_everything(settings.general["seed"])
        if script is not None:
            from firstlight.tools.diagnose.probes.script.kept_statements import keeping_statements

            with keeping_statements():
                return self.examine(self._of_script(script, settings, args.data), args)
        return self.examine(self._of_names(settings, args.checkpoint), args)

    def examine(self, found: Examined, args: Args) -> int:
        """Examine models and data; return the exit code."""
        raise NotImplementedError

    def _of_script(self, script, settings, data):
        from firstlight.tools.diagnose.script import trainings

        began = time.perf_counter()
        with usage_errors():
            found, ended = trainings(script, self.script_words)
        seconds = time.perf_counter() - began
        for training in found:
            if training.model is not None and (training.data is None or data is not None):
                training.data = settings.data.make_data()
        return Examined(found, getattr(found[0].data, "name", script), ended, seconds)

    def _of_names(self, settings, checkpoint):
        from firstlight.tools.diagnose.script import Training

        data = settings.data.make_data()
        model = settings.model.make_model(arguments_from_data(data))
        if checkpoint:
            from firstlight.checkpoints.format import Checkpoint

            model.load_state_dict(Checkpoint.load(checkpoint).model)
        return Examined([Training(model, data)], data.name)


def _is_run(name):
    """Return whether a word names a run, and no script."""
    path = Path(name)
    if path.is_dir() or path.is_file() or path.suffix == ".py":
        return path.is_dir()
    with suppress(FileNotFoundError):
        return find_run(name) is not None
    return False


def _of_run(name, args):
    """Return model and data of a run, with its weights."""
    from firstlight.tools.diagnose.script import Training

    if args.model is not None:
        raise UsageError(f"{name} is a run, with a model of its own; leave --model out")
    folder = find(name, "runs")
    seed_everything(0)
    model, data, _ = rebuild(folder, args.rest, args.data, trusted=args.trust)
    model.load_state_dict(read_weights(checkpoint_path(folder, args.checkpoint), None).model)
    return Examined([Training(model, data)], data.name)
