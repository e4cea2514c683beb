"""Content: everything that a report or a poster tells of one run."""

import json
import re
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from firstlight.runs import RunFolder
from firstlight.runs.query import flat
from firstlight.support.summary import human
from firstlight.tools import figures
from firstlight.tools.figures.classification import album
from firstlight.tools.figures.learning_curves import metrics_of
from firstlight.tools.language import say, speaking
from firstlight.tools.report import background
from firstlight.tools.report.seeds import same_experiment, spread

SAMPLES = 24  # images shown of the data
HISTOGRAMS = 16  # parameters shown, at most
WRITTEN = 1500  # characters of what a language model wrote


@dataclass
class Content:
    """What there is to tell of one run; what there is not is empty.

    Attributes
    ----------
    run : RunFolder
    facts : list of (str, str)
        The few numbers that stand at the top.
    settings : dict of str to value
    metrics : list of dict
        Rows with "name", "best", "epoch", "last", "spread" (over seeds).
    seeds : list
        Seeds of the finished runs of the same experiment.
    figures : dict of str to matplotlib Figure
    summary : firstlight.support.summary.Summary or None
        Of the model.
    structure : str
        The model as it describes itself, where a script made it.
    written : str
        Of a language model.
    gradients : list of dict
        Rows of ``gradients.json``, where a gradient check left one.
    timing, environment, packages : list of (str, str)
        The last are those that the run does not depend on.
    commands : list of str
        That make the run again.
    missing : str
        Why there are no pictures of the model, if there are none.
    problem : str
        How a run ended that did not finish.
    """

    run: object
    facts: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    metrics: list = field(default_factory=list)
    seeds: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    summary: object = None
    structure: str = ""
    written: str = ""
    gradients: list = field(default_factory=list)
    timing: list = field(default_factory=list)
    environment: list = field(default_factory=list)
    packages: list = field(default_factory=list)
    commands: list = field(default_factory=list)
    missing: str = ""
    problem: str = ""


def gather(run, others=(), rebuilt=None, *, split="test", language="en", missing=""):
    """Return the `Content` of a run.

    Parameters
    ----------
    run : RunFolder
    others : list of RunFolder
        Among which those of the same experiment with other seeds are found.
    rebuilt : (Module, DataSplits, Trainer, Path), optional
        The run's model with its data, and the checkpoint with its weights; without, there are no
        pictures of them.
    split : {"train", "val", "test"}
        The samples of confusion matrix and mistakes, if there are such.
    language : {"en", "de"}
    missing : str
        Why there is no ``rebuilt``.
    """
    with speaking(language):
        return _gather(run, others, rebuilt, split, missing)


def of_trainer(trainer, data, others=(), **options):
    """Return the `Content` of the run that a script has just made, with pictures of its model.

    Parameters
    ----------
    trainer : Trainer
        After its ``fit``.
    data : DataSplits
        What it was trained on.
    others, options
        As in `gather`.

    Raises
    ------
    ValueError
        The trainer has no run.
    """
    if trainer.run is None:
        raise ValueError(
            "of_trainer: expected a trainer whose fit has made a run, got one without; call fit "
            "first, and give the Trainer a runs_dir"
        )
    run = RunFolder(trainer.run.path)
    best = "best" if (run.path / "checkpoints" / "best.safetensors").is_file() else None
    return gather(run, others, (trainer.module, data, trainer, best), **options)


def _gather(run, others, rebuilt, split, missing):
    content = Content(run)
    if run.status not in ("finished", "running"):
        error = run.summary.get("error", "")
        content.problem = say(run.status) + (f": {error}" if error else "")
    if missing:
        said = say("There are no pictures of the model and its data: {why}")
        content.missing = said.format(why=say(missing))
    model = run.config.get("model")
    content.structure = model if isinstance(model, str) else ""
    content.settings = {
        name: value
        for name, value in flat(run.config).items()
        if not (name.startswith("facts.") or (name == "model" and content.structure))
        and value not in (None, [], {})
    }
    same = same_experiment(run, others)
    content.seeds = sorted((one.config.get("seed") for one in same), key=str)
    content.metrics = [_metric(run, same, name) for name in _names(run)]
    content.environment, content.packages = background.environment(run)
    content.commands = background.commands(run)
    content.timing = background.timing(run)
    content.written = _written(run)
    content.gradients = _rows(run.path / "gradients.json")
    shares = run.summary.get("time_shares")
    if metrics_of(run.history):
        content.figures["curves"] = figures.curves(
            run.history, shares=shares, columns=3, size=(3.2, 2.4)
        )
    if rebuilt is not None:
        _look(content, *rebuilt, split)
    parameters = content.summary and content.summary.parameters
    content.facts = _facts(content, parameters)
    return content


