"""What a run ran on: enough to repeat it."""

import importlib.metadata
import os
import platform
import subprocess
import sys

import numpy as np

from firstlight import rng

PACKAGES = ("firstlight", "numpy", "cupy-cuda12x", "cupy-cuda13x", "numba", "safetensors", "pluggy")


def describe_environment(device):
    """Return a JSON-able description of machine, packages, code version, command and seed.

    Parameters
    ----------
    device : str
        Where the training runs.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": platform.node(),
        "cpu_count": os.cpu_count(),
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"].get("name"),
        "threads": {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")},
        "device": device,
        "seed": rng.current_seed(),
        "packages": _versions(),
        "git": _git(),
        "command": sys.argv,
        "cwd": os.getcwd(),
    }


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git():
    """Return commit and state of the working tree, or None outside a repository."""
    try:
        commit = _run("git", "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_run("git", "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    return done.stdout.strip()
