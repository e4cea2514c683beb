"""``firstlight fit``: train a model on a data set."""

from firstlight import plugins
from firstlight.callback import Callback
from firstlight.support import printable
from firstlight.support.extras import installed
from firstlight.support.files import forgiving
from firstlight.support.rng import seed_everything
from firstlight.tools.cli import text, trust
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.errors import Parser
from firstlight.tools.cli.facts import facts_of
from firstlight.tools.cli.names import Names, prefix
from firstlight.tools.cli.text import tell
from firstlight.training.checks import as_run_name

MODEL, DATA = "mlp", "digits"  # what plain `firstlight fit` trains
USAGE = "firstlight fit [--model NAME] [--data NAME] [--callback NAME ...] [arguments]"
DESCRIPTION = """\
Train a model on a data set, keep the run in a folder, and test the best weights.

  firstlight fit --model mlp --model.hidden 512,256 --data mnist --trainer.max_epochs 10
  firstlight fit --callback early_stopping --early_stopping.patience 5 --config mine.yaml"""
SCHEDULE = "lr_schedule"  # its cosine lets every training end on small steps
GENERAL = {
    "name": (str | None, None, "Name of the run; model-data if not given."),
    "runs_dir": (str | None, "runs", "Folder that keeps all runs; none keeps none."),
    "seed": (int, 0, "Seeds everything random."),
}


def run(words):
    """Train; returns the exit code."""
    parser = names_parser()
    own, words = parser.parse_known_args(words)
    names = Names(trusted=own.trust)
    for path in own.config:
        names.add_file(path)
    for kind in ("model", "data"):
        if getattr(own, kind) is not None:
            names.choose(kind, getattr(own, kind))
    for name in own.callback:
        names.choose("callback", name)
    told = {flag for flag, (value, _) in names.values.items() if value is not None}
    use_defaults(names, told.union(word[2:].partition("=")[0] for word in words))
    settings = Arguments(names, GENERAL)
    if own.help:
        tell(parser.format_help(), settings.parser.format_help(), sep="\n", end="")
        return 0
    settings.parse(words, known=vars(own))
    if own.print_config:
        import yaml

        tell(yaml.safe_dump(settings.config, sort_keys=False, allow_unicode=True), end="")
        return 0
    return train(settings, own.resume)


def names_parser():
    """Return the parser of the first phase."""
    models, data, callbacks = (", ".join(plugins.registry(k).names()) for k in plugins.REGISTRARS)
    parser = Parser("fit", DESCRIPTION, usage=USAGE, add_help=False)
    add = parser.add_argument_group("what to train").add_argument
    add("--model", metavar="NAME", help=f"{models}; or module:Class (default: {MODEL})")
    text = f"{data}; or module:function, or a .csv, .npz or .txt file (default: {DATA})"
    add("--data", metavar="NAME", help=text)
    several = {"action": "append", "default": []}
    text = f"one more callback; may be repeated: {callbacks}; or module:Class"
    add("--callback", metavar="NAME", **several, help=text)
    text = "YAML or JSON with settings, or the folder of a run; may be repeated"
    add("--config", metavar="FILE", **several, help=text)
    text = "go on from a checkpoint: auto, last, best or a path; auto starts anew if need be"
    add("--resume", metavar="WHICH", help=text)
    add("--trust", action="store_true", help=trust.HELP)
    add("--print_config", action="store_true", help="show all settings as YAML, and stop")
    add("-h", "--help", action="store_true", help="show this help for what is named, and stop")
    return parser


def use_defaults(names, given):
    """Choose what was not named: the model or data set of the same name as the other, or ours.

    The learning rate falls along a cosine unless ``--lr_schedule.schedule constant``, or unless
    only time limits the training, so that nobody knows how long the cosine would be.
    """
    choose_both(names)
    limits = {f"trainer.max_{name}" for name in ("epochs", "steps", "time")} & set(given)
    if limits != {"trainer.max_time"}:
        names.choose("callback", SCHEDULE)


