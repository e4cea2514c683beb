"""Import modules from the copies in a run's folder ``source``; see `firstlight.runs.sources`."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from firstlight.runs.source_masking import masked_source
from firstlight.runs.sources import MAIN, read_source
from firstlight.support.files import PathLike


class Copies(importlib.abc.MetaPathFinder):
    """Import modules from the copies in a run, and from nothing else that may lie there.

    Parameters
    ----------
    folder : path-like
        The folder ``source``.
    modules : dict of str to str
        File by module.
    texts : dict of str to str
        Text by file.
    """

    def __init__(
        self, folder: PathLike, modules: Mapping[str, str], texts: Mapping[str, str]
    ) -> None:
        self.folder = Path(folder)
        self.files = {name: file for name, file in modules.items() if name != MAIN}
        self.texts = texts

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of a copied module."""
        above = name + "."
        if name in self.files:
            file = self.files[name]
            loader = _Copy(self.texts[file], str(self.folder / file))
            inner = [] if loader.is_package(name) else None
            return importlib.util.spec_from_file_location(
                name, loader.path, loader=loader, submodule_search_locations=inner
            )
        if any(other.startswith(above) for other in self.files):  # a folder without __init__.py
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        return None

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Import the copied modules under their names, and restore ``sys.modules`` at the end.

        A module that is imported already from the same text stays.
        """
        names = [name for name in (*self.files, *self._folders()) if not self._is_same(name)]
        before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(before)

    def _folders(self):
        return {
            name.rpartition(".")[0]
            for name in self.files
            if "." in name and name.rpartition(".")[0] not in self.files
        }

    def _is_same(self, name):
        """Return whether a module is imported already, from the same text."""
        path = getattr(sys.modules.get(name), "__file__", None)
        if name not in self.files or not path:
            return False
        try:
            text = masked_source(read_source(path))
        except (OSError, ValueError, SyntaxError):
            return False
        return text == self.texts[self.files[name]]


class _Copy(importlib.abc.InspectLoader):
    """Execute the text of a copied module; nothing is written beside it."""

    def __init__(self, text: str, path: str) -> None:
        self.text, self.path = text, path

    def get_source(self, fullname: str) -> str:
        return self.text

    def get_code(self, fullname: str) -> Any:
        return compile(self.text, self.path, "exec")

    def is_package(self, fullname: str) -> bool:
        return self.path.endswith("__init__.py")

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), vars(module))
