"""The environment of a run: machine, packages, code version, command; secrets are masked."""

import os
import platform
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from firstlight.runs.masking import MASK, is_secret, masked_text, masked_words
from firstlight.runs.sources import script_folder
from firstlight.support import rng
from firstlight.support.backend import describe_gpu
from firstlight.support.files import working_directory

# Variables that affect a training, or identify the job that started it.
VARIABLES = ("CUDA_", "CUPY_", "FIRSTLIGHT_", "MKL_", "NVIDIA_", "OMP_", "OPENBLAS_", "SLURM_")
DIFF_LIMIT = 2**20  # bytes of uncommitted changes that are kept
PATIENCE = 3.0  # seconds for each of three git commands
# Installed packages that `machine_rows` shows.
PACKAGES = ("firstlight", "numpy", "cupy-cuda12x", "cupy-cuda13x", "numba")


def describe_environment(device: str) -> dict[str, Any]:
    """Return a JSON-able description of machine, packages, code version, command and seed.

    Parameters
    ----------
    device : str
        Device of the training.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hostname": platform.node(),
        "cpu": _cpu(),
        "cpu_count": os.cpu_count(),
        "cpus_allowed": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gb": _memory(),
        "blas": _blas(),
        "threads": {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")},
        "variables": _variables(),
        "device": device,
        "gpu": describe_gpu(device),
        "seed": rng.current_seed(),
        "packages": dict(_packages()),
        "git": _code(),
        "command": masked_words(sys.argv),
        "cwd": str(working_directory()),
    }


def machine_rows(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """Return ``[(name, text)]``: machine, BLAS, GPU, Python, packages and code version.

    Parameters
    ----------
    environment : dict
        As ``RunFolder.environment``; missing entries are left out.

    Examples
    --------
    >>> from firstlight.runs import machine_rows
    >>> machine_rows({"python": "3.12.1", "cpu": "Xeon", "cpus_allowed": 2, "cpu_count": 8})
    [('CPU', 'Xeon, 2 of 8 cores'), ('Python', '3.12.1')]
    """
    cores, allowed = environment.get("cpu_count"), environment.get("cpus_allowed")
    share = f"{allowed} of {cores}" if allowed not in (None, cores) else f"{cores}"
    cpu, blas, gpu, git = (environment.get(name) for name in ("cpu", "blas", "gpu", "git"))
    if isinstance(blas, list):  # earlier versions wrote a text
        form = "{internal_api} {version} ({architecture}, {num_threads} threads)"
        blas = "; ".join(form.format_map(defaultdict(lambda: None, one)) for one in blas)
    rows = [
        ("host", environment.get("hostname")),
        ("system", environment.get("platform")),
        ("CPU", f"{cpu}, {share} cores" if cpu else None),
        ("memory", f"{environment['memory_gb']} GB" if environment.get("memory_gb") else None),
        ("BLAS", blas),
        ("GPU", gpu and "{name}, {memory_gb} GB, CUDA {cuda}, driver {driver}".format(**gpu)),
        ("Python", environment.get("python")),
    ]
    packages = environment.get("packages") or {}
    rows += [(name, packages.get(name)) for name in PACKAGES]
    if git:
        branch = f" on {git['branch']}" if git.get("branch") else ""
        rows.append(("code", git["commit"][:12] + branch + ", changed" * bool(git.get("dirty"))))
    return [(name, str(text)) for name, text in rows if text]


def uncommitted_changes() -> str:
    """Return the git diff of the working tree to its last commit, "" outside a repository.

    The repository is the script's, or else that of the working directory. Secrets are masked. The
    diff is cut off after 1 MB, with a line that says so; another line says if git took too long.
    """
    try:
        diff = _git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
    except subprocess.TimeoutExpired:
        return f"# the changes are not known: git diff took longer than {PATIENCE:g} s\n"
    except (OSError, subprocess.SubprocessError):
        return ""
    content = diff.encode()
    if len(content) <= DIFF_LIMIT:
        return masked_text(diff) + "\n" * bool(diff)
    kept = masked_text(content[:DIFF_LIMIT].decode(errors="ignore").rpartition("\n")[0])
    return f"{kept}\n# ... cut off here: {len(content):,} bytes in all, {DIFF_LIMIT:,} are kept\n"


def _variables():
    chosen = {k: v for k, v in os.environ.items() if k.startswith(VARIABLES)}
    return {k: MASK if is_secret(k) else masked_text(v) for k, v in sorted(chosen.items())}


@cache
def _packages():
    """Return ``(name, version)`` of all installed packages, the imported one of duplicates.

    They are read from folder names, because importlib.metadata takes 70 ms.
    """
    found = {}
    for place in sys.path:
        for path in Path(place or ".").glob("*.dist-info"):
            name, _, version = path.name.removesuffix(".dist-info").partition("-")
            found.setdefault(name.replace("_", "-").lower(), version)
    return sorted(found.items())


@cache
def _cpu():
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _memory():
    """Return the machine's main memory in GB, None if unknown."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _blas():
    """Return name, version, kernels and threads of each BLAS in use."""
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: pool.get(key) for key in keys}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _code():
    """Return commit, branch and state of the working tree, or None outside a repository."""
    try:
        commit, branch = _git("rev-parse", "HEAD", "--abbrev-ref", "HEAD").split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    try:
        dirty = bool(_git("status", "--porcelain"))
    except subprocess.SubprocessError:  # many files that git does not know, on a slow disk
        dirty = None
    return {"commit": commit, "branch": branch, "dirty": dirty}


def _git(*words):
    """Return git's output; a file system monitor of the repository is disabled."""
    command = ["git", "-c", "core.fsmonitor=false", *words]
    done = subprocess.run(
        command,
        cwd=_repository(),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout.rstrip()


def _repository():
    """Return the folder of the user's script if it is in a repository, else None."""
    folder = script_folder()
    if folder is None:  # the command firstlight
        return None
    folder = Path(folder).resolve()
    there = any((parent / ".git").exists() for parent in (folder, *folder.parents))
    return folder if there else None
