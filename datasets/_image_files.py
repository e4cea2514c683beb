"""Find image files and their labels: a folder for each class, or a table."""

import csv
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
Found = list[tuple[str, str | None, str]]  # (file, label or None, split or "")


def find_images(path: str) -> Found:
    """Return ``(file, label, split)`` of each image of a folder or table, sorted or in its order.

    The label is None without classes; the split is "" unless the folder or the table names it.

    Raises
    ------
    FileNotFoundError
        No such folder or table; no images in it; a file of the table is missing.
    ValueError
        The table lacks a column; some images have a class and others have none.
    """
    place = Path(path).expanduser()
    if place.is_file():
        return list(_of_table(place))
    if not place.is_dir():
        raise FileNotFoundError(
            f"images: there is no folder {path}; expected one with a folder of images for each "
            "class, or a .csv table with the columns file and label"
        )
    split_folders = {child: SPLIT_NAMES.get(child.name.lower()) for child in _folders(place)}
    if "train" not in split_folders.values():
        split_folders = {place: ""}
    found = [
        (file, label, split)
        for folder, split in split_folders.items()
        if split is not None
        for file, label in _of_classes(folder)
    ]
    if not found:
        there = sorted({file.suffix for file in place.rglob("*") if file.is_file()} - {""})
        raise FileNotFoundError(
            f"images: no images in folder {path}; there are {', '.join(there) or 'no'} files"
        )
    if len({label is None for _, label, _ in found}) > 1:
        loose = next(file for file, label, _ in found if label is None)
        raise ValueError(
            f"images: {loose} is in no class's folder; expected each image in the folder of its "
            "class, or all without classes"
        )
    return found


def _of_classes(folder):
    """Yield ``(file, label)`` in a folder that has a folder for each class, or only files."""
    for file in _images(folder, deep=False):
        yield file, None
    found = {child: list(_images(child, deep=True)) for child in _folders(folder)}
    for child, files in found.items():
        if not files and any(found.values()):
            warnings.warn(
                f"images: folder {child} has no image that can be read, so it is no class",
                stacklevel=4,
            )
        yield from ((file, child.name) for file in files)


def _of_table(path) -> Iterator[tuple[str, str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        if not {"file", "label"} <= set(columns):
            raise ValueError(
                f"images: expected the columns file and label (and split, if there is one) in the "
                f"first line of {path}, got {', '.join(columns) or 'nothing'}"
            )
        for row in rows:
            if not row["file"] or not row["label"]:
                raise ValueError(f"images: {path}, line {rows.line_num}: file or label is missing")
            name, split = row["file"], (row.get("split") or "").lower()
            if not (path.parent / name).is_file():
                raise FileNotFoundError(
                    f"images: {path}, line {rows.line_num}: there is no file {path.parent / name}"
                )
            if split and split not in SPLIT_NAMES:
                raise ValueError(
                    f"images: {path}, line {rows.line_num}: expected train, val or test as split, "
                    f"got {split!r}"
                )
            yield str(path.parent / name), row["label"], SPLIT_NAMES.get(split, "")


def _folders(place):
    return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(folder, *, deep):
    """Yield the paths of the image files in a folder, sorted."""
    from PIL import Image

    endings = Image.registered_extensions()
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if deep and not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in endings:
                yield os.path.join(where, name)
