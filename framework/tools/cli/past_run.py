"""Past runs: their folders, models and data, rebuilt for the commands that evaluate them."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.data.preprocessing import FILE, Preprocessing
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.runs import RunFolder, find_run
from firstlight.runs.run import TOKENIZER
from firstlight.support.printable import shown
from firstlight.support.reading import read_json
from firstlight.support.rng import seed_everything
from firstlight.tools.cli import trust
from firstlight.tools.cli.arguments import Arguments, Choice
from firstlight.tools.cli.command import RUNS_DIR, Args, Command, Options, option
from firstlight.tools.cli.data_arguments import FROM_DATA, arguments_from_data
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.names import Names, resolved
from firstlight.tools.script_runs import ScriptRun
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from firstlight.module import Module

SETTABLE = (
    *("device", "limit_val_batches", "limit_test_batches", "limit_predict_batches"),
    "metrics",
)
OWN_OPTIONS = ("data", "runs_dir", "checkpoint", "trust")
SIZES = ("val_size", "test_size")
PLACES = ("target", "columns", "drop", "words", "group", "shuffle", "folds", "fold")  # of the
# run's own table: another has the run's columns, and is not split


SPLIT = option("--split", "samples to use", "test", choices=SPLITS)


class RunCommand(Command):
    """A command on the model of a run."""

    usage = "[RUN] [arguments]"
    typed = True
    epilog = "further arguments:\n  --trainer.device cpu|cuda|auto"
    options: Options = (
        option("run", "folder of the run, or name, or name/id (default: the latest)", nargs="?"),
        option("--checkpoint best|last|FILE", "weights to use (default: best)"),
        RUNS_DIR,
        trust.OPTION,
    )


class RunDataCommand(RunCommand):
    """A command on the model of a run, and on data."""

    epilog = """\
further arguments:
  --data.ARGUMENT VALUE   other arguments of the data
  --trainer.device cpu|cuda|auto
  --trainer.limit_val_batches, --trainer.limit_test_batches int|float
                          evaluate this number of batches, or this share of them
  --trainer.metrics f1,auc,...
                          other metrics than those of the run"""
    on_data: bool = True

    options: Options = (
        option("--data NAME", "other data than the run's; all samples, if it is a file"),
    )

    def rebuild(self, args: Args) -> tuple[Path, Module, DataSplits, Trainer, Path]:
        """Return folder, model, data, Trainer and checkpoint of the run that options name."""
        folder = find(args.run, args.runs_dir)
        path = checkpoint_path(folder, args.checkpoint)
        return folder, *rebuild(folder, args.rest, args.data, trusted=args.trust), path


def find(name: str | None, runs_dir: str) -> Path:
    """Return the folder of a run; see `firstlight.runs.find_run`."""
    with usage_errors(kinds=(FileNotFoundError,)):
        return find_run(name, runs_dir).path


def chosen_split(splits: DataSplits, split: str) -> Any:
    """Return the data of a split, which must be there."""
    data = getattr(splits, split)
    if data is None:
        there = ", ".join(name for name in SPLITS if getattr(splits, name) is not None)
        raise UsageError(f"data {splits.name} has no {split} split; choose --split {there}")
    return data


def checkpoint_path(folder: Path, which: str | None) -> Path:
    """Return the file of a checkpoint: "best", "last" or a path; None is the best available."""
    if which in ("best", "last"):
        return folder / "checkpoints" / f"{which}.safetensors"
    if which is not None:
        return Path(which)
    best = folder / "checkpoints" / "best.safetensors"
    return best if best.is_file() else best.with_name("last.safetensors")


def rebuild(
    folder: Path,
    words: Iterable[str],
    data: str | None = None,
    *,
    trusted: bool = False,
    known: Iterable[str] = OWN_OPTIONS,
    with_data: bool = True,
    with_model: bool = True,
) -> tuple[Module | None, DataSplits | None, Trainer]:
    """Return model, data and Trainer of a run, with the data and device that options ask for.

    Parameters
    ----------
    folder : Path
    words : list of str
        ``--data.*`` and those in `SETTABLE`, as ``--option=value``.
    data : str or None
        Name of other data than the run's.
    trusted : bool
        Whether code that the run names may run, though this user's commands have not made it.
    known : iterable of str
        Options that are suggested for one that is misspelled.
    with_data : bool
        Whether the data are loaded.
    with_model : bool
        Whether the model is created; else it is None.
    """
    with usage_errors(kinds=(FileNotFoundError,)):
        by_script = RunFolder(folder).by_script
    script = ScriptRun(folder, trusted=trusted) if by_script else None
    arguments, config = _settings(folder, data, words, known, trusted, script)
    facts, splits = config["facts"], None
    if with_data and arguments.data is None:
        splits = script.data()
    model = script.model() if script and with_model else None
    with _located(folder):
        if with_data and splits is None:
            own = partial(_settings, folder, None, [], known, trusted)
            own = None if by_script else own
            splits = _data(folder, arguments.data, config.get("data", {}), words, own)
            facts = {**arguments_from_data(splits), **facts}
        trainer = arguments.trainer.make(runs_dir=None, default_callbacks=False)
        facts["input_shape"] = tuple(facts.get("input_shape", ()))
        if with_model and model is None:
            model = arguments.model.make_model(facts)
        return model, splits, trainer


@contextlib.contextmanager
def _located(folder: Path) -> Iterator[None]:
    """Add the file of the settings to errors."""
    file = folder / "config.json"
    try:
        with usage_errors(f"{file}: ", (UsageError,)):
            yield
    except UsageError:
        raise
    except Exception as error:
        kept = f"; classes and scale: {folder / FILE}" if (folder / FILE).is_file() else ""
        error.add_note(f"settings: {file}{kept}")
        raise


def _settings(folder, data, words, known, trusted, script=None):
    """Return the `Arguments` of a run with what options ask for, and its config; set its seed."""
    for word in words:
        if word.startswith("--model."):
            flag = word.partition("=")[0]
            raise UsageError(f"unknown argument {flag}; a run's model is rebuilt as it was")
    config = _config(folder / "config.json")
    names = Names(trusted=trusted)
    trainer = {"device": "cpu" if config["trainer"].get("device", "cpu") == "cpu" else "auto"}
    trainer |= {"metrics": metrics} if (metrics := _metrics(config)) else {}
    said = {"model": config["model"], "data": config.get("data", {}), "trainer": trainer}
    if script is not None:
        config["data"] = script.named_data()
        said = {"data": config["data"], "trainer": trainer}
    names.add(said, trust.Source("config.json", folder))
    if data is not None:
        names.choose("data", data)
    fixed = set(inspect.signature(Trainer).parameters).difference(SETTABLE)
    arguments = Arguments(names, fixed=fixed, has_trainer=True)
    takes = inspect.signature(arguments.data.target).parameters if arguments.data else ()
    kept = folder / TOKENIZER
    if kept.is_file() and "tokenizer" in takes:  # the model has the vocabulary of its training
        names.values["data.tokenizer"] = str(kept), ""
    arguments.parse(words, known)
    seed_everything(config.get("seed", 0))
    return arguments, config


def _metrics(config):
    """Return the names of a run's metrics; those that a script gave as objects are left out."""
    callbacks = config.get("callbacks")
    of_script = callbacks.get("metrics") if isinstance(callbacks, dict) else None
    named = of_script.get("names") if isinstance(of_script, dict) else None
    names = config["trainer"].get("metrics") or named or []
    names = names.split(",") if isinstance(names, str) else names
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _config(file: Path) -> dict[str, Any]:
    """Return the settings of a run."""
    try:
        config = read_json(file)
        if not isinstance(config, dict) or "model" not in config:
            raise ValueError("it does not hold the settings of a run")
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be used: {error}; restore it, or train again") from error
    if not isinstance(config["model"], dict) or "name" not in config["model"]:
        raise UsageError(f"{file}: model: expected its name and arguments; restore it")
    seed = config.get("seed", 0)
    if not (seed is None or (isinstance(seed, int) and seed >= 0)):
        raise UsageError(f"{file}: seed: expected a whole number, got {shown(seed)}; restore it")
    for part in ("trainer", "facts"):
        value = config.setdefault(part, {})
        if not isinstance(value, dict):
            message = f"expected settings by name, got {shown(value)}"
            raise UsageError(f"{file}: {part}: {message}")
    shape = config["facts"].get("input_shape", [])
    if not (isinstance(shape, list) and all(isinstance(n, int) for n in shape)):
        told = f"expected a list of whole numbers, got {shown(shape)}"
        raise UsageError(f"{file}: facts.input_shape: {told}; restore it")
    config["facts"] = {name: config["facts"][name] for name in FROM_DATA if name in config["facts"]}
    return config


