"""The content of a report or poster about one run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.module import Module
from firstlight.runs import RunFolder
from firstlight.runs.baseline_results import NETWORK
from firstlight.runs.experiments import same_experiment
from firstlight.runs.query import flat
from firstlight.support.batches import inputs_of, leaves, mapped
from firstlight.support.summary import Summary
from firstlight.tools import figures
from firstlight.tools._amounts import bracketed
from firstlight.tools.figures.learning_curves import metrics_of
from firstlight.tools.language import say, speaking
from firstlight.tools.report import provenance
from firstlight.tools.report.comparison import spread
from firstlight.tools.report.drawings import Figures
from firstlight.tools.significance import Group, Significance
from firstlight.tools.tracing.traced import UntraceableError
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 24  # images of the data
HISTOGRAMS = 16  # parameters in the histograms, at most
MISSING = "There are no pictures of the model and its data: {why}"
WRITTEN = 1500  # characters of a language model's text

Rebuilt = tuple[Module, DataSplits, Trainer, "str | PathLike[str] | None"]


@dataclass
class Content:
    """The content of a report on one run; missing parts are empty.

    Attributes
    ----------
    run : RunFolder
    facts : list of (str, str)
        The few numbers at the top.
    settings : dict of str to value
    metrics : list of dict
        Rows with "name", "best", "interval" (of a test), "epoch", "last", "spread" (over seeds).
    seeds : list
        Seeds of the finished runs of the same experiment.
    figures : Figures
        By name; drawn for the print that `firstlight.tools.figures.printed` tells.
    summary : firstlight.support.summary.Summary or None
        Of the model.
    structure : str
        The model's repr, if a script made the run.
    written : str
        The text of a language model.
    baselines : list of tuple
        Rows of method, metric, its interval and seconds to fit, below a row of titles.
    gradients : list of dict
        Rows of ``gradients.json``, if a gradient check wrote it.
    timing, environment, packages : list of (str, str)
        The last are those that the run does not depend on.
    commands : list of str
        They reproduce the run.
    missing : str
        The reason for missing pictures of the model.
    problem : str
        How an unfinished run ended.
    """

    run: RunFolder
    facts: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    seeds: list[Any] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    summary: Summary | None = None
    structure: str = ""
    written: str = ""
    baselines: list[tuple[str, ...]] = field(default_factory=list)
    gradients: list[dict[str, Any]] = field(default_factory=list)
    timing: list[tuple[str, str]] = field(default_factory=list)
    environment: list[tuple[str, str]] = field(default_factory=list)
    packages: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    missing: str = ""
    problem: str = ""


def gather(
    run: RunFolder,
    others: Sequence[RunFolder] = (),
    rebuilt: Rebuilt | None = None,
    *,
    split: str = "test",
    language: str = "en",
    missing: str = "",
) -> Content:
    """Return the `Content` of a run.

    Parameters
    ----------
    run : RunFolder
    others : list of RunFolder
        Among them are those of the same experiment with other seeds.
    rebuilt : (Module, DataSplits, Trainer, Path), optional
        The run's model with its data, and the checkpoint with its weights; needed for pictures of
        them.
    split : {"train", "val", "test"}
        The samples of confusion matrix and mistakes.
    language : {"en", "de"}
    missing : str
        Why there is no ``rebuilt``.
    """
    same = same_experiment(run, others)
    evidence = Significance([Group(run.label, [run])])
    with speaking(language):
        content = Content(
            run,
            settings=_settings(run),
            metrics=[_metric(run, same, name, evidence) for name in _names(run)],
            seeds=sorted((one.config.get("seed") for one in same), key=str),
            written=_written(run),
            baselines=_baselines(run),
            gradients=_rows(run.path / "gradients.json"),
            timing=provenance.timing(run),
            commands=provenance.commands(run),
        )
        content.environment, content.packages = provenance.environment(run)
        if run.by_script:  # shown where the model cannot be created again
            content.structure = _structure(run.config)
        if run.status not in ("finished", "running"):
            error = run.summary.get("error", "")
            content.problem = say(run.status) + (f": {error}" if error else "")
        if missing:
            content.missing = say(MISSING).format(why=say(missing))
        if metrics_of(run.history) and run.place["epoch"] > 1:  # not a point
            shares = run.summary.get("time_shares")
            curves = partial(figures.curves, run.history, shares=shares, columns=3, size=(3.2, 2.4))
            content.figures.add(lambda: {"curves": curves()})
        if rebuilt is not None:
            _add_model(content, *rebuilt, split)
        content.facts = _facts(content)
    return content


def of_trainer(
    trainer: Trainer, data: DataSplits, others: Sequence[RunFolder] = (), **options: str
) -> Content:
    """Return the `Content` of the run that a script has just made, with pictures of its model.

    Parameters
    ----------
    trainer : Trainer
        After its ``fit``.
    data : DataSplits
        The data of the training.
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


def _structure(config):
    """Return the text of a script's model; earlier versions had it in place of the settings."""
    facts, model = config.get("facts"), config.get("model")
    return model if isinstance(model, str) else str((facts or {}).get("structure", ""))


