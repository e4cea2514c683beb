"""The model and data that ``check`` and ``explain`` examine: by name, or those of a script."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstlight.support.rng import seed_everything
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import option
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.facts import facts_of
from firstlight.tools.cli.names import NamesCommand, prefix

if TYPE_CHECKING:
    from firstlight.tools.diagnose.script import Training

SEED = {"seed": (int, 0, "Seeds everything random.")}


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

    usage = "[SCRIPT] [--model NAME] [--data NAME] [arguments] [-- arguments of the script]"

    options = (
        option("script", "a training script, without its training; or file.py:Class", nargs="?"),
        option("--checkpoint FILE", "weights to load first, of a model by name"),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words before ``--``; those behind it are the script's."""
        cut = words.index("--") if "--" in words else len(words)
        self.script_words = words[cut + 1 :]
        return super().__call__(name, words[:cut])

    def run(self, args: Namespace) -> int:
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

    def examine(self, found: Examined, args: Namespace) -> int:
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
