"""Sandbox in which a script is run: repeatable, without output, and without written files."""

import contextlib
import functools
import io
import os
import random
import signal
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from firstlight.support import forms
from firstlight.support import rng as randomness

TIME_LIMIT = "it ran for its time limit"
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree")  # audit events


class StopScript(BaseException):
    """Raised to end a script; the message says how far it ran."""


@contextlib.contextmanager
def sandbox(path: Path, arguments: list[str], recorder: Any) -> Iterator[types.ModuleType]:
    """Yield a ``__main__`` module for a script, with random numbers that repeat.

    The script ends where it would write a file after the beginning of a training. What it prints is
    not shown.

    Parameters
    ----------
    path : Path
    arguments : list of str
        Its command line.
    recorder : Recorder
        Whose trace shows whether a training has begun.
    """
    module = types.ModuleType("__main__")
    module.__file__ = str(path)
    folder = path.resolve().parent
    loaded, default_rng = set(sys.modules), np.random.default_rng

    def repeatable(seed=None):
        if seed is None:
            seed, recorder.unseeded = recorder.unseeded, recorder.unseeded + 1
        return default_rng(seed)

    state, streams = random.getstate(), randomness.state_dict()
    numpy_state = np.random.get_state()  # noqa: NPY002 (scripts draw from it)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    randomness.seed_everything(0)
    silent, working = io.StringIO(), Path.cwd()
    main, sys.modules["__main__"] = sys.modules["__main__"], module
    try:
        with (
            mock.patch.dict(os.environ, {"MPLBACKEND": "Agg"}),  # no windows
            mock.patch.object(sys, "argv", [str(path), *arguments]),
            mock.patch.object(sys, "path", [str(folder), *sys.path]),
            mock.patch.object(sys, "stdin", io.StringIO()),
            mock.patch.object(np.random, "default_rng", repeatable),
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
            small_arrays(),
            _without_files(recorder),
        ):
            yield module
    finally:
        os.chdir(working)
        sys.modules["__main__"] = main
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        randomness.load_state_dict(streams)
        for name in set(sys.modules) - loaded:  # the script's own modules run again the next time
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).resolve().parent.is_relative_to(folder):
                del sys.modules[name]


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End a script after seconds, even where it waits; only where the system has such signals.

    Raises
    ------
    StopScript
        In the block, when the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_):
        raise StopScript(TIME_LIMIT)

    handler = signal.signal(signal.SIGALRM, stop)
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


@contextlib.contextmanager
def small_arrays() -> Iterator[None]:
    """Compute with small arrays inside the block: silently, in one thread, with the lessons alone.

    Spinning threads and a compiler would take longer than the products themselves.
    """
    limited = _thread_pools().limit(limits=1, user_api="blas")
    with limited, forms.only(), np.errstate(all="ignore"):
        yield


@functools.cache
def _thread_pools():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_guarded: dict[str, Any] = {"recorder": None, "hooked": False}


@contextlib.contextmanager
def _without_files(recorder):
    if not _guarded["hooked"]:
        sys.addaudithook(_audit)  # permanent: audit hooks cannot be removed
    _guarded.update(recorder=recorder, hooked=True)
    try:
        yield
    finally:
        _guarded["recorder"] = None


def _audit(event, details):
    recorder = _guarded["recorder"]
    if recorder is None or event not in ("open", *CHANGES) or not recorder.has_trained:
        return
    name = details[0]
    if event == "open":
        name, _, flags = details
        if not flags & (os.O_WRONLY | os.O_RDWR) or not isinstance(name, (str, bytes)):
            return
    name = os.fsdecode(name)
    if "__pycache__" in name or name.startswith("/dev/"):
        return
    _guarded["recorder"] = None
    raise StopScript(f"it ran until it would write {name}")
