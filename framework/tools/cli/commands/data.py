"""``firstlight data``: the data sets, and the contents of one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from firstlight.data.splits import SPLITS, DataSplits
from firstlight.support import rng
from firstlight.tools.cli import text
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import Args, Command, Options, file_name, option
from firstlight.tools.cli.commands.plugins import listed
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.names import Names
from firstlight.tools.cli.text import tell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COPIES, IMAGES = 9, 8  # in the picture: of each image, and how many images


class Data(Command):
    """List the data sets, or show the splits, shapes and classes of one, and its images in a
    picture.

      firstlight data show digits --batch_size 64
      firstlight data show mnist --augment affine,elastic --output images.png
    """

    usage = (
        "[show NAME [--output FILE] [--ARGUMENT VALUE ...]]\n"
        "       firstlight data download NAME ... [--to DIR]"
    )
    typed = late_help = True

    options: Options = (
        option("words", "nothing, or: show NAME", nargs="*"),
        option("--output FILE", "draw images", type=file_name(".png", ".pdf", ".svg")),
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
        if len(words) != 2 or words[0] != "show":
            raise UsageError("expected: data, data show NAME, or data download NAME")
        names = Names()
        names.choose("data", words[1])
        arguments = Arguments(names)
        if args.help:
            return self.show_help(arguments.parser)
        arguments.parse([f"--data.{word[2:].removeprefix('data.')}" for word in rest])
        splits = arguments.data.make_data()
        figure = None if args.output is None else picture(splits)
        show(splits)
        if figure is not None:
            from firstlight.tools.figures import save

            save(figure, args.output)
            tell(f"picture: {args.output}")
        return 0


def picture(splits: DataSplits) -> Figure:
    """Return a figure of training images, each beside augmented versions of it.

    Without augmentation they are different images.
    """
    from firstlight.tools.figures import image_grid

    def images(indices, transform, number):
        batch = splits.train[indices]
        if transform is not None:
            batch = transform(batch, rng.derived("augment", 0, number))
        if batch[0].ndim != 4 or batch[0].shape[3] not in (1, 3):
            raise UsageError(f"--output: {splits.name} has no images to draw, (H, W, 1 or 3)")
        return batch[0]

    order = rng.derived("split", 0).permutation(len(splits.train))
    title = f"{splits.name}, training"
    if splits.augment is None:
        shown = images(order[: IMAGES * (COPIES + 1)], None, 0)
        return image_grid(shown, columns=COPIES + 1, title=title)
    versions = [(None, 0), *((splits.augment, number) for number in range(COPIES))]
    shown = np.stack([images(order[:IMAGES], *version) for version in versions], axis=1)
    shown = shown.reshape(-1, *shown.shape[2:])  # (image and version, H, W, C)
    titles = ["original", "augmented", *[""] * (len(shown) - 2)]
    return image_grid(shown, titles, columns=COPIES + 1, title=title)


def show(splits: DataSplits) -> None:
    """Print sizes, shapes, ranges, classes and how often each occurs."""
    tell(f"{splits.name}: input shape {tuple(splits.input_shape)}, batches of {splits.batch_size}")
    rows, counts = [("split", "samples", "x", "y")], {}
    for name in SPLITS:
        data = getattr(splits, name)
        if data is None:
            continue
        arrays = getattr(data, "arrays", ())  # as they are kept, before they are scaled
        sample = arrays or data[np.arange(1)]
        shapes = [f"{array.dtype} {array.shape[1:]}" for array in sample[:2]]
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
    for key, value in splits.info.items():
        tell(f"{key}: {value}")
