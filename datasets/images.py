"""images: load a folder of photographs or drawings, or a table of them."""

import os
from pathlib import Path

import numpy as np

from firstlight.data.augment import augmentation
from firstlight.data.lazy import LazyRows
from firstlight.data.splits import SPLITS, DataSplits
from firstlight.data.transforms import Scale
from firstlight.datasets._image_decoding import ImageArray, size_of
from firstlight.datasets._image_files import find_images
from firstlight.datasets.arrays import as_preprocessing, prepared, targets_like
from firstlight.datasets.splitting import Splitting
from firstlight.support.arguments import parse_choice

MEMORY = 2**29  # bytes of decoded images that "auto" keeps in memory, 512 MiB
LARGEST = 512  # pixels a side of images that are taken as they are
MEASURED = 1000  # training images from which mean and standard deviation are computed
KEEP = ("auto", "memory", "file", "none")


def images(
    path: str,
    *,
    size: tuple[int, ...] | None = None,
    channels: int = 3,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    normalize: bool = False,
    augment: tuple[str, ...] = (),
    keep: str = "auto",
    cache_dir: str | None = None,
    batch_size: int | None = None,
    like: str | None = None,
) -> DataSplits:
    """Load a folder with a folder of images for each class, or a table of files and labels.

    If the folder has folders train and, optionally, val and test, these are the splits and have the
    classes in them; otherwise images are split at random. Missing validation images are taken from
    the training ones. All formats of Pillow are read: palettes, alpha (on white), 16 bits, EXIF
    rotation. Images become uint8 of one size; batches are float32 from 0 to 1.

    Parameters
    ----------
    path : str
        The folder; or a .csv table with the columns file, relative to the table, and label, and
        optionally split (train, val, test).
    size : tuple of int, optional
        Height and width, or one number for both; by default those of the first image. Other images
        are cropped at their centre to this ratio, and resized.
    channels : int
        3 for colours, 1 for grey.
    val_size : float
        Share of the images to validate on, or their number, if the folder has no such split.
    test_size : float
        Share of the images to test on, or their number, if the folder has no splits.
    seed : int
        Chooses the images of each split.
    normalize : bool
        Give each channel mean 0 and standard deviation 1, over up to 1000 training images.
    augment : tuple of str
        Random changes of the training images, by name; see `firstlight.data.augment.recipes`.
    keep : {"auto", "memory", "file", "none"}
        Where decoded images are kept: in memory; in a memory-mapped file, which is made once and
        may be larger than memory; or nowhere, so that each batch decodes its own, in worker threads
        (``num_workers``). "auto" is memory up to 512 MiB, then none.
    cache_dir : str, optional
        Folder of the file; by default in the user's cache folder.
    batch_size : int, optional
        Images in a batch; 32, or all training images if there are fewer.
    like : str, optional
        A run's folder: classes, size and scale are those that its network was trained with.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError
        There is no such folder or table, or there are no images.
    ValueError
        An image cannot be read; images without a class; a class without training images.
    """
    parse_choice("images: keep", keep, KEEP)
    if channels not in (1, 3):
        raise ValueError(f"images: expected channels of 3 (colours) or 1 (grey), got {channels}")
    like, found = as_preprocessing(like), find_images(path)
    files, labels, splits = zip(*found, strict=True)
    shape = like.input_shape if like is not None else (*_size(size, files[0]), channels)
    if len(shape) != 3:
        raise ValueError(f"images: the run of like= was trained on samples of shape {shape}")
    name = Path(path).expanduser().resolve().stem
    classes, y = None, None
    if labels[0] is not None:
        classes = sorted(set(labels), key=_in_order)
        y = np.array([classes.index(label) for label in labels])
        y, classes = targets_like(like, y, name, classes)
    elif like is None:
        raise ValueError(
            f"images: expected a folder of images for each class in {path}, got images only"
        )
    places = _places(splits, y, val_size, test_size, seed, name)
    x = ImageArray(files, shape)
    if keep == "auto":
        keep = "memory" if x.nbytes <= MEMORY else "none"
    source = x.in_file(cache_dir) if keep == "file" else x
    parts = {split: (LazyRows(source, some),) for split, some in places.items()}
    if keep == "memory":
        parts = {split: (x.part(some).in_memory(),) for split, some in places.items()}
    if y is not None:
        parts = {split: (*arrays, y[places[split]]) for split, arrays in parts.items()}
    scale = Scale(255, *_moments(parts["train"][0])) if normalize else Scale(255)
    made = prepared(parts, name, classes, batch_size, scale, like=like)
    made.augment = augmentation(
        augment, scale=made.transform, shape=shape, classes=len(classes or ()), who="images"
    )
    made.num_workers = (os.cpu_count() or 1) if keep == "none" else 0
    made.info |= {"folder": str(path), "decoded images": keep}
    return made


def _size(size, first):
    """Return height and width: those asked for, or those of the first image."""
    if size is not None:
        pair = tuple(int(n) for n in np.atleast_1d(size))
        pair = pair * 2 if len(pair) == 1 else pair
        if len(pair) != 2 or min(pair) < 1:
            raise ValueError(f"images: expected size as height and width of 1 or more, got {size}")
        return pair
    pair = size_of(first)
    if max(pair) > LARGEST:
        raise ValueError(
            f"images: {first} has {pair[0]} x {pair[1]} pixels; choose a size for all, e.g. size=64"
        )
    return pair


def _places(splits, y, val_size, test_size, seed, name):
    """Return the indices of each split."""
    given = np.array(splits, "<U5")
    count = len(given)
    if not given.any():
        train, val, test = Splitting(val_size, test_size, seed).indices(count, y, name=name)
    else:
        given[given == ""] = "train"
        train, val, test = (np.flatnonzero(given == split) for split in SPLITS)
        if not len(val) and len(train):
            labels = None if y is None else y[train]
            splitting = Splitting(val_size, 0, seed)
            kept, taken, _ = splitting.indices(len(train), labels, name=name)
            train, val = train[kept], train[taken]
    return {
        split: some
        for split, some in zip(SPLITS, (train, val, test), strict=True)
        if len(some) or split == "train"
    }


def _moments(x):
    """Return mean and standard deviation of pixels / 255, by channel."""
    some = x[np.linspace(0, len(x) - 1, min(MEASURED, len(x))).astype(int)] / 255
    std = some.std(axis=(0, 1, 2))
    return some.mean(axis=(0, 1, 2)).tolist(), np.where(std > 0, std, 1.0).tolist()


def _in_order(label):
    """Return a sort key by which numbers are sorted by value, before words."""
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)
