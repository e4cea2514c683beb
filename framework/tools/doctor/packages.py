"""Installed packages: what firstlight requires, wrong versions, duplicates."""

import importlib.metadata
import site
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning

DEVELOPERS = {"test", "bench", "docs", "dev"}  # extras that a user does not need


class Installed(NamedTuple):
    """A package in a folder."""

    name: str
    version: str
    folder: Path


def examine(place: Place) -> Iterator[Finding]:
    """Examine the packages that firstlight needs."""
    there = installed()
    wrong = list(_requirements(there))
    yield from wrong
    told = {one.found.partition(" ")[0] for one in wrong}
    yield from _leftovers(there)
    yield from _shadowed({name: found for name, found in there.items() if name not in told})


def installed() -> dict[str, list[Installed]]:
    """Return all packages on the import path by name, in the order of the path.

    They are read from the names of folders, because importlib.metadata takes 70 ms.
    """
    found = defaultdict(list)
    for place in dict.fromkeys(Path(place or ".").absolute() for place in sys.path):
        for path in sorted(place.glob("*.dist-info")):
            name, _, version = path.name.removesuffix(".dist-info").partition("-")
            name = name.replace("_", "-").replace(".", "-").lower()
            found[name].append(Installed(name, version, place))
    return dict(found)


def _requirements(there):
    try:
        from packaging.requirements import Requirement

        own = importlib.metadata.distribution("firstlight")
    except ImportError as error:  # PackageNotFoundError is one, too
        yield fault(
            "packages",
            "not-installed",
            f"the package {error.name or 'firstlight'} is not installed",
            "its models, data sets and commands are found by the metadata of an installation",
            "pip install -e . in firstlight's folder, or pip install firstlight",
        )
        return
    extras = own.metadata.get_all("Provides-Extra") or []
    wrong = 0
    for line in own.requires or ():
        need = Requirement(line)
        optional = need.marker is not None and "extra" in str(need.marker)
        if optional:
            names = [name for name in extras if name not in DEVELOPERS]
            if not any(need.marker.evaluate({"extra": name}) for name in names):
                continue
        elif need.marker is not None and not need.marker.evaluate():
            continue
        key = need.name.replace("_", "-").replace(".", "-").lower()
        have = there.get(key)
        if have and (not need.specifier or need.specifier.contains(have[0].version, True)):
            continue
        if not have and optional:
            continue
        wrong += 1
        got = f"{key} {have[0].version} in {have[0].folder}" if have else f"{key} is not installed"
        yield (warning if optional else fault)(
            "packages",
            "package-version" if have else "package-missing",
            f"{got}; firstlight needs {key}{need.specifier}",
            "what uses it fails, maybe long after the start",
            f"pip install '{key}{need.specifier}'",
        )
    if not wrong:
        yield ok("packages", f"firstlight {own.version} and all that it requires")


def _leftovers(there):
    for name, places in sorted(there.items()):
        versions = defaultdict(list)
        for one in places:
            versions[one.folder].append(one.version)
        for folder, several in versions.items():
            if len(several) > 1:
                yield warning(
                    "packages",
                    "package-leftover",
                    f"{name} is recorded {len(several)} times in {folder}: {', '.join(several)}",
                    "an installation was interrupted; files of both versions may be mixed",
                    f"pip uninstall -y {name} (repeat until nothing is left); pip install {name}",
                )


def _shadowed(there):
    """Yield packages that PYTHONPATH or the user's folder puts before those of the environment."""
    prefixes = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    user = Path(site.getusersitepackages()) if site.ENABLE_USER_SITE else None

    def inside(folder):
        return any(folder.resolve().is_relative_to(prefix) for prefix in prefixes)

    hiding = defaultdict(list)
    for name, (first, *others) in sorted(there.items()):
        hidden = [one for one in others if inside(one.folder) and one.version != first.version]
        if hidden and (not inside(first.folder) or first.folder == user):
            told = f"{name} {first.version} hides {hidden[0].version}"
            hiding[first.folder].append(told)
    for folder, several in hiding.items():
        cure = "unset PYTHONPATH, or remove the folder from it"
        if folder == user:
            cure = "export PYTHONNOUSERSITE=1, or pip uninstall them outside the environment"
        more = f" and {len(several) - 3} more" * (len(several) > 3)
        yield warning(
            "packages",
            "package-shadowed",
            f"packages in {folder} hide those of the environment: {', '.join(several[:3])}{more}",
            "compiled packages fit one version of each other, and pip shows the hidden ones",
            cure,
        )
