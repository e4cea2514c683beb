"""Runs solutions in processes with limits, and the lesson and its known mistakes beside them."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from firstlight.tools.course import child
from firstlight.tools.course.cut import solution_text
from firstlight.tools.course.exercise import Exercise, Mistake
from firstlight.tools.course.mutations import Mutation
from firstlight.tools.course.outcome import Outcome
from firstlight.tools.language import current_language

BUSY = 4  # times its CPU time that a solution may take, on a machine that does other work

_one_at_a_time = threading.RLock()


@dataclass(frozen=True)
class Limits:
    """Limits of the process of one exercise.

    Attributes
    ----------
    seconds : float
        CPU time; the wall time may be `BUSY` times as long.
    memory : int
        Bytes that the solution may take.
    private : str
        Folder of all submissions, of which a solution may read its own entry only.
    """

    seconds: float = 10.0
    memory: int = 2**30
    private: str = ""


def run_solution(
    source: str,
    path: str,
    task: Exercise,
    seed: int,
    limits: Limits = Limits(),
    *,
    find: bool = False,
) -> Outcome:
    """Run a solution in a process of its own, and return what it computed.

    Parameters
    ----------
    source, path : str
        The solution, and the file that it is from.
    task : Exercise
    seed : int
        Of the trials' arrays and sizes.
    limits : Limits
    find : bool
        Look for the causes of wrong gradients instead of running the trials.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = {
            "folder": folder,
            "language": current_language(),
            "memory": limits.memory,
            "seconds": round(limits.seconds + 1),
            "find": find,
            "private": limits.private,
        }
        process = _processes().Process(
            target=_in_a_group, args=(source, path, task.name, seed), kwargs=arguments
        )
        began = time.monotonic()
        with _without_main():
            process.start()
        process.join(BUSY * limits.seconds)
        late = process.is_alive()
        if late:
            _kill(process)
        process.join()
        return _outcome(Path(folder), process.exitcode, late, time.monotonic() - began)


@contextmanager
def _without_main():
    """Hide the main module, which a new process would run again."""
    with _one_at_a_time:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _outcome(folder, exitcode, late, seconds):
    """Return the outcome that a process left, or why there is none."""
    if late or (hasattr(signal, "SIGXCPU") and exitcode == -signal.SIGXCPU):
        return Outcome(ended="time", seconds=seconds)
    with suppress(OSError, ValueError, KeyError, TypeError):
        return Outcome.from_bytes((folder / "outcome.npz").read_bytes())
    return Outcome(ended=f"exit {exitcode}", seconds=seconds)


def _in_a_group(*arguments, **options):
    """Run a solution as the leader of a group of processes, which can be ended as a whole."""
    if hasattr(os, "setsid"):
        os.setsid()
    child.run(*arguments, **options)


def _kill(process):
    with suppress(ProcessLookupError, PermissionError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


@functools.cache
def _processes():
    """Return how processes are started: forked from one that has imported everything."""
    if "forkserver" not in multiprocessing.get_all_start_methods():  # Windows
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@functools.lru_cache(maxsize=256)
def expected(task: Exercise, seed: int) -> Outcome:
    """Return what the lesson computes."""
    return computed(task, solution_text(task), seed)


@functools.lru_cache(maxsize=256)
def of_mistakes(task: Exercise, seed: int) -> tuple[tuple[Mistake, Outcome], ...]:
    """Return what the lesson computes with each known mistake."""
    text = solution_text(task)
    return tuple((one, computed(task, with_mistake(text, one), seed)) for one in task.mistakes)


def with_mistake(text: str, one: Mistake) -> str:
    """Return the text of a solution with a mistake.

    Raises
    ------
    ValueError
        The text to replace does not occur exactly once.
    """
    for right, wrong in one.edits:
        if text.count(right) != 1:
            raise ValueError(f"expected once in the solution: {right!r}, got {text.count(right)}")
        text = text.replace(right, wrong)
    return text


@functools.lru_cache(maxsize=4096)
def of_mutation(task: Exercise, one: Mutation, seed: int, runs: int = len(child.RUNS)) -> Outcome:
    """Return what the lesson computes with a mutation; ``runs`` are those of the trials."""
    return computed(task, one.text, seed, runs)


def computed(task: Exercise, text: str, seed: int, runs: int = len(child.RUNS)) -> Outcome:
    """Return what a solution computes in this process, for solutions that are trusted."""
    code, outcome = ModuleType("solution"), Outcome()
    code.__file__ = "<solution>"
    exec(compile(text, "<solution>", "exec"), vars(code))
    with _one_at_a_time:  # the seed belongs to the whole process
        child.run_trials(code, task, seed, outcome, runs)
    return outcome
