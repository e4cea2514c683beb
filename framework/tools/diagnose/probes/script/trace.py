"""Trace of a script: the first steps of its trainings as events, each with its line."""

import ast
import linecache
import sys
from collections.abc import Sequence
from pathlib import Path

from firstlight.tools.diagnose.probes.raised import one_line
from firstlight.tools.diagnose.probes.script.events import Trace
from firstlight.tools.diagnose.probes.script.instrument import RECORDER
from firstlight.tools.diagnose.probes.script.kept_statements import kept_statements
from firstlight.tools.diagnose.probes.script.module_hooks import recording_modules
from firstlight.tools.diagnose.probes.script.program import (
    instrumented_program,
    names_single_precision,
    plain_program,
)
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.sandbox import (
    TIME_LIMIT,
    StopScript,
    sandbox,
    time_limit,
)

BUSY = 2  # times its limit of CPU time that a script may take, on a machine that does other work


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
    program, kept = plain_program(path), None
    if recorder.instruments:
        program = instrumented_program(path, float64=recorder.float64, edited=edited)
        single = names_single_precision(path, path.stat().st_mtime_ns)
        kept = kept_statements(path, tuple(arguments), single and recorder.float64)
    recorder.sites = program.sites
    with sandbox(path, list(arguments), recorder) as module, recording_modules(recorder):
        found.names = vars(module)
        found.names[RECORDER] = recorder
        try:
            with time_limit(BUSY * recorder.seconds):  # only the script's own time, not the hooks'
                program.run(found.names, recorder, kept)
        except StopScript as stop:
            found.ended = str(stop)
        except SystemExit as stop:
            if stop.code and not recorder.has_trained:
                found.ended = _last_words(stop)
        except Exception as error:
            _note_error(found, error)
    if kept is not None and not kept.complete:
        kept.close(cut=found.ended == TIME_LIMIT)
    return recorder.finish()


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