def choose_both(names):
    """Choose a model and data, where one or both were not named."""
    if names.model is None:
        same = names.data in plugins.registry("model").names()
        names.choose("model", names.data if same else MODEL)
    if names.data is None:
        same = names.model in plugins.registry("dataset").names()
        names.choose("data", names.model if same else DATA)


def train(settings, resume=None, callbacks=()):
    """Train as settings say, and with further callbacks; test, and tell what came out."""
    general = settings.general
    seed_everything(general["seed"])  # before the model draws its first weights
    trainer = settings.trainer.make(
        callbacks=[*(one.make() for one in settings.callbacks), *callbacks, *own_run(settings)],
        name=general["name"] or default_name(settings),
        runs_dir=general["runs_dir"],
    )
    splits = settings.data.make_data()
    facts = facts_of(splits)
    model = settings.model.make_model(facts)
    trainer.config.update(settings.config, facts=facts)
    trainer.config["trainer"] = settings.config["trainer"] | {"max_epochs": trainer.max_epochs}
    trainer.announce(None if splits.test is None else "test")
    say(head(settings, model, splits, trainer))
    interrupted = False
    try:
        trainer.fit(model, splits, resume=resume)
    except KeyboardInterrupt:
        interrupted = True
    except Exception as error:
        if trainer.run is not None:
            error.add_note(f"run: {trainer.run.shown}")
        raise
    if interrupted or trainer.status == "interrupted":
        say("interrupted; " + farewell(trainer, general["runs_dir"]))
        return 130
    if splits.test is not None:
        say(", ".join(" ".join(pair) for pair in text.measured(test(trainer, model, splits))))
    say(farewell(trainer, general["runs_dir"]))
    return 0


def say(line):
    """Print a line; the training goes on, and ends well, where the output cannot be written."""
    printable.tell(printable.printable(line))


class OwnRun(Callback):
    """Notes that this user's command fills the run, so that its code needs no ``--trust`` later.

    Parameters
    ----------
    code : dict
        As `firstlight.tools.cli.trust.remember` takes it.
    """

    def __init__(self, code):
        self.code = code

    def on_fit_start(self, trainer):
        """Note it, before the run can be killed."""
        if trainer.run is not None:
            with forgiving("the note that this run is yours"):
                trust.remember(trainer.run.path, self.code)


def own_run(settings):
    """Return the callback that notes whose the run is, where that matters."""
    return [OwnRun(settings.code)] if settings.code else []


def test(trainer, model, splits):
    """Return the test metrics of the best weights, or of the last where no best were kept."""
    kept = trainer.run is not None and (trainer.run.checkpoints / "best.safetensors").is_file()
    kept = trainer.communicator.gather(kept)[0]  # the first of several processes has the run
    return trainer.test(model, splits, checkpoint="best" if kept else None)


def default_name(settings):
    """Return ``model-data`` as a folder's name."""
    return as_run_name("-".join(prefix(one.name) for one in (settings.model, settings.data)))


def head(settings, model, splits, trainer):
    """Return the line that says what is about to be trained on what."""
    parameters = sum(parameter.size for parameter in model.parameters())
    sizes = [
        f"{len(data):,} {what}"
        for what, data in (("train", splits.train), ("val", splits.val), ("test", splits.test))
        if data is not None
    ]
    return (
        f"{settings.model.name} on {settings.data.name}: {parameters:,} parameters, "
        f"{' + '.join(sizes)} samples, {trainer.device}, seed {settings.general['seed']}"
    )


def farewell(trainer, runs_dir):
    """Return where the run is, and how to look at it."""
    if trainer.run is None:
        return "run: not kept"
    place = "" if runs_dir == "runs" else f" {runs_dir}"
    look = f"tensorboard{place}" if installed("tensorboard") else f"runs show {trainer.run.shown}"
    return f"run: {trainer.run.shown}\nlook at it: firstlight {look}"
