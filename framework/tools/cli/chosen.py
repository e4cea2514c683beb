"""What ``check`` and ``explain`` look at: a model and data by name, or those of a script."""

from dataclasses import dataclass

from firstlight import plugins
from firstlight.support.rng import seed_everything
from firstlight.tools.cli import trust
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.facts import facts_of
from firstlight.tools.cli.fit import DATA, MODEL, choose_both
from firstlight.tools.cli.names import Names, prefix
from firstlight.tools.cli.text import tell

SEED = {"seed": (int, 0, "Seeds everything random.")}


def split(words):
    """Return the words before a bare ``--``, and those behind it, which are the script's."""
    if "--" not in words:
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def parser(command, description):
    """Return a parser with the flags that name a model and data."""
    made = Parser(
        command,
        description,
        usage=(
            f"firstlight {command} [SCRIPT] [--model NAME] [--data NAME] [arguments] "
            "[-- arguments of the script]"
        ),
        add_help=False,
    )
    models, data = (", ".join(plugins.registry(kind).names()) for kind in ("model", "dataset"))
    add = made.add_argument
    add("script", nargs="?", help="a training script, without its training; or file.py:Class")
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
    add("--trust", action="store_true", help=trust.HELP)
    add("-h", "--help", action="store_true", help="show this help for what is named, and stop")
    return made


@dataclass
class Chosen:
    """What a command line names.

    Attributes
    ----------
    trainings : list of firstlight.tools.diagnose.script.Training
        One, but for scripts that train several times.
    name : str
        Of the data.
    ended : str
        How far a script was followed, "" for to its end.
    options : dict
        Values of further flags.
    """

    trainings: list
    name: str
    ended: str
    options: dict


def made(own, words, options=(), parser=None, arguments=()):
    """Return what is `Chosen`, None after a help.

    Parameters
    ----------
    own : argparse.Namespace
        What the parser read.
    words : list of str
        What it left over.
    options : dict
        Further flags, as for `Arguments`.
    arguments : list of str
        The script's own.
    """
    script = own.script
    if script is not None and ":" in script:
        own.model, script = script, None
    if arguments and script is None:
        raise UsageError("what stands behind -- goes to a script, and none is named")
    names = Names(trusted=own.trust)
    for path in own.config:
        names.add_file(path)
    # what only a training wants is of no use here, and not shown
    unused = {"trainer", "name", "runs_dir", *map(prefix, names.callbacks)}
    names.values = {f: v for f, v in names.values.items() if f.partition(".")[0] not in unused}
    names.callbacks.clear()
    for kind in ("model", "data"):
        if getattr(own, kind) is not None:
            names.choose(kind, getattr(own, kind))
    choose_both(names)
    fixed = {"max_epochs", "callbacks"}
    settings = Arguments(names, {**SEED, **dict(options)}, fixed=fixed)
    if own.help:
        tell(parser.format_help(), settings.parser.format_help(), sep="\n", end="")
        return None
    settings.parse(words, known=vars(own))
    seed_everything(settings.general["seed"])
    from firstlight.tools.diagnose.script import Training, trainings

    if script is not None:
        try:
            found, ended = trainings(script, arguments)
        except ValueError as error:
            raise UsageError(str(error)) from error
        for training in found:
            if training.data is None or own.data is not None:
                training.data = settings.data.make_data()
        return Chosen(found, getattr(found[0].data, "name", script), ended, settings.general)
    data = settings.data.make_data()
    model = settings.model.make_model(facts_of(data))
    if own.checkpoint:
        from firstlight.checkpoints.format import Checkpoint

        model.load_state_dict(Checkpoint.load(own.checkpoint).model)
    return Chosen([Training(model, data)], data.name, "", settings.general)
