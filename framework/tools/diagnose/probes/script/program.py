"""Program: the instrumented code of a script, statement by statement."""

import __future__

import ast
import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from firstlight.tools.diagnose.probes.script.instrument import FLOAT32, Site, instrumented
from firstlight.tools.diagnose.probes.script.kept_statements import (
    KEPT,
    Statements,
    assigned_names,
    reads_inert,
    with_kept_value,
)

if TYPE_CHECKING:
    from firstlight.tools.diagnose.probes.script.recorder import Recorder


@dataclass(frozen=True)
class Program:
    """The code of a script's outermost statements.

    Attributes
    ----------
    statements : list of ast.stmt
    codes : list of code
    shortcuts : dict of int to code
        By place: assignments of a value that is kept.
    sites : list of Site
    flags : int
        Of the compiler.
    edited : int
        Place from which on nothing is kept.
    """

    statements: list[ast.stmt]
    codes: list[CodeType]
    shortcuts: dict[int, CodeType]
    sites: list[Site]
    flags: int
    edited: int

    def run(self, names: dict[str, Any], recorder: "Recorder", kept: Statements | None) -> None:
        """Execute the script, or what follows of it, with the values that are kept."""
        if kept is None:
            for code in self.codes:
                exec(code, names)
        elif kept.complete:
            names[KEPT] = {place: one.value for place, one in kept.kept.items()}
            for place, code in enumerate(self.codes):
                usable = place in kept.kept and place < self.edited
                if usable and reads_inert(self.statements[place], names):
                    recorder.skip(kept.kept[place].runs, kept.kept[place].events)
                    code = self.shortcuts[place]
                exec(code, names)
        else:
            for place, (code, statement) in enumerate(
                zip(self.codes, self.statements, strict=True)
            ):
                kept.first_run(place, code, statement, names, recorder)


def script_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a script."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def plain_program(path: Path) -> Program:
    """Return the code of a script as it is."""
    code = compile(script_tree(path), str(path), "exec", dont_inherit=True)
    return Program([], [code], {}, [], 0, 0)


def instrumented_program(
    path: Path, *, float64: bool, edited: tuple[int, ast.stmt] | None = None
) -> Program:
    """Return the code of a script whose statements report themselves.

    Parameters
    ----------
    path : Path
    float64 : bool
        Read the names of single precision as those of double precision.
    edited : (int, ast.stmt), optional
        Number of one of the file's outermost statements, and what replaces it.
    """
    whole = _compiled(path, float64, path.stat().st_mtime_ns)
    if edited is None:
        return whole
    place, statement = edited
    first = len(whole.sites)
    tree, sites = _instrumented(statement, float64, first)
    codes = [*whole.codes[:place], _code(tree, path, whole.flags), *whole.codes[place + 1 :]]
    sites = [*whole.sites, *sites]
    return Program(whole.statements, codes, whole.shortcuts, sites, whole.flags, place)


@functools.lru_cache(maxsize=4)
def names_single_precision(path: Path, _: int) -> bool:
    """Return whether a script's text may mean something else in double precision."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(name in text for name in FLOAT32)


@functools.lru_cache(maxsize=4)
def _compiled(path, float64, _):
    codes, shortcuts, sites, flags = [], {}, [], 0
    statements = script_tree(path).body
    for place, statement in enumerate(statements):
        tree, new = _instrumented(statement, float64, len(sites))
        codes.append(_code(tree, path, flags))
        flags |= codes[-1].co_flags & __future__.annotations.compiler_flag  # of a __future__ import
        if assigned_names(statement) is not None:
            shortcuts[place] = _code(with_kept_value(tree, place), path, flags)
        sites += new
    return Program(statements, codes, shortcuts, sites, flags, len(codes))


def _instrumented(statement, float64, first):
    return instrumented(ast.Module([copy.deepcopy(statement)], []), float64=float64, first=first)


def _code(tree, path, flags):
    return compile(tree, str(path), "exec", flags, dont_inherit=True)
