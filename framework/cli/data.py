"""``firstlight data``: which data sets there are, and what is in one."""

from collections import Counter

import numpy as np

from firstlight.cli import listing, settings, text
from firstlight.cli.errors import UsageError
from firstlight.cli.layers import Layers
from firstlight.cli.words import split
from firstlight.data import SPLITS

HELP = """\
usage: firstlight data [show NAME [--ARGUMENT VALUE ...]]

List the data sets, or show the splits, shapes and classes of one.

  firstlight data show digits --batch_size 64
"""


def run(argv):
    """List or show; returns the exit code."""
    positionals, pairs = split(argv)
    helping = any(flag == "help" for flag, _ in pairs)
    if not positionals and not (pairs and not helping):
        print(HELP if helping else listing.listed("dataset"), end="" if helping else "\n")
        return 0
    if len(positionals) != 2 or positionals[0] != "show":
        raise UsageError("expected: data, or data show NAME")
    layers = Layers(data=positionals[1])
    pairs = [pair for pair in pairs if pair[0] != "help"]
    layers.add_pairs([("data." + flag.removeprefix("data."), value) for flag, value in pairs])
    chosen = settings.choice("dataset", layers.data, "data", skip=("name",))
    if helping:
        print(HELP + "\n" + text.group(f"data {layers.data}", chosen.arguments))
        return 0
    chosen.take(settings.typed(chosen.arguments, layers))
    print(show(settings.load_data(chosen)))
    return 0


def show(splits):
    """Return a text about splits: sizes, shapes, ranges, classes and how often each occurs."""
    rows = [("split", "samples", "x", "y")]
    counts = {}
    for name in SPLITS:
        data = getattr(splits, name)
        if data is None:
            continue
        sample = data[np.arange(1)]
        shapes = [f"{array.dtype} {array.shape[1:]}" for array in sample[:2]]
        rows.append((name, f"{len(data):,}", *shapes, *[""] * (2 - len(shapes))))
        arrays = getattr(data, "arrays", ())
        if splits.classes is not None and len(arrays) > 1 and arrays[1].ndim == 1:
            counts[name] = Counter(arrays[1].tolist())
    parts = [
        f"{splits.name}: input shape {tuple(splits.input_shape)}, batches of {splits.batch_size}",
        text.table(rows, indent="  "),
    ]
    if splits.classes is None:
        parts.append("no classes: a regression")
    elif counts:
        named = [
            (name, *(f"{count[index]:,}" for count in counts.values()))
            for index, name in enumerate(splits.classes)
        ]
        parts.append(text.table([("class", *counts), *named], indent="  "))
    else:
        parts.append(f"{len(splits.classes)} classes: {', '.join(map(str, splits.classes))}")
    parts += [f"{key}: {value}" for key, value in splits.info.items()]
    return "\n".join(parts)
