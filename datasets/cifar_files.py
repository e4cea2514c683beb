"""The archives of CIFAR-10 and CIFAR-100 in their binary version: find, download and parse them.

A file in the archive is a sequence of records of equal size, one for each image:

=============  ==============================================================================
bytes          meaning
=============  ==============================================================================
1 or 2         the label; CIFAR-100 has the number of the superclass, then that of the class
3072           the pixels: 32 x 32 red ones by row, then the green ones, then the blue ones
=============  ==============================================================================

Nothing of an archive is written to the disk, and nothing in it is a pickle.
"""

import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from firstlight.data.remote_files import RemoteFiles
from firstlight.support.array import Array
from firstlight.support.files import PathLike

PIXELS = 3 * 32 * 32
LIMIT = 2**28  # bytes; the largest file of the archives has 154 million


class CifarArchive(RemoteFiles):
    """The archive of a CIFAR data set, or the folder of its unpacked files.

    Parameters
    ----------
    name : str
    mirrors : sequence of str
    sha256 : dict of str to str
        Of the archive.
    unpacked : str
        Folder in the archive.
    train, test : sequence of str
        Files in that folder.
    """

    def __init__(
        self,
        name: str,
        *,
        mirrors: Sequence[str],
        sha256: Mapping[str, str],
        unpacked: str,
        train: Sequence[str],
        test: Sequence[str],
    ) -> None:
        super().__init__(name, mirrors=mirrors, sha256=sha256)
        self.unpacked: str = unpacked
        self.train: Sequence[str] = train
        self.test: Sequence[str] = test

    def local(self, folder: PathLike, *, directly: bool = True) -> dict[str, Path] | None:
        """Return ``{archive: path}``; the path is that of the unpacked folder if there is one."""
        place = Path(folder).expanduser()
        places = [place / self.folder / self.unpacked]
        places += [place / self.unpacked, place] if directly else []
        for unpacked in places:
            if all((unpacked / file).is_file() for file in (*self.train, *self.test)):
                return dict.fromkeys(self.sha256, unpacked)
        return super().local(folder, directly=directly)

    def read(self, path: Path, files: Sequence[str]) -> list[bytes]:
        """Return the contents of files in the archive, or in the unpacked folder, at a path.

        Raises
        ------
        ValueError
            The archive is corrupt, lacks a file, or has one that is no regular file or too large.
        """
        if path.is_dir():
            return [(path / file).read_bytes() for file in files]
        found = {}
        try:
            with tarfile.open(path) as archive:
                for member in archive:  # one pass: the archive is compressed as a whole
                    folder, _, file = member.name.removeprefix("./").partition("/")
                    if folder == self.unpacked and file in files:
                        found[file] = _content(archive, member)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path}: corrupt archive ({error}); delete it and get it again"
            ) from error
        missing = [file for file in files if file not in found]
        if missing:
            raise ValueError(
                f"{path}: expected {', '.join(missing)} in folder {self.unpacked} of the archive; "
                "get the archive again"
            )
        return [found[file] for file in files]


def parse_records(content: bytes, labels: int, where: str) -> tuple[Array, Array]:
    """Return the images and labels in the bytes of a file.

    Parameters
    ----------
    content : bytes
    labels : int
        Labels of an image: 1 or 2.
    where : str
        Used in messages.

    Returns
    -------
    images : array of uint8, shape (N, 32, 32, 3)
    labels : array of int64, shape (N, labels)

    Raises
    ------
    ValueError
        The file is empty, or does not end with a whole record.
    """
    size = labels + PIXELS
    if not content or len(content) % size:
        raise ValueError(
            f"{where}: expected records of {size} bytes, got {len(content)} bytes in all; get the "
            "file again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    images = records[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (N, H, W, C)
    return np.ascontiguousarray(images), records[:, :labels].astype("int64")


def _content(archive, member):
    """Return the bytes of a regular file in an archive."""
    if not member.isreg() or member.size > LIMIT:
        raise tarfile.TarError(f"{member.name} is not a regular file of at most {LIMIT:,} bytes")
    content = archive.extractfile(member).read()
    if len(content) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return content
