"""Find a run's folder, and rebuild its model and data."""

import json
from pathlib import Path

from firstlight.cli import settings
from firstlight.cli.errors import UsageError
from firstlight.cli.facts import facts_of
from firstlight.cli.layers import Layers
from firstlight.rng import seed_everything
from firstlight.run import LATEST, latest_run
from firstlight.trainer import Trainer

SETTABLE = ("trainer.device", "trainer.limit_val_batches", "trainer.limit_test_batches")


def find(name, runs_dir):
    """Return the folder of a run.

    Parameters
    ----------
    name : str or None
        A path, or what stands below ``runs_dir``: ``latest``, ``name``, ``name/id``; of a name
        alone its newest run. None is the latest run.
    runs_dir : path-like

    Raises
    ------
    UsageError
        There is none; the message lists some that there are.
    """
    runs_dir = Path(runs_dir)
    every = sorted(runs_dir.glob("*/*/config.json"), key=lambda path: path.parent.name)
    every = [path.parent for path in every]  # ids begin with the time
    if name is None or Path(name).name == LATEST:
        newest = latest_run(runs_dir if name is None else Path(name).parent) or latest_run(runs_dir)
        if newest is not None or every:
            return (newest or every[-1]).resolve()
    else:
        for place in (Path(name), runs_dir / name):
            if (place / "config.json").is_file():
                return place.resolve()
            inside = sorted(place.glob("*/config.json"))
            if inside and place != runs_dir:
                return inside[-1].parent.resolve()
    if not every:
        where = "" if name is None else f" {name}"
        raise UsageError(f"no run{where} in {runs_dir}; make one with: firstlight fit")
    newest = ", ".join(str(path.relative_to(runs_dir)) for path in every[:-4:-1])
    raise UsageError(f"no run {name} in {runs_dir}; the newest are: {newest}")


def load_config(folder):
    """Return the config of a run that the command line made.

    Raises
    ------
    UsageError
        A script made it, so that nobody knows how to build its model.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(config.get("model"), dict) or "name" not in config["model"]:
        raise UsageError(
            f"run {folder} was made by a script, so its model cannot be built from config.json; "
            "evaluate it there: Trainer().test(module, data, checkpoint=...)"
        )
    return config


def rebuild(folder, pairs):
    """Return ``(model, splits, trainer)`` of a run, with the data and device that flags ask for.

    Parameters
    ----------
    folder : Path
    pairs : list of (flag, value)
        ``data``, ``data.*`` and those in `SETTABLE`.
    """
    config = load_config(folder)
    layers = Layers()
    layers.add_config({key: config[key] for key in ("model", "data")}, "config.json")
    device = config.get("trainer", {}).get("device", "cpu")
    layers.add_config({"trainer": {"device": "cpu" if device == "cpu" else "auto"}}, "config.json")
    for flag, _ in pairs:
        if not (flag == "data" or flag.startswith("data.") or flag in SETTABLE):
            known = ["data", "runs_dir", "checkpoint", *SETTABLE]
            raise UsageError(settings.unknown(flag, "", known, layers))
    layers.add_pairs(pairs)
    chosen = settings.choose(layers)
    settings.fill(chosen, layers)
    seed_everything(config.get("seed", 0))
    splits = settings.load_data(chosen.data)
    model = chosen.make_model({**facts_of(splits), **_facts(config)})
    names = [flag.removeprefix("trainer.") for flag in SETTABLE]
    limits = {name: chosen.trainer.values[name] for name in names}
    trainer = Trainer(runs_dir=None, default_callbacks=False, **limits)
    return model, splits, trainer


def checkpoint_path(folder, which):
    """Return the file of a checkpoint: "best", "last" or a path; None is the best there is."""
    if which in ("best", "last"):
        return folder / "checkpoints" / f"{which}.safetensors"
    if which is not None:
        return Path(which)
    best = folder / "checkpoints" / "best.safetensors"
    return best if best.is_file() else best.with_name("last.safetensors")


def _facts(config):
    facts = dict(config.get("facts", {}))
    if "input_shape" in facts:
        facts["input_shape"] = tuple(facts["input_shape"])
    return facts
