"""Notebooks: whether a kernel of Jupyter runs this Python."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from firstlight.support.extras import installed
from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning

INSTALL = "python -m ipykernel install --user --name firstlight"


def examine(place: Place) -> Iterator[Finding]:
    """Examine the kernels that Jupyter offers."""
    subject, found = "notebooks", kernels()
    if not found and not shutil.which("jupyter"):
        yield ok(subject, "no Jupyter")
        return
    missing = {name: python for name, python in found.items() if not _exists(python)}
    for name, python in missing.items():
        yield fault(
            subject,
            "kernel-gone",
            f"the kernel {name} starts {python}, which does not exist",
            "notebooks with this kernel do not start",
            f"jupyter kernelspec remove {name}; {INSTALL}",
        )
    ours = [name for name, python in found.items() if python and _is_this(python)]
    default = found.get("python3")
    if ours and (default is None or "python3" in ours or "python3" in missing):
        yield ok(subject, f"kernel {', '.join(ours)} runs this Python")
    elif default and "python3" not in missing:
        yield warning(
            subject,
            "kernel-other-python",
            f"the kernel python3 runs {default}, not {sys.executable}",
            "a notebook imports the packages of the other Python, or does not find firstlight",
            f"choose the kernel {ours[0]} in the notebook" if ours else INSTALL,
        )
    elif not ours and not missing:
        yield warning(
            subject,
            "kernel-missing",
            "no kernel of Jupyter runs this Python",
            "notebooks import the packages of another Python",
            INSTALL if installed("ipykernel") else f"pip install ipykernel; {INSTALL}",
        )


def kernels() -> dict[str, str]:
    """Return the Python that each kernel starts, by the kernel's name, the first one of a name."""
    found = {}
    for folder in _folders():
        for path in sorted(folder.glob("*/kernel.json")):
            try:
                words = json.loads(path.read_text(encoding="utf-8"))["argv"]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if words and re.search(r"python[\d.]*(\.exe)?$", words[0], re.IGNORECASE):
                found.setdefault(path.parent.name, _program(words[0]))
    return found


def _folders():
    """Return the folders of kernels in Jupyter's order."""
    named = [Path(part) for part in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if part]
    data = os.environ.get("JUPYTER_DATA_DIR")
    if data:
        user = Path(data)
    elif sys.platform == "darwin":
        user = Path.home() / "Library" / "Jupyter"
    elif os.name == "nt":
        user = Path(os.environ.get("APPDATA", Path.home())) / "jupyter"
    else:
        user = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "jupyter"
    jupyter = shutil.which("jupyter")  # which may be of another environment
    prefix = Path(jupyter).parent.parent if jupyter else Path(sys.prefix)
    own = prefix / "share" / "jupyter"
    both = [own, user] if (prefix / "pyvenv.cfg").exists() else [user, own]
    shared = [Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter")]
    return [folder / "kernels" for folder in (*named, *both, *shared)]


def _program(word):
    """Return the program of a kernel; Jupyter replaces a bare "python" by its own Python."""
    if os.path.isabs(word):
        return word
    jupyter = shutil.which("jupyter")
    if re.fullmatch(r"python[\d.]*", word) and jupyter:
        beside = Path(jupyter).parent / ("python.exe" if os.name == "nt" else "python")
        return str(beside) if beside.exists() else sys.executable
    return shutil.which(word) or sys.executable


def _exists(python):
    return os.path.exists(python)


def _is_this(python):
    """Return whether a program is this environment's Python, whatever links lead to it."""
    folder = os.path.realpath(Path(python).parent)
    return folder == os.path.realpath(Path(sys.executable).parent)
