"""Runs a solution in a process of its own, and writes what it computed to a file."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from firstlight.support.rng import seed_everything
from firstlight.tools.course.draw import Draw
from firstlight.tools.course.exercise import Exercise, all_exercises, exercise
from firstlight.tools.course.guard import Forbidden, Guard
from firstlight.tools.course.outcome import Outcome, Problem
from firstlight.tools.language import speaking

RUNS = (("float64", False), ("float64", True), ("float32", False))  # dtype, strided
PRINTED = 2000  # characters that are kept
OPENED_FILES, WRITTEN_BYTES = 64, 10 * 2**20

for _one in all_exercises():  # imported once, before processes are forked
    for _module in _one.lessons:
        __import__(_module)


def run_trials(
    code: Any, task: Exercise, seed: int, outcome: Outcome, runs: int = len(RUNS)
) -> None:
    """Run all trials of an exercise on the module of a solution; add to the outcome."""
    for number, (dtype, strided) in enumerate(RUNS[:runs]):
        for index, trial in enumerate(task.trials):
            draw = Draw(hash((seed, number, index)) % 2**32, dtype, strided)
            seed_everything(seed + number)
            blank, place = task.blanks[0], f"{number}/{index}"
            outcome.starts[place] = len(outcome.values)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of NumPy, about infinity and NaN
                    for output in trial(code, draw):
                        blank = output.blank
                        key = f"{number}/{blank}/{output.name}"
                        outcome.values[key] = _plain(output.value)
                        outcome.sizes[key] = dict(draw.sizes)
            except Forbidden:
                raise
            except BaseException as error:
                earlier = [one.blank for one in outcome.problems]
                problem = _problem(error, blank, code, task.blanks, earlier)
                problem.sizes, problem.trial = dict(draw.sizes), place
                outcome.problems.append(problem)


def find_causes(code: Any, task: Exercise, seed: int, outcome: Outcome) -> None:
    """Let `firstlight check` judge the layers of an exercise; add its findings to the outcome."""
    from firstlight.tools.diagnose import check

    for index, trial in enumerate(task.trials):
        build = getattr(trial, "build", None)
        if build is None:
            continue
        layer, x = build(code, Draw(hash((seed, 0, index)) % 2**32))
        for found in check(layer, x).findings:
            own = [f"{kind.__name__}.backward" for kind in type(layer).__mro__]
            blank = next((one for one in own if one in task.blanks), None)
            if blank is not None and found.gradient:
                line = str(found.at.line) if found.at is not None else "0"
                outcome.findings.setdefault(blank, [found.message, line, found.cure])


def _plain(value):
    """Return a value as an array that needs no pickle; anything else by its type's name."""
    try:
        array = np.array(value)
    except Exception:
        array = np.array(None)
    return np.array(f"<{type(value).__name__}>") if array.dtype.hasobject else array


def _problem(error, blank, code, blanks=(), earlier=()):
    """Return an exception as a `Problem`, at the last line of its blank.

    It belongs to the blank that was running, else to that of the last output. If one called
    another, it belongs to the caller, unless the other is empty or has failed by itself
    (``earlier``).
    """
    path = getattr(code, "__file__", None)
    walked = traceback.walk_tb(error.__traceback__)
    frames = [(f.f_code.co_qualname, line) for f, line in walked if f.f_code.co_filename == path]
    running = [name for name, _ in frames if name in blanks]
    if running:
        called = isinstance(error, NotImplementedError) or running[-1] in earlier
        blank = running[-1] if called else running[0]
        others = set() if called else {*blanks} - {blank}
        frames = list(itertools.takewhile(lambda frame: frame[0] not in others, frames))
    line = frames[-1][1] if frames else 0
    message = "" if isinstance(error, Forbidden) else " ".join(str(error).split())[:500]
    return Problem(blank, type(error).__name__, message, line)


def load(source: str, path: str) -> ModuleType:
    """Return the module of a solution's source."""
    code = ModuleType("solution")
    code.__file__ = path
    sys.modules["solution"] = code
    exec(compile(source, path, "exec"), vars(code))
    return code


def run(
    source: str,
    path: str,
    name: str,
    seed: int,
    *,
    folder: str,
    language: str,
    memory: int,
    seconds: int,
    find: bool,
    private: str,
) -> None:
    """Run a solution, and write its `Outcome` to ``folder/outcome.npz``.

    Parameters
    ----------
    source, path : str
        The solution, and the file that it is from.
    name : str
        Of the exercise.
    seed : int
    folder : str
        Empty; the solution may write there.
    language : {"en", "de"}
        Of the findings.
    memory, seconds : int
        Limits: bytes besides those in use, and CPU time.
    find : bool
        Look for the causes of wrong gradients instead of running the trials.
    private : str
        Folder of all submissions.
    """
    task, outcome, began = exercise(name), Outcome(), time.perf_counter()
    os.chdir(folder)
    os.environ["FIRSTLIGHT_FAST"] = "0"  # the faster forms are refused, and small arrays need none
    result = Path(folder, "outcome.npz")
    with _captured(Path(folder, "printed.txt")) as printed, speaking(language):
        guard = Guard(task, folder, path, private)
        _limit(memory, seconds)
        code = None
        try:
            with guard.watching():
                code = load(source, path)
                (find_causes if find else run_trials)(code, task, seed, outcome)
        except BaseException as error:
            outcome.problems.append(_problem(error, "", sys.modules.get("solution")))
        guard.check_namespaces()
        outcome.forbidden = guard.recorded
        outcome.printed = printed()
    outcome.seconds = time.perf_counter() - began
    result.write_bytes(outcome.to_bytes())


def _limit(memory, seconds):
    """Limit the process's memory, CPU time and files, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _address_space()
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: WRITTEN_BYTES,
        resource.RLIMIT_NOFILE: OPENED_FILES,
        resource.RLIMIT_CORE: 0,
    }
    if used:
        limits[resource.RLIMIT_AS] = used + memory
    for limit, value in limits.items():
        hard = value + (limit == resource.RLIMIT_CPU)  # beyond the first, the signal tells why
        with contextlib.suppress(ValueError, OSError):  # a stricter one holds already
            resource.setrlimit(limit, (value, hard))


def _address_space():
    """Return the bytes of the process's address space, or 0 if unknown."""
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


@contextlib.contextmanager
def _captured(path: Path) -> Iterator[Any]:
    """Send what is printed to a file; yields a function that returns its beginning."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("wb") as file:
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        stream = io.TextIOWrapper(
            os.fdopen(os.dup(1), "wb", 0), "utf-8", "replace", write_through=True
        )
        sys.stdout = sys.stderr = stream

        def beginning() -> str:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
            with path.open(encoding="utf-8", errors="replace") as written:
                return written.read(PRINTED)

        try:
            yield beginning
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
            with contextlib.suppress(OSError, ValueError):
                stream.close()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
