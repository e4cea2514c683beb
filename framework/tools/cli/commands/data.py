"""``firstlight data``: the data sets, and the contents of one."""

from collections import Counter

import numpy as np

from firstlight.data.splits import SPLITS, DataSplits, describe_sample
from firstlight.tools.cli import text
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import Args, Command, Options, file_name, option
from firstlight.tools.cli.commands.plugins import listed
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import Names
from firstlight.tools.cli.text import tell


class Data(Command):
    """List the data sets, or show the splits, shapes and classes of one, and its samples in a
    picture. `describe` also looks for leaks between splits, duplicates, gaps and outliers.

      firstlight data show digits --batch_size 64
      firstlight data show mnist --augment affine,elastic --output images.png
      firstlight data describe passengers.csv --target survived --output columns.png
    """

    usage = (
        "[show|describe NAME [--output FILE] [--ARGUMENT VALUE ...]]\n"
        "       firstlight data download NAME ... [--to DIR]"
    )
    typed = late_help = True

    options: Options = (
        option("words", "nothing, or: show NAME, or: describe NAME", nargs="*"),
        option(
            "--output FILE",
            "draw images, columns or windows",
            type=file_name(".png", ".pdf", ".svg"),
        ),
    )

    def run(self, args: Args) -> int:
        """List the data sets, or show one."""
        words, rest = args.words, args.rest
        if args.help and len(words) < 2:
            self.parser.print_help()
            return 0
        if not words and not rest:
            tell(listed("dataset"))
            return 0
        if len(words) != 2 or words[0] not in ("show", "describe"):
            raise UsageError("expected: data, data show|describe NAME, or data download NAME")
        names = Names()
        names.choose("data", words[1])
        arguments = Arguments(names)
        if args.help:
            return self.show_help(arguments.parser)
        arguments.parse([f"--data.{word[2:].removeprefix('data.')}" for word in rest])
        splits = arguments.data.make_data()
        figure = None
        if args.output is not None:
            from firstlight.tools.data_pictures import picture

            figure = picture(splits)
        show(splits)
        if words[0] == "describe":
            describe(splits)
        if figure is not None:
            from firstlight.tools.figures import save

            save(figure, args.output)
            tell(f"picture: {args.output}")
        return 0


def show(splits: DataSplits) -> None:
    """Print sizes, shapes, ranges, classes and how often each occurs."""
    tell(f"{splits.name}: input shape {splits.input_shape}, batches of {splits.batch_size}")
    rows, counts = [("split", "samples", "x", "y")], {}
    for name in SPLITS:
        data = getattr(splits, name)
        if data is None:
            continue
        arrays = getattr(data, "arrays", ())  # as they are kept, before they are scaled
        sample = arrays or data[np.arange(1)]
        sample = sample[:2] if isinstance(sample, tuple) else (sample,)
        shapes = [describe_sample(part) for part in sample]
        rows.append((name, f"{len(data):,}", *shapes, *[""] * (2 - len(shapes))))
        if splits.classes is not None and len(arrays) > 1 and arrays[1].ndim == 1:
            counts[name] = Counter(arrays[1].tolist())
    tell(text.table(rows, indent="  ", head=True))
    if splits.tokenizer is not None:
        first = splits.train[np.arange(1)][0][0]  # (T,)
        tell(f"the text begins with {splits.tokenizer.decode(first)[:60]!r}")
    elif splits.classes is None:
        tell(splits.describe_target())
    elif counts:
        rows = [("class", *counts)]
        for index, name in enumerate(splits.classes):
            rows.append((name, *(f"{count[index]:,}" for count in counts.values())))
        tell(text.table(rows, indent="  ", head=True))
    else:
        tell(f"{len(splits.classes)} classes: {', '.join(map(str, splits.classes))}")
    for line in splits.describe_encoding():
        tell(line)
    for key, value in splits.info.items():
        if key not in ("encoding", "features"):
            tell(f"{key}: {', '.join(value) if key == 'columns' else value}")


def describe(splits: DataSplits) -> None:
    """Print the columns of the training data, and what may be wrong with the data."""
    from firstlight.tools.data_findings import column_rows, findings

    rows = column_rows(splits)
    if rows:
        tell("training data")
        tell(text.table(rows, indent="  ", head=True, right=(2, 4)))
    lines = findings(splits)
    for line in lines:
        tell(f"- {line}")
    if not lines:
        tell("found no leaks between splits, no duplicates, no rare classes")
