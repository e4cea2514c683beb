"""``firstlight data``: which data sets there are, and what is in one."""

from collections import Counter

import numpy as np

from firstlight.cli import text
from firstlight.cli.arguments import Arguments
from firstlight.cli.errors import Parser, UsageError
from firstlight.cli.models import listed
from firstlight.cli.names import Names
from firstlight.data import SPLITS

USAGE = "firstlight data [show NAME [--ARGUMENT VALUE ...]]"
DESCRIPTION = """\
List the data sets, or show the splits, shapes and classes of one.

  firstlight data show digits --batch_size 64"""


def run(words):
    """List or show; returns the exit code."""
    parser = Parser("data", DESCRIPTION, usage=USAGE, add_help=False)
    parser.add_argument("words", nargs="*", help="nothing, or: show NAME")
    parser.add_argument("-h", "--help", action="store_true", help="show this, and stop")
    own, words = parser.parse_known_args(words)
    if own.help and len(own.words) < 2:
        parser.print_help()
        return 0
    if not own.words and not words:
        print(listed("dataset"))
        return 0
    if len(own.words) != 2 or own.words[0] != "show":
        raise UsageError("expected: data, or data show NAME")
    names = Names()
    names.choose("data", own.words[1])
    arguments = Arguments(names)
    if own.help:
        print(parser.format_help(), arguments.parser.format_help(), sep="\n", end="")
        return 0
    arguments.parse([f"--data.{word[2:].removeprefix('data.')}" for word in words])
    print(show(arguments.data.make_data()))
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
    if splits.tokenizer is not None:
        first = splits.train[np.arange(1)][0][0]  # (T,)
        parts.append(f"the text begins with {splits.tokenizer.decode(first)[:60]!r}")
    elif splits.classes is None:
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
