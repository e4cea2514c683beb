"""Comparison: what several runs have to do with each other, for reports and posters."""

import math

from firstlight.runs.compare import short_labels
from firstlight.runs.directions import direction
from firstlight.tools.figures import overlay
from firstlight.tools.figures.learning_curves import along_epochs
from firstlight.tools.report.seeds import differing, grouped, spread

COLUMNS = 5  # differing settings that have room beside the results
DECADES = 30  # largest in smallest loss, from which a scale is logarithmic


def ranked(runs):
    """Return runs, the best first: by validation loss, or else by the first ``val_...`` there is.

    Those that have none come last. A metric whose name does not tell its direction ranks nothing.
    """
    names = dict.fromkeys(["val_loss", *(name for run in runs for name in run.best)])
    names = [name for name in names if direction(name)]
    name = next((name for name in names if any(_finite(run, name) for run in runs)), None)
    if name is None:
        return list(runs)
    sign = -1 if direction(name) == "max" else 1
    return sorted(
        runs,
        key=lambda run: sign * run.best[name]["value"] if _finite(run, name) else math.inf,
    )


def _finite(run, name):
    return name in run.best and math.isfinite(run.best[name]["value"])


def compare(runs):
    """Return what a comparison tells of several runs.

    Returns
    -------
    dict
        "runs" and "groups" of those that differ in the seed only, the best first, each with its
        "label", "runs", "seeds", mean "time" and the "spreads" of the "metrics"; the "differing"
        settings, with one value for each group, and whether they have room "beside" the results;
        whether there are several "seeds"; and "figures".
    """
    runs = ranked(runs)
    names = list(dict.fromkeys(name for run in runs for name in [*run.metrics, *run.best]))
    metrics = [name for name in names if name.startswith(("test_", "val_"))]
    one_name = len({run.name for run in runs}) == 1
    groups = [
        {
            "label": group[0].id[-4:] if one_name else f"{group[0].name}/{group[0].id[-4:]}",
            "runs": group,
            "seeds": sorted({str(run.config.get("seed")) for run in group}),
            "spreads": [spread(group, name) for name in metrics],
            "time": sum(run.place["time"] for run in group) / len(group),
        }
        for group in grouped(runs)
    ]
    rows = differing([group["runs"][0] for group in groups])
    return {
        "runs": runs,
        "groups": groups,
        "metrics": metrics,
        "differing": rows,
        "beside": len(rows) <= COLUMNS,
        "seeds": len({tuple(group["seeds"]) for group in groups}) > 1
        or any(len(group["seeds"]) > 1 for group in groups),
        "figures": {
            name: together(runs, name)
            for name in metrics
            if any(name in run.history for run in runs)
        },
    }


def together(runs, name):
    """Return a figure of one value of all runs that logged it, along the epochs."""
    lines = {
        label: along_epochs(run.history, name)
        for run, label in zip(runs, short_labels(runs), strict=True)
        if name in run.history
    }
    values = [value for _, y in lines.values() for value in y if math.isfinite(value)]
    log = name.endswith("loss") and min(values, default=0) > 0
    return overlay({name: lines}, x_label="epoch", log=log and max(values) > DECADES * min(values))


def most_telling(columns, room, width):
    """Return the names of those columns that tell most rows apart, as many as there is room for.

    Parameters
    ----------
    columns : dict of str to list of str
    room : float
    width : callable
        How much room a column takes. The most telling one is always among those returned.
    """
    chosen = []
    for name in sorted(columns, key=lambda name: -len(set(columns[name]))):
        room -= width(columns[name])
        if room >= 0 or not chosen:
            chosen.append(name)
        else:
            room += width(columns[name])
    return [name for name in columns if name in chosen]