def _data(folder: Path, data: Choice, config: Any, words: Iterable[str], own) -> DataSplits:
    """Return data with the run's classes, columns and scale.

    A file that is not the run's own is not split, unless sizes are given: all of its samples are
    evaluated, for any split.

    Parameters
    ----------
    folder : Path
        Of the run.
    data : Choice
        The data to load.
    config : dict
        The settings of the run's own data, from ``config.json``.
    words : list of str
        Options that the user gave.
    own : callable or None
        Returns the run's own `Arguments`, for an old run that keeps no preprocessing.
    """
    takes = inspect.signature(data.target).parameters
    mine = config if isinstance(config, Mapping) else {"name": config}
    identities = [(data.name, data.values), (mine.get("name"), mine)]
    one, another = ((name, resolved(values.get("path"))) for name, values in identities)
    other = one != another
    like = _kept(folder, own, other)
    given = {word.removeprefix("--data.").partition("=")[0].replace("-", "_") for word in words}
    if "like" in takes and "like" not in given:
        data.values["like"] = like
    if other:
        data.values = {n: v for n, v in data.values.items() if n not in PLACES or n in given}
    elif moved := {n for n in (*SIZES, "seed") if n in given and data.values[n] != mine.get(n)}:
        flags = ", ".join(f"--data.{name}" for name in sorted(moved))
        warnings.warn(
            f"{flags}: the run's data are split otherwise than they were for its training, so that "
            "it may be evaluated on samples that it was trained on; leave out what splits them",
            stacklevel=2,
        )
    whole = other and "path" in takes and takes.keys() >= set(SIZES) and given.isdisjoint(SIZES)
    if whole:
        data.values |= dict.fromkeys(SIZES, 0)
    splits = data.make_data()
    if like is not None and "like" not in takes:
        splits = like.applied_to(splits)
    if whole:
        for split in SPLITS:
            setattr(splits, split, getattr(splits, split) or splits.train)
    return splits


def _kept(folder, own, other):
    """Return the `Preprocessing` of a run; of an old run that keeps none, that of its data.

    None is for an old run whose own data are loaded, which makes it again.
    """
    found = Preprocessing.of_run(folder)
    if found is not None or not other or own is None:
        return found
    message = (
        f"run {folder} keeps no {FILE}, from which other data would get its classes and scale, "
        "and its own data cannot be loaded: "
    )
    with usage_errors(message, (OSError, ValueError)):
        return Preprocessing.of(own()[0].data.make_data())
