"""``firstlight data``: which data sets there are, and what is in one."""

from collections import Counter
from pathlib import Path

import numpy as np

from firstlight.data.splits import SPLITS
from firstlight.support import rng
from firstlight.tools.cli import text
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.models import listed
from firstlight.tools.cli.names import Names
from firstlight.tools.cli.text import tell

USAGE = "firstlight data [show NAME [--output FILE] [--ARGUMENT VALUE ...]]"
DESCRIPTION = """\
List the data sets, or show the splits, shapes and classes of one, and its images in a picture.

  firstlight data show digits --batch_size 64
  firstlight data show mnist --augment affine,elastic --output images.png"""
COPIES, IMAGES = 9, 8  # in the picture: of each image, and how many images


def run(words):
    """List or show; returns the exit code."""
    parser = Parser("data", DESCRIPTION, usage=USAGE, add_help=False)
    parser.add_argument("words", nargs="*", help="nothing, or: show NAME")
    parser.add_argument("--output", metavar="FILE", help="draw training images, .png, .pdf or .svg")
    parser.add_argument("-h", "--help", action="store_true", help="show this, and stop")
    own, words = parser.parse_known_args(words)
    if own.help and len(own.words) < 2:
        parser.print_help()
        return 0
    if not own.words and not words:
        tell(listed("dataset"))
        return 0
    if len(own.words) != 2 or own.words[0] != "show":
        raise UsageError("expected: data, or data show NAME")
    names = Names()
    names.choose("data", own.words[1])
    arguments = Arguments(names)
    if own.help:
        tell(parser.format_help(), arguments.parser.format_help(), sep="\n", end="")
        return 0
    arguments.parse([f"--data.{word[2:].removeprefix('data.')}" for word in words])
    if own.output is not None and Path(own.output).suffix not in (".png", ".pdf", ".svg"):
        raise UsageError(
            f"--output: expected a name that ends in .png, .pdf or .svg, got {own.output}"
        )
    splits = arguments.data.make_data()
    figure = None if own.output is None else picture(splits)
    tell(show(splits))
    if figure is not None:
        from firstlight.tools.figures import save

        save(figure, own.output)
        tell(f"picture: {own.output}")
    return 0


def picture(splits):
    """Return a figure of training images as they are, each before versions that a model trains on.

    Of data that nothing random happens to, many different images.
    """
    from firstlight.tools.figures import image_grid

    def images(indices, transform, number):
        batch = splits.train[indices]
        if transform is not None:
            batch = transform(batch, rng.derived("augment", 0, number))
        if batch[0].ndim != 4 or batch[0].shape[3] not in (1, 3):
            raise UsageError(f"--output: {splits.name} has no images to draw, (H, W, 1 or 3)")
        return batch[0]

    chosen = rng.derived("split", 0).permutation(len(splits.train))
    if splits.augment is None:
        chosen = chosen[: IMAGES * (COPIES + 1)]
        return image_grid(
            images(chosen, None, 0),
            columns=COPIES + 1,
            title=f"{splits.name}, training",
        )
    chosen = chosen[:IMAGES]
    shown = [images(chosen, None, 0)]
    shown += [images(chosen, splits.augment, number) for number in range(COPIES)]
    shown = np.stack(shown, axis=1)  # (image, version, H, W, C)
    titles = [""] * (shown.shape[0] * shown.shape[1])
    titles[:2] = "original", "augmented"
    return image_grid(
        shown.reshape(-1, *shown.shape[2:]),
        titles,
        columns=COPIES + 1,
        title=f"{splits.name}, training",
    )


def show(splits):
    """Return a text about splits: sizes, shapes, ranges, classes and how often each occurs."""
    rows = [("split", "samples", "x", "y")]
    counts = {}
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
    parts = [
        f"{splits.name}: input shape {tuple(splits.input_shape)}, batches of {splits.batch_size}",
        text.table(rows, indent="  "),
    ]
    if splits.tokenizer is not None:
        first = splits.train[np.arange(1)][0][0]  # (T,)
        parts.append(f"the text begins with {splits.tokenizer.decode(first)[:60]!r}")
    elif splits.classes is None:
        parts.append(splits.describe_target())
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
