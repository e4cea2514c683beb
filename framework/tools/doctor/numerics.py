"""NumPy, its BLAS, and numba with the cache of compiled code. Runs in a child process."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from firstlight.support.extras import installed
from firstlight.tools.doctor.finding import Finding, Place, fault, is_set, ok, warning
from firstlight.tools.doctor.folders import can_create

REINSTALL = "pip install --force-reinstall '{}'"


def examine(place: Place) -> Iterator[Finding]:
    """Examine NumPy and numba."""
    try:
        numpy = importlib.import_module("numpy")
        float(numpy.ones((8, 8), "float32").dot(numpy.ones(8, "float32"))[0])
    except Exception as error:
        origin = getattr(importlib.util.find_spec("numpy"), "origin", None)
        yield fault(
            "NumPy",
            "numpy-broken",
            f"NumPy cannot be used ({origin}): {_first_line(error)}",
            "all of firstlight computes with NumPy",
            "unset PYTHONPATH, which leads to it"
            if origin and _from_pythonpath(origin)
            else REINSTALL.format("numpy>=2.0"),
        )
        return
    yield ok("NumPy", f"{numpy.__version__}, {Path(numpy.__file__).parent}")
    yield _blas()
    yield from _switches()
    yield from _numba(numpy.__version__)
    yield from _matplotlib()


def _from_pythonpath(origin):
    folders = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return any(Path(origin).is_relative_to(Path(folder).absolute()) for folder in folders)


def _first_line(error):
    """Return the line of a message that tells the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("Original error was")]  # of NumPy
    return f"{type(error).__name__}: {[*reasons, *lines, ''][0]}"


def _blas():
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not pools:
        return warning(
            "BLAS",
            "blas-unknown",
            "NumPy uses no BLAS that is known (OpenBLAS, MKL, BLIS, FlexiBLAS)",
            "matrix products may take ten times as long, or run on Apple's Accelerate",
            "pip install --force-reinstall numpy, whose wheels have OpenBLAS",
        )
    told = [
        f"{pool['internal_api']} {pool.get('version')} ({pool.get('architecture', '?')}, "
        f"{pool['num_threads']} thread{'s' * (pool['num_threads'] != 1)})"
        for pool in pools
    ]
    return ok("BLAS", "; ".join(told))


def _switches():
    """Yield settings that switch faster forms off, which one forgets."""
    for name, off in (
        ("FIRSTLIGHT_FAST", os.environ.get("FIRSTLIGHT_FAST") == "0"),
        ("FIRSTLIGHT_COMPILED", os.environ.get("FIRSTLIGHT_COMPILED") == "0"),
        ("NUMBA_DISABLE_JIT", is_set("NUMBA_DISABLE_JIT")),
    ):
        if off:
            yield warning(
                "faster forms",
                "forms-off",
                f"{name}={os.environ[name]} switches them off",
                "training steps take up to twice as long",
                f"unset {name}",
            )


def _matplotlib():
    try:
        importlib.import_module("matplotlib")
    except Exception as error:
        backend = os.environ.get("MPLBACKEND")
        yield fault(
            "matplotlib",
            "matplotlib-broken",
            f"matplotlib cannot be imported: {_first_line(error)}",
            "curves, figures and reports cannot be drawn",
            f"unset MPLBACKEND, which is {backend}" if backend else REINSTALL.format("matplotlib"),
        )


def _numba(numpy):
    from firstlight.support import forms  # with NumPy

    if not forms.has_fast():  # lessons alone need none
        return
    if not installed("numba"):
        yield warning(
            "numba",
            "numba-missing",
            "numba is not installed",
            "layers run in NumPy alone, up to twice as slowly",
            "pip install numba",
        )
        return
    try:
        numba = importlib.import_module("numba")
        from firstlight.fast.compiled import code_cache
    except Exception as error:
        yield warning(
            "numba",
            "numba-broken",
            f"numba cannot be imported: {_first_line(error)}",
            "layers run in NumPy alone, up to twice as slowly",
            f"pip install -U numba, which has to fit NumPy {numpy} and Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}",
        )
        return
    folder = code_cache.folder()
    problem = can_create(folder)
    if problem:
        yield warning(
            "numba",
            "numba-cache",
            f"compiled code cannot be kept: {problem}",
            "each training compiles again, which takes half a minute or more",
            "export NUMBA_CACHE_DIR=FOLDER, one that you may write",
        )
        return
    count = len(code_cache.files())
    cached = f"{count} compiled functions in {folder.parent}" if count else "nothing compiled yet"
    yield ok("numba", f"{numba.__version__}, {cached}")
