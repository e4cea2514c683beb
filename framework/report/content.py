"""Content: everything that a report or a poster tells of one run."""

import json
import shlex
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from firstlight import figures
from firstlight.data import DataLoader
from firstlight.figures.album import album
from firstlight.figures.curves import metrics_of
from firstlight.report.seeds import same_experiment, spread
from firstlight.report.words import words
from firstlight.runs.query import flat
from firstlight.summary import human

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
    summary : firstlight.summary.Summary or None
        Of the model.
    written : str
        Of a language model.
    gradients : list of dict
        Rows of ``gradients.json``, where a gradient check left one.
    timing, environment : list of (str, str)
    commands : list of str
        That make the run again.
    missing : str
        Why there are no pictures of the model, if there are none.
    """

    run: object
    facts: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    metrics: list = field(default_factory=list)
    seeds: list = field(default_factory=list)
    figures: dict = field(default_factory=dict)
    summary: object = None
    written: str = ""
    gradients: list = field(default_factory=list)
    timing: list = field(default_factory=list)
    environment: list = field(default_factory=list)
    commands: list = field(default_factory=list)
    missing: str = ""


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
    content = Content(run, missing=missing)
    facts = run.config.get("facts", {})
    content.settings = {
        name: value
        for name, value in flat(run.config).items()
        if not name.startswith("facts.") and value not in (None, [], {})
    }
    same = same_experiment(run, others)
    content.seeds = sorted((one.config.get("seed") for one in same), key=str)
    content.metrics = [_metric(run, same, name) for name in _names(run)]
    content.environment, content.commands = _environment(run), _commands(run)
    content.timing = _timing(run)
    content.written = _written(run)
    content.gradients = _rows(run.path / "gradients.json")
    shares = run.summary.get("time_shares")
    say = words(language)
    labels = {"train": say["training"], "val": say["validation"]}
    if metrics_of(run.history):
        content.figures["curves"] = figures.curves(run.history, shares=shares, labels=labels)
    if rebuilt is not None:
        _look(content, *rebuilt, split)
    parameters = content.summary and content.summary.parameters
    content.facts = _facts(content, facts, parameters)
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
    best = run.history.best(name) if logged else {name: run.metrics[name]}
    return {
        "name": name,
        "best": best[name],
        "epoch": best.get("epoch"),
        "last": run.history[name][-1] if logged else run.metrics[name],
        "spread": spread(same, name),
    }


def _facts(content, facts, parameters):
    run = content.run
    rows = [(row["name"].replace("_", " "), f"{row['best']:.4g}") for row in content.metrics]
    rows = [row for row in rows if row[0].startswith(("test", "val"))][:2]
    if parameters:
        rows.append(("parameters", f"{parameters:,}"))
    place = run.place
    rows.append(("epochs", f"{place['epoch']:,}"))
    rows.append(("steps", f"{place['step']:,}"))
    rows.append(("time", duration(place["time"])))
    rows.append(("status", run.status))
    return rows


def duration(seconds):
    """Return seconds as people write them: ``2 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _look(content, model, splits, trainer, checkpoint, split):
    """Add what is seen by running the model on its data."""
    data = next(d for d in (getattr(splits, split), splits.val, splits.train) if d is not None)
    loader = DataLoader(
        data, min(splits.batch_size, len(data)), transform=splits.eval_transform, prefetch=0
    )
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
        pictures = album(model, data, scores, splits.classes, splits.eval_transform)
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


def _timing(run):
    rows = [("all", duration(run.place["time"]))] if run.place["time"] else []
    seconds = [r["epoch_seconds"] for r in run.history.records if "epoch_seconds" in r]
    if seconds:
        rows.append(("epoch", duration(float(np.median(seconds)))))
    for name in ("samples_per_second", "ms_per_step"):
        if name in run.history:
            rows.append((name.replace("_", " "), f"{np.median(run.history[name]):,.4g}"))
    shares = run.summary.get("time_shares", {})
    rows += [(part, f"{share:.1%}") for part, share in shares.items() if share >= 0.001]
    return rows


def _environment(run):
    found = run.environment
    rows = [
        (name, found[name]) for name in ("python", "platform", "device", "blas") if name in found
    ]
    rows += list(found.get("packages", {}).items())
    git = found.get("git")
    if git:
        rows.append(("git", git["commit"][:12] + (" + changes" if git.get("dirty") else "")))
    rows.append(("started", run.summary.get("started", "")))
    return [(name, str(value)) for name, value in rows if value]


def _commands(run):
    """Return what makes the run again: from its settings, or as it was started."""
    git = run.environment.get("git")
    commands = [f"git checkout {git['commit'][:12]}"] if git and not git.get("dirty") else []
    if isinstance(run.config.get("model"), dict):
        return [*commands, f"firstlight fit --config {run.path.parent.parent.name}/{run.label}"]
    command = run.environment.get("command", [])
    return [*commands, shlex.join(["python", *command])] if command else commands


def memory(number):
    """Return a number of bytes in words."""
    return human(number, "B")
