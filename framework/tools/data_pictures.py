"""Pictures of data: images and their augmentation, histograms of columns, windows of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.splits import DataSplits
from firstlight.support import rng
from firstlight.tools.cli.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COPIES, IMAGES = 9, 8  # of each image, and how many images
PANELS, BINS, BARS = 24, 30, 8  # features and windows drawn, bins, words of a column
WINDOWS = 6


def picture(splits: DataSplits) -> Figure:
    """Return a figure of training samples.

    Images are beside augmented versions of them; of a table it shows how often each value occurs,
    by class; of a time series, windows and what follows them.

    Raises
    ------
    UsageError
        The samples are no images, rows of a table or windows.
    """
    shape = splits.input_shape
    if splits.is_nested:
        raise UsageError(f"--output: {splits.name} has several inputs, which are not drawn")
    if len(shape) == 1 and splits.tokenizer is None and hasattr(splits.train, "arrays"):
        return columns(splits)
    if len(shape) == 2 and "window" in splits.info:
        return windows(splits)
    return images(splits)


def images(splits: DataSplits) -> Figure:
    """Return training images, each beside augmented versions, or different ones."""
    from firstlight.tools.figures import image_grid

    def some(indices, transform, number):
        batch = splits.train[indices]
        if transform is not None:
            batch = transform(batch, rng.derived("augment", 0, number))
        if batch[0].ndim != 4 or batch[0].shape[3] not in (1, 3):
            raise UsageError(f"--output: {splits.name} has no images to draw, (H, W, 1 or 3)")
        return batch[0]

    order = rng.derived("split", 0).permutation(len(splits.train))
    title = f"{splits.name}, training"
    if splits.augment is None:
        shown = some(order[: IMAGES * (COPIES + 1)], None, 0)
        return image_grid(shown, columns=COPIES + 1, title=title)
    versions = [(None, 0), *((splits.augment, number) for number in range(COPIES))]
    shown = np.stack([some(order[:IMAGES], *version) for version in versions], axis=1)
    shown = shown.reshape(-1, *shown.shape[2:])  # (image and version, H, W, C)
    titles = ["original", "augmented", *[""] * (len(shown) - 2)]
    return image_grid(shown, titles, columns=COPIES + 1, title=title)


def columns(splits: DataSplits) -> Figure:
    """Return histograms of a table's training columns, of each class, and of the target."""
    from firstlight.tools.figures.canvas import entitle, panels, tidy
    from firstlight.tools.figures.style import COLOURS

    x, *others = splits.train.arrays
    shown, dates = _shown_columns(splits, x)
    groups, labels = [np.ones(len(x), bool)], [""]
    if others and splits.classes is not None and len(splits.classes) <= len(COLOURS):
        groups = [others[0] == k for k in range(len(splits.classes))]
        labels = [str(name) for name in splits.classes]
    elif others and splits.classes is None and others[0].shape[1:] in ((), (1,)):
        shown[str(splits.info.get("target") or "target")] = others[0].reshape(-1)
    shown = dict([*shown.items()][:PANELS])
    figure, grid = panels(len(shown), 4, (2.3, 1.7), f"{splits.name}: {len(x):,} training samples")
    for axes, (name, column) in zip(grid, shown.items(), strict=True):
        if isinstance(column, dict):
            _bars(axes, column, groups, COLOURS)
        else:
            parts = [column[g & np.isfinite(column)] for g in groups]
            axes.hist(parts, BINS, stacked=True, color=COLOURS[: len(groups)])
            if name in dates:
                _date_axis(axes)
        entitle(axes, name)
        tidy(axes, letters=8)
    if labels != [""]:
        names = dict(zip(labels, COLOURS, strict=False))
        figure.legend(
            [_patch(colour) for colour in names.values()],
            list(names),
            loc="outside lower center",
            ncols=min(6, len(names)),
            title=splits.info.get("target"),
            fontsize=8,
            frameon=False,
        )
    return figure


def windows(splits: DataSplits) -> Figure:
    """Return windows of the target's past, and what follows each of them."""
    from firstlight.tools.figures.canvas import entitle, panels, tidy
    from firstlight.tools.figures.style import BLUE, VERMILION

    x, *others = splits.train.arrays
    names, target = splits.info["features"], splits.info["target"]
    column = names.index(target) if target in names else 0
    places = np.linspace(0, len(x) - 1, min(WINDOWS, len(x))).astype(int)
    title = f"{splits.name}, training: {names[column]}, and what follows"
    figure, grid = panels(len(places), 3, (3.0, 1.8), title)
    for axes, place in zip(grid, places, strict=True):
        past = x[place, :, column]
        axes.plot(np.arange(len(past)), past, ".-", color=BLUE, linewidth=1, markersize=3)
        if others:
            after = others[0][place]
            axes.plot(len(past) + np.arange(len(after)), after, "o", color=VERMILION, markersize=3)
        entitle(axes, f"window {place:,}")
        tidy(axes, letters=8)
    figure.supxlabel("row of the window", fontsize=9)
    return figure


def _shown_columns(splits, x) -> tuple[dict[str, Any], list[str]]:
    """Return what is drawn of each column, and which are dates.

    Of numbers and dates values (N,), of words a mask (N,) each.
    """
    entries = splits.info.get("encoding")
    if entries is None:
        names = splits.info.get("columns") or [f"x{i}" for i in range(x.shape[1])]
        return dict(zip(names, x.T.astype("float64"), strict=True)), []
    from firstlight.data.encoding import Encoding

    shown, dates, place = {}, [], 0
    for part in Encoding.from_list(entries).parts:
        own = x[:, place : place + len(part.features)]
        gap = x[:, place + len(part.features)] > 0 if part.gaps else np.zeros(len(x), bool)
        place += len(part.features) + part.gaps
        if part.kind == "words" and part.how == "onehot" and (part.features or part.gaps):
            words = [*part.words, *["(other)"] * part.others]
            if not words:  # only the gaps are a feature
                own = ~gap[:, np.newaxis]
                words = ["(known)"]
            masks = dict(zip(words, own.T > 0, strict=True))
            shown[part.column] = masks | ({"(missing)": gap} if part.gaps else {})
        elif part.kind == "dates":
            shown[part.column] = np.where(gap, np.nan, own[:, 0])  # days, as matplotlib's dates
            dates.append(part.column)
        elif part.features:
            shown[part.column] = np.where(gap, np.nan, own[:, 0])
    return shown, dates


def _bars(axes: Axes, masks, groups, colours) -> None:
    """Draw how often each word occurs, by class."""
    words = sorted(masks, key=lambda word: -masks[word].sum())[:BARS]
    left = np.zeros(len(words))
    for group, colour in zip(groups, colours, strict=False):
        width = [int((masks[word] & group).sum()) for word in words]
        axes.barh(range(len(words)), width, left=left, color=colour)
        left += width
    axes.set_yticks(range(len(words)), [word[:14] for word in words])
    axes.invert_yaxis()


def _date_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_size(8)


def _patch(colour):
    from matplotlib.patches import Patch

    return Patch(color=colour)
