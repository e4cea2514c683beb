"""What ``check`` and ``explain`` look at: a model and data by name, or those of a script."""

from pathlib import Path

from firstlight import plugins
from firstlight.cli.arguments import Arguments
from firstlight.cli.errors import Parser, UsageError
from firstlight.cli.facts import facts_of
from firstlight.cli.fit import DATA, MODEL, choose_both
from firstlight.cli.names import Names, load_config
from firstlight.rng import seed_everything

SEED = {"seed": (int, 0, "Seeds everything random.")}


def parser(command, description):
    """Return a parser with the flags that name a model and data."""
    made = Parser(
        command,
        description,
        usage=f"firstlight {command} [SCRIPT] [--model NAME] [--data NAME] [arguments]",
        add_help=False,
    )
    models, data = (", ".join(plugins.registry(kind).names()) for kind in ("model", "dataset"))
    add = made.add_argument
    add("script", nargs="?", help="a training script, up to its Trainer.fit; or file.py:Class")
    add(
        "--model",
        metavar="NAME",
        help=f"{models}; module:Class or file.py:Class (default: {MODEL})",
    )
    text = f"{data}; module:function, or a .csv, .npz or .txt file (default: {DATA})"
    add("--data", metavar="NAME", help=text)
    text = "YAML or JSON with settings, or the folder of a run; may be repeated"
    add("--config", metavar="FILE", action="append", default=[], help=text)
    add("--checkpoint", metavar="FILE", help="weights to load first, of a model by name")
    add("-h", "--help", action="store_true", help="show this help for what is named, and stop")
    return made


def made(own, words, options=(), parser=None):
    """Return ``(model, data, name of the data, values of the options)``, None after a help.

    Parameters
    ----------
    own : argparse.Namespace
        What the parser read.
    words : list of str
        What it left over.
    options : dict
        Further flags, as for `Arguments`.
    """
    script = own.script
    if script is not None and ":" in script:
        own.model, script = script, None
    names = Names()
    for path in own.config:
        names.add(load_config(path), Path(path).name)
    names.callbacks.clear()
    for kind in ("model", "data"):
        if getattr(own, kind) is not None:
            names.choose(kind, getattr(own, kind))
    choose_both(names)
    fixed = {"max_epochs", "callbacks"}  # the trainer's flags are of no use here, and not shown
    settings = Arguments(names, {**SEED, **dict(options)}, fixed=fixed)
    if own.help:
        print(parser.format_help(), settings.parser.format_help(), sep="\n", end="")
        return None
    settings.parse(words, known=vars(own))
    seed_everything(settings.general["seed"])
    if script is not None:
        from firstlight.diagnose.script import model_and_data

        try:
            model, data = model_and_data(script)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if data is None or own.data is not None:
            data = settings.data.make_data()
        return model, data, getattr(data, "name", script), settings.general
    data = settings.data.make_data()
    model = settings.model.make_model(facts_of(data))
    if own.checkpoint:
        from firstlight.checkpoint import Checkpoint

        model.load_state_dict(Checkpoint.load(own.checkpoint).model)
    return model, data, data.name, settings.general
