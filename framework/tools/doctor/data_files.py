"""The files of data sets: whether those that are here are complete and right."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from firstlight.tools.doctor.finding import (
    Finding,
    Place,
    fault,
    gigabytes,
    numpy_works,
    ok,
    warning,
)
from firstlight.tools.doctor.folders import can_create

CHEAP = 150e6  # bytes whose checksums are computed, in 0.1 to 0.5 s
DOWNLOAD = "firstlight data download {} verifies the files and replaces damaged ones"


def examine(place: Place) -> Iterator[Finding]:
    """Examine the files of all data sets that are downloaded."""
    if not numpy_works():
        return
    from firstlight import plugins
    from firstlight.data.remote_files import RemoteFiles, cache_folder

    folder = os.environ.get("FIRSTLIGHT_DATA")
    if folder and not Path(folder).expanduser().is_dir():
        yield fault(
            "data",
            "data-folder-missing",
            f"FIRSTLIGHT_DATA={folder} is no folder",
            "data sets are downloaded again, which fails on nodes without network",
            "correct the path, mount the folder, or unset FIRSTLIGHT_DATA",
        )
    problem = can_create(cache_folder())
    if problem and not folder:
        yield warning(
            "data",
            "data-cache",
            f"data sets cannot be kept: {problem}",
            "those that are not here yet cannot be downloaded",
            "export FIRSTLIGHT_DATA=FOLDER with the files, or XDG_CACHE_HOME=FOLDER",
        )
    places = [Path(one).expanduser() for one in (folder, cache_folder()) if one]
    budget, here, absent = [CHEAP], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", plugins.PluginWarning)  # see plugin_packages
        registry = plugins.registry("dataset")
    for name in registry.names():
        try:
            files = getattr(registry.get(name), "files", None)
        except Exception:  # of a plugin's module
            continue
        if not isinstance(files, RemoteFiles):
            continue
        state, problems = _state(name, files, places, budget)
        yield from problems
        (here if state else absent).append(f"{name} ({state})" if state else name)
    if here:
        yield ok("data", "; ".join(here))
    if absent:
        yield ok("data", f"not here, downloaded when used: {', '.join(absent)}")


def _state(name, files, places, budget):
    """Return what is known of a data set's files, "" if there are none, and the problems."""
    for folder in places:
        try:
            found = files.local(folder, directly=False)
        except FileNotFoundError as error:
            return "", [_incomplete(name, error)]
        except OSError as error:
            return "", [_unreadable(name, error)]
        if found is None:
            continue
        size = sum(path.stat().st_size for path in found.values())
        if size > budget[0]:
            return f"{gigabytes(size)}, not verified", []
        budget[0] -= size
        damaged = [path for file, path in found.items() if not files.is_whole(file, path)]
        return "" if damaged else "verified", [_damaged(name, path) for path in damaged]
    return "", []


def _incomplete(name, error):
    return fault(
        "data",
        "data-incomplete",
        str(error),
        f"trainings on {name} end at once with this message",
        DOWNLOAD.format(name) + "; with --to FOLDER in a folder of your own",
    )


def _unreadable(name, error):
    return fault(
        "data",
        "data-unreadable",
        str(error),
        f"trainings on {name} end at once with this message",
        "ask the owner of the folder for chmod -R a+rX",
    )


def _damaged(name, path):
    return fault(
        "data",
        "data-damaged",
        f"{path} has a wrong checksum",
        f"trainings on {name} fail, or learn from wrong data",
        f"delete it, then {DOWNLOAD.format(name)}",
    )
