"""Python itself: version, virtual environment, encodings, environment variables."""

import difflib
import importlib
import locale
import os
import platform
import shutil
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning

TESTED = ((3, 11), (3, 14))  # oldest and newest version
COMPILED = ("ssl", "ctypes", "zlib", "lzma", "bz2")  # modules over libraries of the system
PREFIX = "FIRSTLIGHT_"
VARIABLES = (
    "FIRSTLIGHT_BACKGROUND",
    "FIRSTLIGHT_BATCH_SCRIPT",
    "FIRSTLIGHT_COMPILED",
    "FIRSTLIGHT_CUDA_AWARE_MPI",
    "FIRSTLIGHT_DATA",
    "FIRSTLIGHT_DEBUG",
    "FIRSTLIGHT_FAST",
    "FIRSTLIGHT_PLUGINS",
    "FIRSTLIGHT_SECRET",
    "FIRSTLIGHT_STRICT_PLUGINS",
)


def examine(place: Place) -> Iterator[Finding]:
    """Examine Python and its settings."""
    yield _version()
    yield from _standard_library()
    yield _virtual_environment()
    yield from _commands()
    yield _encoding_of_files()
    yield from _locale()
    yield from _encoding_of_output()
    yield from _variables()


def _version():
    told = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    bits = 8 * struct.calcsize("P")
    if bits == 32:
        return fault(
            "Python",
            "python-32-bit",
            f"{told}: a 32-bit Python",
            "it addresses 4 GB at most, and NumPy and numba offer no wheels for it",
            "install a 64-bit Python, and firstlight in a new virtual environment of it",
        )
    if not TESTED[0] <= sys.version_info[:2] <= TESTED[1]:
        return warning(
            "Python",
            "python-untested",
            told,
            "firstlight is tested on Python {}.{} to {}.{}".format(*TESTED[0], *TESTED[1]),
            "use one of these versions if something fails",
        )
    return ok("Python", told)


def _standard_library():
    """Yield parts that a Python lacks if libraries were missing when it was built."""
    missing = []
    for name in COMPILED:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        yield fault(
            "Python",
            "python-incomplete",
            f"this Python was built without {', '.join(missing)}",
            "packages that need them cannot be imported, and nothing can be downloaded without ssl",
            "install the libraries (Debian: apt install build-essential libssl-dev libffi-dev "
            "liblzma-dev libbz2-dev zlib1g-dev) and build Python again, or use another one",
        )


def _commands():
    """Yield a finding if ``python`` or ``pip`` in the shell belong to another Python."""
    ours = {_folder(sys.executable), _folder(os.path.join(sysconfig.get_path("scripts"), "pip"))}
    others = {
        name: path
        for name in ("python", "pip")
        if (path := shutil.which(name)) is not None
        and _folder(path) not in ours
        and "shims" not in Path(path).parts  # of pyenv: they lead to any Python
    }
    if others:
        activate = (
            f"activate {sys.prefix}"
            if sys.prefix != sys.base_prefix
            else f"put {Path(sys.executable).parent} first in PATH"
        )
        yield warning(
            "commands",
            "command-other-python",
            f"{' and '.join(others.values())} belong to another Python than {sys.executable}",
            "python train.py does not find firstlight, and pip installs where it does not look",
            f"{activate}, or type {sys.executable} and {sys.executable} -m pip",
        )


def _folder(program):
    return Path(program).parent.resolve()


def _virtual_environment():
    subject, prefix = "virtual environment", Path(sys.prefix)
    for variable, activate in (
        ("VIRTUAL_ENV", ". {}/bin/activate"),
        ("CONDA_PREFIX", "conda activate {}"),
    ):
        active = os.environ.get(variable)
        if not active:
            continue
        if _same(active, prefix):
            return ok(subject, str(prefix))
        return warning(
            subject,
            "environment-not-active",
            f"{active} is active, but this Python belongs to {prefix}",
            "what pip installs in the active environment is not seen by this firstlight",
            f"{activate.format(active)}; pip install firstlight; hash -r",
        )
    if sys.prefix != sys.base_prefix:
        return ok(subject, str(prefix))
    return ok(subject, f"none; packages are in {prefix}")


def _same(one, other):
    try:
        return os.path.samefile(one, other)
    except OSError:  # it was deleted
        return False


def _encoding_of_files():
    encoding = "utf-8" if sys.flags.utf8_mode else locale.getencoding()
    names = sys.getfilesystemencoding()
    if all(_is_utf8(one) for one in (encoding, names)):
        return ok("text encoding", "UTF-8")
    return warning(
        "text encoding",
        "encoding-files",
        f"files are read as {encoding}, and their names as {names}",
        "scripts that open a file without encoding= fail on letters such as ä, or change them",
        "export PYTHONUTF8=1" if os.name != "nt" else "setx PYTHONUTF8 1, then a new console",
    )


def _locale():
    names = {os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")} - {None, ""}
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        yield warning(
            "locale",
            "locale-missing",
            f"{', '.join(sorted(names))} is not installed here",
            "programs fall back to ASCII; ssh carries the setting of your own computer along",
            "export LC_ALL=C.UTF-8",
        )
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _encoding_of_output():
    odd = {
        f"{name}: {stream.encoding}"
        for name in ("stdout", "stderr")
        if (stream := getattr(sys, name)) is not None
        and getattr(stream, "encoding", None)
        and not _is_utf8(stream.encoding)
    }
    if odd:
        yield warning(
            "output",
            "encoding-output",
            ", ".join(sorted(odd)),
            "print fails on letters that this encoding lacks, in scripts; the command prints ?",
            "export PYTHONIOENCODING=utf-8" if os.name != "nt" else "setx PYTHONUTF8 1",
        )


def _is_utf8(encoding):
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig", "cp65001")


def _variables():
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name in VARIABLES:
            continue
        close = difflib.get_close_matches(name, VARIABLES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        yield warning(
            "variables",
            "variable-unknown",
            f"{name} is set, and firstlight has no such variable",
            "the setting has no effect",
            f"{hint}unset {name}",
        )
