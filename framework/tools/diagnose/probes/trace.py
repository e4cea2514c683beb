"""Trace of a script: the first steps of its trainings as events, each with its line."""

import __future__

import ast
import copy
import functools
import linecache
import sys
from collections.abc import Sequence
from pathlib import Path

from firstlight.tools.diagnose.probes.events import Trace
from firstlight.tools.diagnose.probes.instrument import RECORDER, instrumented
from firstlight.tools.diagnose.probes.module_hooks import recording_modules
from firstlight.tools.diagnose.probes.raised import one_line
from firstlight.tools.diagnose.probes.recorder import Recorder
from firstlight.tools.diagnose.probes.sandbox import StopScript, sandbox


def trace(
    path: Path,
    arguments: Sequence[str] = (),
    recorder: Recorder | None = None,
    edited: tuple[int, ast.stmt] | None = None,
) -> Trace:
    """Run a script, and record the first steps of its trainings.

    Parameters
    ----------
    path : Path
    arguments : list of str
        Its command line.
    recorder : Recorder, optional
        One that changes what the script computes.
    edited : (int, ast.stmt), optional
        Number of one of the file's outermost statements, and what replaces it.
    """
    recorder = Recorder(path) if recorder is None else recorder
    linecache.checkcache(str(path))
    linecache.getlines(str(path))  # now, as the script may change the folder
    found = recorder.trace
    found.parameters = recorder.parameters
    if recorder.instruments:
        codes, recorder.sites = _compiled(path, recorder.float64, edited)
    else:
        codes = [compile(script_tree(path), str(path), "exec", dont_inherit=True)]
    with sandbox(path, list(arguments), recorder) as module, recording_modules(recorder):
        found.names = vars(module)
        found.names[RECORDER] = recorder
        try:
            for code in codes:
                exec(code, found.names)
        except StopScript as stop:
            found.ended = str(stop)
        except SystemExit as stop:
            if stop.code and not recorder.has_trained:
                found.ended = _last_words(stop)
        except Exception as error:
            _note_error(found, error)
    return recorder.finish()


def script_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a script."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _compiled(path, float64, edited):
    """Return the code of each statement of a script, and the sites in them."""
    codes, sites, flags = _compiled_file(path, float64, path.stat().st_mtime_ns)
    if edited is None:
        return codes, sites
    place, statement = edited
    changed, new = _compiled_statement(path, copy.deepcopy(statement), float64, len(sites), flags)
    return [*codes[:place], changed, *codes[place + 1 :]], [*sites, *new]


@functools.lru_cache(maxsize=4)
def _compiled_file(path, float64, _):
    codes, sites, flags = [], [], 0
    for statement in script_tree(path).body:
        code, new = _compiled_statement(path, statement, float64, len(sites), flags)
        flags |= code.co_flags & __future__.annotations.compiler_flag  # of a __future__ import
        codes.append(code)
        sites += new
    return codes, sites, flags


def _compiled_statement(path, statement, float64, first, flags):
    tree = ast.Module([statement], [])
    tree, sites = instrumented(tree, float64=float64, first=first)
    return compile(tree, str(path), "exec", flags, dont_inherit=True), sites


def _last_words(stop):
    """Return how a script ended itself, inside its sandbox."""
    code = stop.code if isinstance(stop.code, str) else f"exit code {stop.code}"
    return f"it ends itself: {([code, *sys.stderr.getvalue().strip().splitlines()])[-1]}"


def _note_error(found, error):
    frames, line = error.__traceback__, 0
    while frames is not None:
        if frames.tb_frame.f_code.co_filename == str(found.path):
            line = frames.tb_lineno
        frames = frames.tb_next
    found.ended = f"it ran to line {line or '?'}, which raises {one_line(error)}"
    found.error = None if found.shortened or found.fits else error
