"""``firstlight data download``: the files of data sets, in a folder that others may share."""

from __future__ import annotations

import os
import shlex
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from firstlight import plugins
from firstlight.data.remote_files import (
    DownloadError,
    RemoteFiles,
    cache_folder,
    how_to_provide,
)
from firstlight.tools.cli.arguments import Choice
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

EVERY = "all"


class Download(Command):
    """Copy or download the files of data sets to a folder, and verify their checksums.

    Files that the folder has are verified and kept. The others are copied from FIRSTLIGHT_DATA or
    the user's cache folder if these have them, else downloaded. A command that was interrupted may
    be repeated.

      firstlight data download mnist
      firstlight data download all --to /shared/data
      FIRSTLIGHT_DATA=/shared/data firstlight fit --data mnist
    """

    usage = "NAME ... [--to DIR]"

    options: Options = (
        option("names", "data sets, or: all", nargs="+", metavar="NAME"),
        option(
            "--to DIR", "the folder; if not given, the cache folder that data sets are read from"
        ),
    )

    def run(self, args: Args) -> int:
        """Fetch each data set; a failure does not keep the others from being fetched."""
        if args.to == "":
            raise UsageError("--to: expected a folder, got an empty text")
        folder = cache_folder() if args.to is None else Path(args.to).expanduser().absolute()
        paths, problems, missing = [], [], []
        for files in chosen(args.names):
            try:
                for path, origin in files.fetch(folder):
                    paths.append(path)
                    done = f"from {origin}" if origin else "was here"
                    tell(f"{path}  {path.stat().st_size:,} bytes  {done}", flush=True)
            except OSError as error:
                problems.append(str(error))
                missing += [files] if isinstance(error, DownloadError) else []
        if missing:
            problems.append(how_to_provide(*missing))
        if problems:
            raise OSError("\n".join(problems))
        if args.to is not None:
            tell(f"use it: export FIRSTLIGHT_DATA={shlex.quote(str(folder))}")
            for place, mode in closed(paths):
                tell(f"other users cannot read {place} ({mode})")
        return 0


def chosen(names: list[str]) -> list[RemoteFiles]:
    """Return the files of data sets by name, or of all that can be downloaded."""
    every, found = names == [EVERY], []
    for name in plugins.registry("dataset").names() if every else names:
        try:
            files = getattr(Choice("dataset", name).target, "files", None)
        except Exception as error:  # of a plugin's module; one of them must not hide all others
            if not every:
                raise
            warnings.warn(f"{name} cannot be used: {error}", stacklevel=2)
            continue
        if isinstance(files, RemoteFiles):
            found.append(files)
        elif not every:
            raise UsageError(f"{name}: this data set has no files to download")
    return found


def closed(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file that other users cannot read, or folder that they cannot enter."""
    places = {place for path in paths for place in (path, *path.parents)}
    for place in sorted(places) if os.name == "posix" else ():
        mode = place.stat().st_mode
        if not mode & (stat.S_IXOTH if place.is_dir() else stat.S_IROTH):
            yield place, stat.filemode(mode)
