"""Decode image files of any format to arrays of one size."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firstlight.data._prefetch import prefetched
from firstlight.data.lazy import LazyArray
from firstlight.data.remote_files import cache_folder
from firstlight.support.array import Array
from firstlight.support.files import PathLike, replacing

SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class ImageArray(LazyArray):
    """Image files as an array, (N, height, width, channels) of uint8; taking some decodes them.

    Parameters
    ----------
    files : sequence of str
    shape : tuple (height, width, channels)
        Files of another size are cropped to its ratio and resized; channels are 3 or 1, grey.
    """

    def __init__(self, files: Sequence[str], shape: tuple[int, int, int]) -> None:
        super().__init__((len(files), *shape), "uint8")
        self.files: Sequence[str] = files

    def read(self, places: Array) -> Array:
        """Return decoded images."""
        images = np.empty((len(places), *self.shape[1:]), "uint8")
        for image, place in zip(images, places, strict=True):
            image[...] = decode(self.files[place], self.shape[1:])
        return images

    def part(self, places: Array) -> "ImageArray":
        """Return the array of some of the files."""
        return ImageArray([self.files[place] for place in places], self.shape[1:])

    def decoded(self, images: Array) -> Array:
        """Decode all files into an array, on all cores, and return it."""

        def fill(place):
            images[place] = decode(self.files[place], self.shape[1:])

        threads = os.cpu_count() or 1
        for _ in prefetched(fill, range(len(self)), 2 * threads, threads):
            pass
        return images

    def in_memory(self) -> Array:
        """Return all images as an array in memory."""
        return self.decoded(np.empty(self.shape, "uint8"))

    def in_file(self, folder: PathLike | None = None) -> Array:
        """Return all images as a memory-mapped file, which is kept and used again.

        Parameters
        ----------
        folder : path-like, optional
            By default a folder in the user's cache. The file's name depends on the image files'
            names, sizes and times.
        """
        key = hashlib.sha256(repr(self.shape).encode())
        for file in self.files:
            facts = os.stat(file)
            key.update(f"{os.path.abspath(file)}\0{facts.st_size} {facts.st_mtime_ns}\0".encode())
        place = cache_folder() / "images" if folder is None else Path(folder).expanduser()
        path = place / f"{key.hexdigest()[:24]}.npy"
        if not path.is_file():
            place.mkdir(parents=True, exist_ok=True)
            with replacing(path) as unfinished:
                kept = np.lib.format.open_memmap(unfinished, "w+", "uint8", self.shape)
                self.decoded(kept).flush()
        return np.load(path, mmap_mode="r", allow_pickle=False)


def decode(path: PathLike, shape: tuple[int, ...]) -> Array:
    """Return the image in a file as an array of uint8.

    Rotation by EXIF is applied. Transparent pixels become white, 16 bits are rounded to 8, and of
    several frames the first is taken. A JPEG that is much larger than ``shape`` is decoded at a
    half, a quarter or an eighth of its size.

    Parameters
    ----------
    path : path-like
    shape : tuple (height, width, channels)

    Raises
    ------
    ValueError
        The file cannot be read as an image.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(path) as opened:
            opened.draft(mode, (max(height, width),) * 2)
            image = _in_mode(ImageOps.exif_transpose(opened), mode)
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(shape)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"images: {path} cannot be read as an image ({error}); repair it or leave it out"
        ) from error


def size_of(path: PathLike) -> tuple[int, int]:
    """Return height and width of an image file, as it is shown; only its header is read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(274, 1) >= 5  # the tag "Orientation"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"images: {path} cannot be read as an image ({error})") from error
    return (width, height) if turned else (height, width)


def _in_mode(image, mode):
    """Return an image as "L" or "RGB"."""
    from PIL import Image

    if image.mode in SIXTEEN_BITS:
        values = np.asarray(image).astype("int64")
        if values.min() < 0 or values.max() >= 2**16:
            raise ValueError("its pixels are integers of 32 bits; convert them to 8 or 16 bits")
        image = Image.fromarray(((values + 128) // 257).astype("uint8"))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; convert them to 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)
