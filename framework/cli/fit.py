"""``firstlight fit``: train a model on a data set."""

import re

from firstlight import plugins
from firstlight.cli import settings, text
from firstlight.cli.errors import UsageError
from firstlight.cli.facts import facts_of
from firstlight.cli.layers import prefix, read
from firstlight.cli.words import SWITCHES, split
from firstlight.rng import seed_everything

MODEL, DATA = "mlp", "digits"  # what plain `firstlight fit` trains
SCHEDULE = "lr_schedule"  # its cosine lets every training end on small steps
USAGE = """\
usage: firstlight fit [--model NAME] [--data NAME] [--callback NAME ...] [arguments]

Train a model on a data set, keep the run in a folder, and test the best weights.

  firstlight fit --model mlp --model.hidden 512,256 --data mnist --trainer.max_epochs 10
  firstlight fit --callback early_stopping --early_stopping.patience 5 --config mine.yaml
"""
NAMES = ("model", "data", "callback", "config", "print_config", "debug", "help")


def run(argv):
    """Train; returns the exit code."""
    positionals, pairs = split(argv)
    if positionals:
        raise UsageError(f"unexpected {positionals[0]!r}; arguments begin with two dashes")
    switches = {flag for flag, _ in pairs if flag in SWITCHES}
    layers = read([pair for pair in pairs if pair[0] not in ("help", "print_config")])
    use_defaults(layers)
    chosen = settings.choose(layers)
    if "help" in switches:
        print(help_text(chosen))
        return 0
    settings.fill(chosen, layers, known=NAMES)
    if "print_config" in switches:
        print(text.as_yaml(chosen.config()), end="")
        return 0
    return train(chosen)


def use_defaults(layers):
    """Choose what was not named: the model or data set of the same name as the other, or ours.

    The learning rate falls along a cosine unless ``--lr_schedule.schedule constant``, or unless
    only time limits the training, so that nobody knows how long the cosine would be.
    """
    if layers.model is None:
        same = layers.data in plugins.registry("model").names()
        layers.choose("model", layers.data if same else MODEL)
    if layers.data is None:
        same = layers.model in plugins.registry("dataset").names()
        layers.choose("data", layers.model if same else DATA)
    limits = {
        name for name in ("epochs", "steps", "time") if f"trainer.max_{name}" in layers.values
    }
    if limits != {"trainer.max_time"} and SCHEDULE not in layers.callbacks:
        layers.add_callback(SCHEDULE)


def train(chosen):
    """Train as settings say, test, and tell what came out."""
    seed_everything(chosen.general["seed"])  # before the model draws its first weights
    trainer = chosen.make_trainer(
        name=chosen.general["name"] or default_name(chosen),
        runs_dir=chosen.general["runs_dir"],
    )
    splits = settings.load_data(chosen.data)
    facts = facts_of(splits)
    model = chosen.make_model(facts)
    trainer.config["facts"] = facts
    print(head(chosen, model, splits, trainer), flush=True)
    try:
        trainer.fit(model, splits)
    except KeyboardInterrupt:
        trainer.status = "interrupted"
    except Exception as error:
        if trainer.run is not None:
            error.add_note(f"run: {trainer.run.path}")
        raise
    if trainer.status == "interrupted":
        print("interrupted; " + farewell(trainer, chosen))
        return 130
    if splits.test is not None:
        print(", ".join(" ".join(pair) for pair in text.measured(test(trainer, model, splits))))
    print(farewell(trainer, chosen))
    return 0


def test(trainer, model, splits):
    """Return the test metrics of the best weights, or of the last where no best were kept."""
    kept = trainer.run is not None and (trainer.run.checkpoints / "best.safetensors").is_file()
    return trainer.test(model, splits, checkpoint="best" if kept else None)


def default_name(chosen):
    """Return ``model-data`` as a folder's name."""
    names = prefix(chosen.model.name), prefix(chosen.data.name)
    return re.sub(r"[^\w.+=-]+", "_", "-".join(names))


def head(chosen, model, splits, trainer):
    """Return the line that says what is about to be trained on what."""
    parameters = sum(parameter.size for parameter in model.parameters())
    sizes = [
        f"{len(data):,} {what}"
        for what, data in (("train", splits.train), ("val", splits.val), ("test", splits.test))
        if data is not None
    ]
    return (
        f"{chosen.model.name} on {chosen.data.name}: {parameters:,} parameters, "
        f"{' + '.join(sizes)} samples, {trainer.device}, seed {chosen.general['seed']}"
    )


def farewell(trainer, chosen):
    """Return where the run is, and how to look at it."""
    if trainer.run is None:
        return "run: not kept"
    runs_dir = chosen.general["runs_dir"]
    place = "" if runs_dir == "runs" else f" {runs_dir}"
    return f"run: {trainer.run.path}\nlook at it: firstlight tensorboard{place}"


def help_text(chosen):
    """Return the help of the command, for what was chosen."""
    offered = {kind: ", ".join(plugins.registry(kind).names()) for kind in plugins.REGISTRARS}
    entries = [
        ("--model NAME", f"{offered['model']}; or package.module:Class (default: {MODEL})"),
        ("--data NAME", f"{offered['dataset']}; or package.module:function (default: {DATA})"),
        ("--callback NAME", f"one more callback; may be repeated: {offered['callback']}"),
        ("--config FILE", "YAML or JSON with settings, a run's config.json too; may be repeated"),
    ]
    lines = [line for entry in entries for line in text.item(*entry)]
    for argument, kind in zip(settings.GENERAL, ("NAME", "DIR", "N"), strict=True):
        flag = argument.flag.replace("_", "-")
        lines += text.item(f"--{flag} {kind}", f"{argument.help} {text.ending(argument)}")
    lines += text.item("--print_config", "show all settings as YAML, and stop")
    lines += text.item("--debug", "show the traceback of an error")
    groups = [
        text.group(f"model {chosen.model.name}", chosen.model.arguments),
        text.group(f"data {chosen.data.name}", chosen.data.arguments),
        *(text.group(f"callback {one.name}", one.arguments) for one in chosen.callbacks),
        text.group("trainer", chosen.trainer.arguments),
    ]
    return "\n\n".join([USAGE + "\nwhat to train:\n" + "\n".join(lines), *groups])