def _names(run):
    """Return the metrics to tell of: those of tests and validations, and the training's."""
    names = [*run.metrics, *run.history]
    wanted = [n for n in dict.fromkeys(names) if n.startswith(("test_", "val_", "train_"))]
    order = ("test_", "val_", "train_")
    wanted.sort(key=lambda n: next(i for i, stage in enumerate(order) if n.startswith(stage)))
    return [name for name in wanted if not name.endswith("_step")]


def _metric(run, same, name):
    logged = name in run.history
    ranked = logged and run.history.direction(name)
    last = run.history[name][-1] if logged else run.metrics[name]
    best = run.history.best(name) if ranked else {name: last}
    return {
        "name": name,
        "best": best[name],
        "epoch": best.get("epoch"),
        "last": last,
        "spread": spread(same, name, "best" if ranked else "last"),
    }


def _facts(content, parameters):
    run = content.run
    rows = [(_in_words(row["name"]), f"{row['best']:.4g}") for row in content.metrics]
    rows = [row for row in rows if row[0].startswith(("test", "val"))][:2]
    if parameters:
        rows.append(("parameters", f"{parameters:,}"))
    place = run.place
    rows.append(("epochs", f"{place['epoch']:,}"))
    rows.append(("steps", f"{place['step']:,}"))
    rows.append(("time", background.duration(place["time"])))
    rows.append(("status", say(run.status)))
    return [(say(name), value) for name, value in rows]


def _in_words(name):
    """Return ``test accuracy`` for ``test_acc``."""
    return re.sub(r" acc$", " accuracy", name.replace("_", " "))


def _look(content, model, splits, trainer, checkpoint, split):
    """Add what is seen by running the model on its data."""
    split = next(s for s in (split, "val", "train") if getattr(splits, s) is not None)
    data, loader = getattr(splits, split), splits.loader(split, training=False)
    x = next(iter(loader))[0][:SAMPLES]
    if x.ndim == 4 and x.shape[3] in (1, 3):
        titles = None
        if splits.classes is not None:
            titles = [str(splits.classes[k]) for k in data[np.arange(len(x))][1]]
        content.figures["sample"] = figures.image_grid(x, titles, columns=12)
    if splits.tokenizer is None:
        scores = trainer.predict(model, loader, checkpoint=checkpoint)
        _look_at_predictions(content, model, data, splits, scores)
    content.summary = model.summary(x[:1])
    parameters = {n: p.data for n, p in model.named_parameters() if p.size > 1}
    chosen = dict(list(parameters.items())[:HISTOGRAMS])
    content.figures["histograms"] = figures.histograms(chosen)


def _look_at_predictions(content, model, data, splits, scores):
    if splits.classes is not None and scores.shape[1:] == (len(splits.classes),):
        pictures = album(model, data, scores, splits.classes)
        content.figures |= dict(takewhile(lambda pair: pair[0] != "occlusion", pictures))
        return
    rows = data[np.arange(len(scores))]
    if len(rows) == 2 and rows[1].size == scores.size == len(scores):
        content.figures["fit"] = figures.predictions(rows[0], rows[1], scores)


def _written(run):
    try:
        text = (run.path / "samples.txt").read_text(encoding="utf-8")
    except OSError:
        return ""
    return text.rpartition("--- step")[2].partition("\n")[2].strip()[:WRITTEN]


def _rows(path):
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else []


def memory(number):
    """Return a number of bytes in words."""
    return human(number, "B")
