"""``firstlight fit``: train a model on a data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from firstlight import plugins
from firstlight.callback import Callback
from firstlight.data.splits import SPLITS
from firstlight.runs import consent
from firstlight.support import printable
from firstlight.support.extras import installed
from firstlight.support.files import forgiving
from firstlight.support.rng import seed_everything
from firstlight.tools.cli import text
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.data_arguments import arguments_from_data
from firstlight.tools.cli.names import Names, NamesCommand, known, prefix
from firstlight.tools.cli.text import tell
from firstlight.training.checks import as_run_name
from firstlight.training.interrupt import JobStopped

if TYPE_CHECKING:
    from firstlight.trainer import Trainer

SCHEDULE = "lr_schedule"  # its cosine ends every training with small steps
GENERAL: dict[str, tuple[Any, Any, str]] = {
    "name": (str | None, None, "Name of the run; model-data if not given."),
    "runs_dir": (str | None, "runs", "Folder that keeps all runs; none keeps none."),
    "seed": (int, 0, "Seeds everything random."),
    "num_workers": (int | None, None, "Threads or processes that create batches in advance."),
    "workers": (Literal["threads", "processes"], "threads", "What these are."),
}


class Fit(NamesCommand):
    """Train a model on a data set, keep the run in a folder, and test the best weights.

    For example:
      firstlight fit --model mlp --model.hidden 512,256 --data mnist --trainer.max_epochs 10
      firstlight fit --callback early_stopping --early_stopping.patience 5 --config mine.yaml
    """

    usage = "[--model NAME] [--data NAME] [--callback NAME ...] [arguments]"

    options: Options = (
        option("--callback NAME", lambda: f"may be repeated: {known('callback')}", []),
        option("--resume WHICH", "a checkpoint: auto (if there is one), last, best or a path"),
        option("--print_config", "show all settings as YAML, and stop", False),
    )

    def run(self, args: Args) -> int:
        """Train, or show the help or the settings."""
        names = self.names(args)
        for name in args.callback:
            names.choose("callback", name)
        given = {flag for flag, (value, _) in names.values.items() if value is not None}
        use_defaults(names, given.union(word[2:].partition("=")[0] for word in args.rest))
        settings = Arguments(names, GENERAL)
        if args.help:
            return self.show_help(settings.parser)
        settings.parse(args.rest, known=vars(args))
        if args.print_config:
            import yaml

            tell(yaml.safe_dump(settings.config, sort_keys=False, allow_unicode=True), end="")
            return 0
        return train(settings, args.resume, in_background=True)


def use_defaults(names: Names, given: Collection[str]) -> None:
    """Choose defaults for names that are not given, and a schedule of the learning rate.

    The learning rate follows a cosine, unless ``--lr_schedule.schedule constant`` is given, or only
    time limits the training, so that the length of the cosine is not known.
    """
    names.choose_defaults()
    limits = {f"trainer.max_{name}" for name in ("epochs", "steps", "time")} & set(given)
    if limits != {"trainer.max_time"}:
        names.choose("callback", SCHEDULE)


def train(
    settings: Arguments,
    resume: str | None = None,
    callbacks: Sequence[Callback] = (),
    in_background: bool = False,
) -> int:
    """Train with settings and further callbacks; test, and print the results.

    With ``in_background``, the curves are drawn by another process, for which the user at the
    prompt need not wait; nor for the first warm-up.
    """
    seed, runs_dir = settings.general["seed"], settings.general["runs_dir"]
    seed_everything(seed)  # before the model draws its first weights
    own_run = [OwnRun(settings.code)] if settings.code else []
    names = "-".join(prefix(one.name) for one in (settings.model, settings.data))
    trainer = settings.trainer.make(
        callbacks=[*(one.make() for one in settings.callbacks), *callbacks, *own_run],
        name=settings.general["name"] or as_run_name(names),
        runs_dir=runs_dir,
    )
    for callback in trainer.callbacks:
        if isinstance(callback, plugins.registry("callback").get("plots")):
            callback.in_background = in_background
    splits = settings.data.make_data()
    splits.workers = settings.general["workers"]
    if settings.general["num_workers"] is not None:
        splits.num_workers = settings.general["num_workers"]
    facts = arguments_from_data(splits)
    model = settings.model.make_model(facts)
    trainer.config.update(settings.config, facts=facts)
    trainer.config["trainer"] = settings.config["trainer"] | {"max_epochs": trainer.max_epochs}
    trainer.announce(None if splits.test is None else "test")
    parameters = sum(parameter.size for parameter in model.parameters())
    sizes = " + ".join(
        f"{len(getattr(splits, name)):,} {name}"
        for name in SPLITS
        if getattr(splits, name) is not None
    )
    say(
        f"{settings.model.name} on {settings.data.name}: {parameters:,} parameters, "
        f"{sizes} samples, {trainer.device}, seed {seed}"
    )
    interrupted = False
    try:
        trainer.fit(model, splits, resume=resume)
    except (KeyboardInterrupt, JobStopped):
        interrupted = True
    except Exception as error:
        if trainer.run is not None:
            error.add_note(f"run: {trainer.run.shown}")
        raise
    if interrupted or trainer.status == "interrupted":
        say("interrupted; " + run_location(trainer, runs_dir))
        return 130
    if splits.test is not None:
        # the best weights, or the last where none were kept; only rank 0 has the run
        kept = trainer.run is not None and (trainer.run.checkpoints / "best.safetensors").is_file()
        checkpoint = "best" if trainer.communicator.gather(kept)[0] else None
        metrics = text.measured(trainer.test(model, splits, checkpoint=checkpoint))
        say(", ".join(" ".join(pair) for pair in metrics))
    say(run_location(trainer, runs_dir))
    if in_background:
        from firstlight.tools import warm_up

        warm_up.in_background()
    return 0


def say(line: str) -> None:
    """Print a line; if the output cannot be written, continue without it."""
    printable.tell(printable.printable(line))


class OwnRun(Callback):
    """Record that this user's command has made the run, so that its code needs no ``--trust``.

    Parameters
    ----------
    code : dict
        As `firstlight.runs.consent.remember` takes it.
    """

    def __init__(self, code: Mapping[str, Any]) -> None:
        self.code = code

    def on_fit_start(self, trainer: Trainer) -> None:
        """Write the record before the run can be killed."""
        if trainer.run is not None:
            with forgiving("the note that this run is yours"):
                consent.remember(trainer.run.path, self.code)


def run_location(trainer: Trainer, runs_dir: str | None) -> str:
    """Return the place of the run, and a command that shows it."""
    if trainer.run is None:
        return "run: not kept"
    place = "" if runs_dir == "runs" else f" {runs_dir}"
    look = f"tensorboard{place}" if installed("tensorboard") else f"runs show {trainer.run.shown}"
    return f"run: {trainer.run.shown}\nlook at it: firstlight {look}"
