"""How firstlight is installed: stale editable installs, other checkouts, shadowed modules."""

import importlib.metadata
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import firstlight
from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning

# Top-level modules that firstlight and its packages import.
NEEDED = {
    *("IPython", "PIL", "cupy", "firstlight", "jsonargparse", "llvmlite", "matplotlib"),
    *("mpi4py", "numba", "numpy", "packaging", "pandas", "platformdirs", "pluggy", "pooch"),
    *("requests", "rich", "safetensors", "scipy", "sklearn", "tensorboard", "tensorboardX"),
    *("threadpoolctl", "torch", "yaml"),
}
AGAIN = "pip install -e {}"


def examine(place: Place) -> Iterator[Finding]:
    """Examine where firstlight, and what it imports, come from."""
    yield from _editable()
    yield from _other_checkout(place.here)
    yield from _shadowing(place.here)
    yield from _python_path(place.here)


def _editable():
    subject, where = "firstlight", Path(firstlight.__file__).parent
    root = _editable_root()
    if root is None:
        yield ok(subject, f"{firstlight.__version__} in {where}")
        return
    found = f"{firstlight.__version__}, editable, in {root}"
    project = _project(root)
    if project is None:
        yield fault(
            subject,
            "editable-gone",
            f"it was installed from {root}, which has no pyproject.toml any more",
            "its plugins, models and commands come from that folder",
            f"{AGAIN.format('NEW_FOLDER')}, in the folder where it is now",
        )
        return
    changed = _changes(project)
    if changed:
        yield warning(
            subject,
            "editable-stale",
            f"{found}; since the installation these have changed: {', '.join(changed)}",
            "new commands, plugins and requirements are known only after an installation",
            AGAIN.format(root),
        )
    else:
        yield ok(subject, found)


def _distribution():
    try:
        return importlib.metadata.distribution("firstlight")
    except importlib.metadata.PackageNotFoundError:
        return None


def _editable_root():
    """Return the folder of an editable installation, else None."""
    own = _distribution()
    text = own.read_text("direct_url.json") if own is not None else None
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))


def _project(root):
    """Return the content of a pyproject.toml, None if it cannot be read."""
    try:
        with open(root / "pyproject.toml", "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return None


def _changes(project):
    """Return what an installation's metadata and its pyproject.toml do not agree on."""
    own, listed = _distribution(), project.get("project", {})
    points = {(p.group, p.name, p.value) for p in own.entry_points}
    groups = {**listed.get("entry-points", {}), "console_scripts": listed.get("scripts", {})}
    expected = {(group, *item) for group, items in groups.items() for item in items.items()}
    changes = []
    if own.version != listed.get("version"):
        changes.append("version")
    if points != expected:
        changes.append("entry points")
    if _requirements(own.requires or ()) != _requirements(listed.get("dependencies", ())):
        changes.append("requirements")
    return changes


def _requirements(lines):
    """Return requirements without those of extras, in one notation."""
    from packaging.requirements import Requirement

    found = {str(Requirement(line)) for line in lines}
    return {one for one in found if "extra ==" not in one}


def _other_checkout(here):
    """Yield a finding if the working folder is in a checkout that is not the imported one."""
    package = Path(firstlight.__file__).resolve().parent
    for folder in (here, *here.parents):
        project = _project(folder)
        if project is None:
            continue
        name = project.get("project", {}).get("name")
        if name == "firstlight" and not package.is_relative_to(folder.resolve()):
            yield warning(
                "firstlight",
                "other-checkout",
                f"the working folder is in a copy of firstlight, {folder}, but {package} is "
                "imported",
                "changes to this copy have no effect",
                AGAIN.format(folder),
            )
        return


def _shadowing(here):
    """Yield files in the working folder that hide modules."""
    found = 0
    for path, name in _modules(here):
        found += 1
        used = name in NEEDED or name in sys.modules
        yield (fault if used else warning)(
            "working folder",
            "module-shadowed",
            _hides(path, name),
            f"a script in this folder imports it instead, and so do all packages that need {name}",
            f"rename it, e.g. mv {path.name} my_{path.name}, and delete __pycache__",
        )
    if not found:
        yield ok("working folder", "no file hides a module")


def _python_path(here):
    """Yield files of no installed package, in folders of PYTHONPATH, that hide modules."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    for folder in dict.fromkeys(Path(folder) for folder in folders if folder):
        if not folder.is_dir() or folder.resolve() == here.resolve():
            continue
        rest = [path for path in sys.path if path and Path(path).resolve() != folder.resolve()]
        for path, name in _modules(folder):
            installed = any(folder.glob(f"{name}-*.*-info"))
            if installed or PathFinder.find_spec(name, rest) is None:
                continue
            yield (fault if name in NEEDED else warning)(
                "PYTHONPATH",
                "module-shadowed",
                _hides(path, name),
                f"it is imported instead, by all packages that need {name}",
                f"unset PYTHONPATH, or remove {folder} from it",
            )


def _modules(folder):
    """Yield path and name of modules in a folder that are named as a needed or a standard one."""
    if folder.resolve().is_relative_to(Path(sys.prefix).resolve()):
        return
    for path in sorted(folder.iterdir()):
        name = path.stem if path.suffix == ".py" else path.name
        is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
        if is_module and (name in NEEDED or name in sys.stdlib_module_names):
            yield path, name


def _hides(path, name):
    kind = "the package" if name in NEEDED else "Python's module"
    return f"{path} hides {kind} {name}"
