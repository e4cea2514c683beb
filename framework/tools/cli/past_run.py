"""Find a run's folder, and rebuild its model and data."""

import contextlib
import inspect
from functools import partial
from pathlib import Path

from firstlight.data.preprocessing import FILE
from firstlight.runs import find_run
from firstlight.runs.run import TOKENIZER
from firstlight.support.reading import read_json
from firstlight.support.rng import seed_everything
from firstlight.tools.cli import run_data, trust
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.errors import Parser, UsageError, shown
from firstlight.tools.cli.facts import FACTS, facts_of
from firstlight.tools.cli.names import Names
from firstlight.trainer import Trainer

SETTABLE = ("device", "limit_val_batches", "limit_test_batches", "limit_predict_batches")
OWN_FLAGS = ("data", "runs_dir", "checkpoint", "trust")


EVALUATING = """\
further arguments:
  --data.ARGUMENT VALUE   other arguments of the data
  --trainer.device cpu|cuda|auto
  --trainer.limit_val_batches, --trainer.limit_test_batches int|float
                          evaluate only so many batches, or this share of them"""


def parser(command, description, *, on_data=True):
    """Return a parser with the flags of a command on runs, that needs their data or not."""
    made = Parser(
        command,
        description,
        usage=f"firstlight {command} [RUN] [arguments]",
        epilog=EVALUATING if on_data else "further arguments:\n  --trainer.device cpu|cuda|auto",
    )
    add = made.add_argument
    add("run", nargs="?", help="folder of the run, or name, or name/id (default: the latest)")
    add("--checkpoint", metavar="best|last|FILE", help="which weights (default: best)")
    if on_data:
        add("--data", metavar="NAME", help="other data than the run's; of a file all samples")
    add("--runs_dir", metavar="DIR", default="runs", help="folder that keeps all runs")
    add("--trust", action="store_true", help=trust.HELP)
    return made


def find(name, runs_dir):
    """Return the folder of a run; see `firstlight.runs.find_run`."""
    try:
        return find_run(name, runs_dir).path
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error


def rebuild(folder, data, words, trusted=False):
    """Return ``(model, splits, trainer)`` of a run, with the data and device that flags ask for.

    Parameters
    ----------
    folder : Path
    data : str or None
        Name of other data than the run's.
    words : list of str
        ``--data.*`` and those in `SETTABLE`, as ``--flag=value``.
    trusted : bool
        Whether code that the run names may run, though this user's commands have not made it.
    """
    arguments, config = _settings(folder, data, words, OWN_FLAGS, trusted)
    own = partial(_settings, folder, None, [], OWN_FLAGS, trusted)
    with _named(folder):
        splits = run_data.make(folder, arguments.data, config.get("data", {}), words, own)
        facts = {**facts_of(splits), **config["facts"]}
        return _model(arguments, facts), splits, _trainer(arguments)


def rebuild_model(folder, words, known, trusted=False):
    """Return ``(model, trainer)`` of a run, without its data; see `rebuild`.

    Flags in ``known`` are offered for one that is misspelled.
    """
    arguments, config = _settings(folder, None, words, known, trusted)
    with _named(folder):
        return _model(arguments, config["facts"]), _trainer(arguments)


@contextlib.contextmanager
def _named(folder):
    """Have errors say which file the settings are from."""
    file = folder / "config.json"
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    except Exception as error:
        kept = f"; classes and scale: {folder / FILE}" if (folder / FILE).is_file() else ""
        error.add_note(f"settings: {file}{kept}")
        raise


def _settings(folder, data, words, known, trusted):
    """Return the `Arguments` of a run with what flags ask for, and its config; seeds as it did."""
    for word in words:
        if word.startswith("--model."):
            flag = word.partition("=")[0]
            raise UsageError(f"unknown argument {flag}; a run's model is rebuilt as it was")
    try:
        config = read_json(folder / "config.json")
        if not isinstance(config, dict) or "model" not in config:
            raise ValueError("it does not hold the settings of a run")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder / 'config.json'} cannot be used: {error}; restore it, or train again"
        ) from error
    if not isinstance(config.get("model"), dict) or "name" not in config["model"]:
        raise UsageError(
            f"run {folder} was made by a script, so its model cannot be built from config.json; "
            "evaluate it there: Trainer().test(module, data, checkpoint=...)"
        )
    for part in ("trainer", "facts"):
        if not isinstance(config.setdefault(part, {}), dict):
            raise UsageError(
                f"{folder / 'config.json'}: {part}: expected settings by name, got "
                f"{shown(config[part])}"
            )
    config["facts"] = {name: config["facts"][name] for name in FACTS if name in config["facts"]}
    names = Names(trusted=trusted)
    trainer = {"device": "cpu" if config["trainer"].get("device", "cpu") == "cpu" else "auto"}
    said = {"model": config["model"], "data": config.get("data", {}), "trainer": trainer}
    names.add(said, trust.Source("config.json", folder))
    if data is not None:
        names.choose("data", data)
    fixed = set(inspect.signature(Trainer).parameters).difference(SETTABLE)
    arguments = Arguments(names, fixed=fixed)
    kept, takes = folder / TOKENIZER, inspect.signature(arguments.data.target).parameters
    if kept.is_file() and "tokenizer" in takes:  # the model knows the tokens of its training only
        names.values["data.tokenizer"] = str(kept), ""
    arguments.parse(words, known)
    seed_everything(config.get("seed", 0))
    return arguments, config


def _model(arguments, facts):
    shape = tuple(facts.get("input_shape", ()))
    return arguments.model.make_model({**facts, "input_shape": shape})


def _trainer(arguments):
    return arguments.trainer.make(runs_dir=None, default_callbacks=False)


def checkpoint_path(folder, which):
    """Return the file of a checkpoint: "best", "last" or a path; None is the best there is."""
    if which in ("best", "last"):
        return folder / "checkpoints" / f"{which}.safetensors"
    if which is not None:
        return Path(which)
    best = folder / "checkpoints" / "best.safetensors"
    return best if best.is_file() else best.with_name("last.safetensors")
