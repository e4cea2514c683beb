"""The files of a data set that are downloaded once, and then read from a folder.

A data set's function marked with `downloadable` takes part in ``firstlight data download``::

    from firstlight.data import DataSplits, RemoteFiles, downloadable

    FILES = RemoteFiles(
        "moons",
        mirrors=["https://example.org/moons/"],
        sha256={"moons.npz": "9f86d081..."},
    )

    @downloadable(FILES)
    def moons(*, data_dir: str | None = None) -> DataSplits:
        path = FILES.find(data_dir)["moons.npz"]
        ...
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from firstlight.data._download_errors import DownloadError, explained, reason, wrong_content
from firstlight.support.files import PathLike, replacing

TIMEOUT = (10, 30)  # seconds, to connect and between two packets
OLD = 3600  # seconds after which a temporary file belongs to no fetch that still runs
OPEN = "its owner can let others read it: chmod -R a+rX"
Function = TypeVar("Function", bound=Callable)


class RemoteFiles:
    """Names, checksums and addresses of the files of a data set.

    Parameters
    ----------
    name : str
        Name of the data set.
    mirrors : sequence of str
        Addresses of folders that have all files, tried in this order.
    sha256 : dict of str to str
        SHA-256 of each file, by its name.
    folder : str, optional
        Name of the folder that keeps the files; by default that of the data set.

    Examples
    --------
    >>> from firstlight.data.remote_files import RemoteFiles
    >>> RemoteFiles("moons", mirrors=["https://example.org/"], sha256={"moons.npz": "9f86"})
    RemoteFiles(moons: moons.npz)
    """

    def __init__(
        self,
        name: str,
        *,
        mirrors: Sequence[str],
        sha256: Mapping[str, str],
        folder: str | None = None,
    ) -> None:
        self.name: str = name
        self.mirrors: Sequence[str] = mirrors
        self.sha256: Mapping[str, str] = sha256
        self.folder: str = folder or name

    def __repr__(self) -> str:
        return f"RemoteFiles({self.name}: {', '.join(self.sha256)})"

    def find(self, data_dir: PathLike | None = None) -> dict[str, Path]:
        """Return ``{file: path}``, from the first of these folders that has the files.

        1. ``data_dir``, if given, or a folder in it of this data set's name: an error if neither.
        2. The folder of that name in the environment variable FIRSTLIGHT_DATA.
        3. The user's cache folder, to which they are downloaded.

        Raises
        ------
        OSError
            Files are missing, or cannot be downloaded; the message names them and their folder.
        """
        folder = data_dir or os.environ.get("FIRSTLIGHT_DATA")
        found = self.local(folder, directly=bool(data_dir)) if folder else None
        if found is not None:
            return found
        if data_dir:
            raise FileNotFoundError(
                f"{self.name}: {data_dir} lacks {', '.join(self.sha256)}, which are downloaded if "
                "no data_dir is given"
            )
        try:
            paths = [path for path, _ in self.fetch(cache_folder())]
        except DownloadError as error:
            if folder:
                error.add_note(f"FIRSTLIGHT_DATA={folder} has no folder {self.folder} with them")
            error.add_note(how_to_provide(self))
            raise
        return dict(zip(self.sha256, paths, strict=True))

    def at_hand(self) -> bool:
        """Return True if `find` would download nothing."""
        folders = filter(None, (os.environ.get("FIRSTLIGHT_DATA"), cache_folder()))
        return any(self.local(folder, directly=False) is not None for folder in folders)

    def local(self, folder: PathLike, *, directly: bool = True) -> dict[str, Path] | None:
        """Return ``{file: path}`` in the data set's folder in a folder, or None.

        Parameters
        ----------
        folder : path-like
        directly : bool
            Accept files directly in the folder, too.

        Raises
        ------
        FileNotFoundError
            Some of the files are missing, but not all.
        """
        folder = Path(folder).expanduser()
        for place in (folder / self.folder, folder)[: 1 + directly]:
            with explained(self.name, "read", OPEN):
                paths = {file: self.present(place, file) for file in self.sha256}
                found = {file: path for file, path in paths.items() if path is not None}
                for path in found.values():
                    path.open("rb").close()
            missing = [file for file in paths if file not in found]
            if not missing:
                return found
            if found:
                raise FileNotFoundError(f"{self.name}: {place} lacks {', '.join(missing)}")
        return None

    def fetch(self, folder: PathLike) -> Iterator[tuple[Path, str]]:
        """Yield ``(path, origin)`` of each file, after it was copied or downloaded to a folder.

        The origin is the address or path that it came from, "" if the folder had it already. A
        file appears when it is complete and its checksum is right, so that several processes may
        fetch to one folder, and a fetch that was interrupted may be repeated. Everybody may read
        what was fetched.

        Parameters
        ----------
        folder : path-like
            The files go to the data set's folder in it.

        Raises
        ------
        DownloadError
            No mirror has a file, or none can be reached.
        OSError
            A file cannot be read or written.
        """
        place = Path(folder).expanduser() / self.folder
        mirrors = list(self.mirrors)
        for file in self.sha256:
            with explained(self.name, "read", OPEN):
                path = self.present(place, file)
                whole = path is not None and self.is_whole(file, path)
            if path is not None and whole:
                yield path, ""
            elif path is not None and path.name != file:
                raise OSError(
                    f"{self.name}: {path} would be read instead of {file}, and its content is not "
                    "known to be right; delete it"
                )
            else:
                advice = "choose a folder with enough space in which you may create files"
                with explained(self.name, "written", advice, place / file):
                    _make_folder(place)
                    found = self._copy(file, place) or self._download(file, place, mirrors)
                yield found

    def present(self, place: Path, file: str) -> Path | None:
        """Return the path of a file in a folder, or None."""
        return place / file if (place / file).is_file() else None

    def is_whole(self, file: str, path: Path) -> bool:
        """Return whether the content at a path has the checksum of a file."""
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256[file]

    def _whole(self, file, place):
        """Return the path of a file in a folder, or None if it is missing, damaged or closed."""
        with suppress(PermissionError):
            path = self.present(place, file)
            return path if path is not None and self.is_whole(file, path) else None

    def _copy(self, file, place):
        """Copy a file from FIRSTLIGHT_DATA or the cache; return None if neither has it."""
        for folder in (os.environ.get("FIRSTLIGHT_DATA"), cache_folder()):
            source = self._whole(file, Path(folder).expanduser() / self.folder) if folder else None
            if source is not None:
                with _publishing(place / source.name) as temporary:
                    shutil.copyfile(source, temporary)
                return place / source.name, str(source)
        return None

    def _download(self, file, place, mirrors):
        """Download a file; a mirror that fails is moved to the end of the list."""
        import pooch
        import requests

        problems = []
        for mirror in list(mirrors):
            url = mirror + file
            print(f"downloading {url}", file=sys.stderr, flush=True)
            try:
                with _publishing(place / file) as temporary:
                    pooch.HTTPDownloader(timeout=TIMEOUT)(url, str(temporary), None)
                    if not self.is_whole(file, temporary):
                        raise requests.RequestException(wrong_content(temporary))
                return place / file, url
            except requests.RequestException as error:
                problems.append(f"{url}: {reason(error)}")
                mirrors.remove(mirror)
                mirrors.append(mirror)
        with suppress(OSError):  # it has files
            place.rmdir()
        text = f"{self.name}: {file} could not be downloaded to {place}"
        raise DownloadError("\n  ".join([text, *problems]))


def downloadable(files: RemoteFiles) -> Callable[[Function], Function]:
    """Mark the function of a data set: its files are those that ``data download`` fetches."""

    def mark(function: Function) -> Function:
        function.files = files
        return function

    return mark


def how_to_provide(*sets: RemoteFiles) -> str:
    """Return advice for a computer without network."""
    return "\n  ".join(
        [
            "on a computer with network, run: firstlight data download "
            f"{' '.join(files.name for files in sets)} --to DIR",
            "copy DIR to this computer and set FIRSTLIGHT_DATA=DIR, so that it finds these files:",
            *(f"{Path('DIR') / files.folder}: {', '.join(files.sha256)}" for files in sets),
        ]
    )


def cache_folder() -> Path:
    """Return the user's cache folder, with a folder for each data set."""
    import pooch

    return Path(pooch.os_cache("firstlight"))


@contextmanager
def _publishing(path):
    """Yield a temporary file that replaces ``path`` at the end, readable by everybody."""
    with replacing(path) as temporary:
        yield temporary
    path.chmod(path.stat().st_mode | 0o444)
    for leftover in path.parent.glob(f".{path.name}.*"):  # of processes that were killed
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > OLD:
                leftover.unlink()


def _make_folder(path):
    """Create a folder and those above it that are missing, open to everybody."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        folder.chmod(folder.stat().st_mode | 0o555)