def _settings(run):
    by_script = isinstance(run.config.get("model"), str)
    return {
        name: value
        for name, value in flat(run.config).items()
        if not (name.startswith("facts.") or (name == "model" and by_script))
        and value not in (None, [], {})
    }


def _names(run):
    """Return the metrics of tests, validations and trainings, in this order."""
    apart = run.baselines.methods if run.baselines else ()  # in a table of their own
    names = [n for n in dict.fromkeys([*run.metrics, *run.history]) if n not in apart]
    stages = ("test_", "val_", "train_")
    return [
        name
        for stage in stages
        for name in names
        if name.startswith(stage) and not name.endswith("_step")
    ]


def _metric(run, same, name, evidence):
    logged = name in run.history
    ranked = logged and run.history.direction(name)
    last = run.history[name][-1] if logged else run.metrics[name]
    best = run.history.best(name) if ranked else {name: last}
    over_seeds = spread(same, name, "best" if ranked else "last")
    epoch = best.get("epoch")
    found = evidence.interval(name, [run])
    return {
        "name": name,
        "best": best[name],
        "interval": "" if found is None else bracketed(found),
        "epoch": epoch,
        "last": last,
        "spread": over_seeds,
    }


def _baselines(run):
    """Return the table of baselines, the best first."""
    found = run.baselines
    if found is None:
        return []
    titles = ("method", found.title, "95 % interval", "seconds to fit")
    rows = [
        (
            say(row.label) + f" ({say('this run')})" * (row.name == NETWORK),
            f"{row.value:.4f}",
            bracketed((row.low, row.high)),
            f"{row.seconds:.1f}",
        )
        for row in sorted(found.rows, key=lambda row: -row.value)
    ]
    return [tuple(say(title) for title in titles), *rows]


def _facts(content):
    run, place = content.run, content.run.place
    measured = [row for row in content.metrics if row["name"].startswith(("test", "val"))][:2]
    rows = [(_in_words(row["name"]), f"{row['best']:.4g}") for row in measured]
    if content.summary and content.summary.parameters:
        rows.append(("parameters", f"{content.summary.parameters:,}"))
    rows += [
        ("epochs", f"{place['epoch']:,}"),
        ("steps", f"{place['step']:,}"),
        ("time", provenance.duration(place["time"])),
        ("status", say(run.status)),
    ]
    return [(say(name), value) for name, value in rows]


def _in_words(name):
    """Return ``test accuracy`` for ``test_acc``."""
    words = name.replace("_", " ")
    return words + "uracy" if words.endswith(" acc") else words


def _add_model(content, model, splits, trainer, checkpoint, split):
    """Add the model's summary and the figures that need its predictions."""
    split = next(s for s in (split, "val", "train") if getattr(splits, s) is not None)
    data, loader = getattr(splits, split), splits.loader(split, training=False)
    x = mapped(lambda array: array[:SAMPLES], inputs_of(next(iter(loader))))
    if getattr(x, "ndim", 0) == 4 and x.shape[3] in (1, 3):
        titles = None
        sample = data[np.arange(len(x))]
        if splits.classes is not None and sample[1].ndim == 1:  # else it has a class by pixel
            titles = [str(splits.classes[k]) for k in sample[1]]
        content.figures.add(lambda: {"sample": figures.image_grid(x, titles, columns=12)})
    try:
        content.summary = model.summary(mapped(lambda array: array[:1], x))
    except Exception:  # a GAN's forward, for example, takes noise and not the data
        content.missing = say(MISSING).format(why=say("its forward does not take the data"))
    else:
        if splits.tokenizer is None:
            scores = trainer.predict(model, loader, checkpoint=checkpoint)
            if not all(np.isfinite(part).all() for part in leaves(scores)):
                content.missing = say("There are no pictures of predictions: they are not finite.")
            elif isinstance(scores, np.ndarray):
                content.figures.add(lambda: dict(_prediction_figures(model, data, splits, scores)))
        if hasattr(x, "ndim"):  # of one input
            content.figures.add(lambda: _network(model, x[:1]))
    parameters = {n: p.data for n, p in model.named_parameters() if p.size > 1}
    chosen = dict(list(parameters.items())[:HISTOGRAMS])
    content.figures.add(lambda: {"histograms": figures.histograms(chosen)})


def _network(model, x):
    try:
        return {"network": figures.network_diagram(model, x)}
    except UntraceableError:  # the table of layers has to do
        return {}


def _prediction_figures(model, data, splits, scores) -> "Iterable[tuple[str, Figure]]":
    if splits.classes is not None and scores.shape[1:] == (len(splits.classes),):
        pictures = figures.album(model, data, scores, splits.classes)
        return takewhile(lambda pair: pair[0] != "occlusion", pictures)
    rows = data[np.arange(len(scores))]
    if splits.is_nested or len(rows) != 2:
        return []
    if rows[1].size == scores.size == len(scores):
        return [("fit", figures.predictions(rows[0], rows[1], scores))]
    return []


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
