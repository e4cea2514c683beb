"""``firstlight profile``: time, memory and speed of each layer in a training step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.runs import RunFolder
from firstlight.support.files import write_atomically
from firstlight.support.rng import seed_everything
from firstlight.tools.cli.arguments import GIVEN, Arguments
from firstlight.tools.cli.command import (
    JSON,
    RUNS_DIR,
    Args,
    Options,
    at_least_one,
    checked,
    file_name,
    option,
)
from firstlight.tools.cli.data_arguments import arguments_from_data
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import NamesCommand, known
from firstlight.tools.cli.past_run import OWN_OPTIONS, find, rebuild
from firstlight.tools.cli.text import tell
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from firstlight.data.splits import DataSplits
    from firstlight.module import Module

LIMITS = {f"{end}_{unit}" for end in ("min", "max") for unit in ("epochs", "steps", "time")}
FIXED = GIVEN | LIMITS | {"val_every", "fast_dev_run", "default_callbacks"}
SEED = {"seed": (int, 0, "Seeds everything random.")}
SPARE = 3  # steps: for the operations, for the memory, and the end of the last one
STEP_SETTINGS = ("precision", "capture", "accumulate_grad_batches")  # of a run's Trainer
NEVER = 10**9  # epochs between validations
from_zero = checked(int, lambda number: number >= 0, "0 or more")


class Profile(NamesCommand):
    """Train some steps, and print a table of what each layer costs in one: time of forward and
    backward, memory, operations, and their speed as a share of a large matrix product's; and the
    same of loss, optimizer, data and callbacks. Model and data by name, or those of a run.

      firstlight profile --model cnn --data mnist
      firstlight profile runs/cnn-mnist/<id> --output profile.json
      firstlight profile --model gpt --data tiny_shakespeare --trainer.device cuda
    """

    usage = "[RUN] [--model NAME] [--data NAME] [--callback NAME ...] [arguments]"

    options: Options = (
        option("run", "folder of a run, or name, or name/id, instead of names", nargs="?"),
        option("--callback NAME", lambda: f"may be repeated: {known('callback')}", []),
        option("--warm-up N", "steps before the measurement", 10, type=from_zero),
        option("--steps N", "profiled steps", 30, type=at_least_one),
        option("--output FILE", "write a trace for ui.perfetto.dev", type=file_name(".json")),
        JSON,
        RUNS_DIR,
    )

    def run(self, args: Args) -> int:
        """Measure, and print."""
        kind = plugins.registry("callback").get("profiler")
        profiler = kind(warm_up=args.warm_up, steps=args.steps)
        profiler.prints = False
        fixed = {"max_steps": 2 * args.steps + args.warm_up + SPARE, "val_every": NEVER}
        fixed |= {"runs_dir": None, "default_callbacks": False}
        if args.run is not None and not args.help:
            trainer, model, data = _of_run(args, [profiler], fixed)
        else:
            settings = self._settings(args)
            if args.help:
                return self.show_help(settings.parser)
            settings.parse(args.rest, known=vars(args))
            seed_everything(settings.general["seed"])
            callbacks = [*(one.make() for one in settings.callbacks), profiler]
            trainer = settings.trainer.make(callbacks=callbacks, **fixed)
            data = settings.data.make_data()
            model = settings.model.make_model(arguments_from_data(data))
        trainer.fit(model, data)
        if profiler.profile is None:
            raise RuntimeError(f"no step was measured; the training ended: {trainer.stop_reason}")
        tell(json.dumps(profiler.profile.to_dict(), indent=1) if args.json else profiler.profile)
        if args.output is not None:
            write_atomically(args.output, json.dumps(profiler.trace))
            if not args.json:
                tell(f"trace for https://ui.perfetto.dev: {args.output}")
        return 0

    def _settings(self, args):
        """Return the arguments of the named parts, without those that end or keep a training."""
        names = self.names(args)
        for name in args.callback:
            names.choose("callback", name)
        names.choose_defaults()
        unused = {"name", "runs_dir", "num_workers", "workers"}
        unused |= {f"trainer.{name}" for name in FIXED}
        names.values = {flag: v for flag, v in names.values.items() if flag not in unused}
        return Arguments(names, SEED, fixed=FIXED)


def _of_run(
    args: Args, callbacks: list[Any], fixed: dict[str, Any]
) -> tuple[Trainer, Module, DataSplits]:
    """Return a Trainer with the settings of a run that change a step, its model and its data."""
    if args.model is not None or args.config or args.callback:
        raise UsageError("a run has its own model and settings; leave out RUN, or the names")
    folder = find(args.run, args.runs_dir)
    model, data, trainer = rebuild(
        folder, args.rest, args.data, trusted=args.trust, known=OWN_OPTIONS
    )
    kept = RunFolder(folder).config.get("trainer", {})
    more = {name: kept[name] for name in STEP_SETTINGS if name in kept}
    windows = more.get("accumulate_grad_batches")
    if isinstance(windows, dict):  # JSON has texts for epochs
        more["accumulate_grad_batches"] = {int(epoch): n for epoch, n in windows.items()}
    if trainer.device == "cpu":
        more.pop("precision", None)
    return Trainer(device=trainer.device, callbacks=callbacks, **more, **fixed), model, data
