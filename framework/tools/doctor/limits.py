"""What this process may use: cores, threads, memory, open files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from firstlight.tools.doctor.finding import Finding, Place, gigabytes, ok, warning

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
LITTLE = 2e9  # bytes of memory
FEW_FILES = 128
UNLIMITED = 1 << 60  # cgroups write such numbers for no limit


def examine(place: Place) -> Iterator[Finding]:
    """Examine limits of the system, of a container, and of a job."""
    yield from _cores(place)
    yield from _memory(place)
    yield from _resource_limits()
    yield from _shared_memory()


def _cores(place):
    present = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    quota = cpu_quota(place)
    job = os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = {"this process may use": allowed}
    if quota is not None:
        limits["the container has a quota of"] = quota
    if job.isdigit() and "SLURM_JOB_ID" in os.environ:
        limits["the job has"] = int(job)
    reason, cores = min(limits.items(), key=lambda item: item[1])
    told = f"{cores:g} of {present} cores" if cores < present else f"{present} cores"
    asked = {name: os.environ[name] for name in THREADS if os.environ.get(name)}
    # OpenMP allows a list, for nested teams.
    first = {name: text.partition(",")[0] for name, text in asked.items()}
    odd = {n: asked[n] for n, text in first.items() if not text.isdigit() or int(text) == 0}
    for name, text in odd.items():
        yield warning(
            "threads",
            "threads-unreadable",
            f"{name}={text} is not a number of threads",
            "it is ignored, and BLAS starts a thread for each core",
            f"export {name}={max(1, int(cores))}",
        )
    most = {name: int(text) for name, text in first.items() if name not in odd}
    above = {name: count for name, count in most.items() if count > max(1, cores)}
    for name, count in above.items():
        yield warning(
            "threads",
            "threads-above-cores",
            f"{name}={count}, but {reason} {cores:g} of {present} cores",
            "threads wait for each other on too few cores; steps may take ten times as long",
            f"export {name}={max(1, int(cores))}",
        )
    if not most and cores < allowed:
        yield warning(
            "threads",
            "threads-above-quota",
            f"{reason} {cores:g} of {present} cores, and BLAS starts a thread for each of "
            f"{allowed}",
            "threads wait for each other on too few cores; steps may take ten times as long",
            f"export OMP_NUM_THREADS={max(1, int(cores))}",
        )
    if not (above or odd):
        told += "".join(f", {name}={count}" for name, count in most.items())
    yield ok("cores", told)


def cpu_quota(place: Place) -> float | None:
    """Return the cores that a container or a job may use at a time, None if all."""
    found = []
    for folder in _cgroups(place, "cpu"):
        limit, _, period = place.read(f"{folder}/cpu.max").partition(" ")
        if not limit:
            limit = place.read(f"{folder}/cpu.cfs_quota_us")
            period = place.read(f"{folder}/cpu.cfs_period_us")
        with suppress(ValueError):  # "max", or no such file
            if int(limit) > 0 and int(period) > 0:
                found.append(int(limit) / int(period))
    return min(found, default=None)


def memory_limit(place: Place) -> int | None:
    """Return the bytes of memory that a container or a job may use, None if all."""
    found = []
    for folder in _cgroups(place, "memory"):
        for file in ("memory.max", "memory.limit_in_bytes"):
            with suppress(ValueError):
                found.append(int(place.read(f"{folder}/{file}")))
    return min((one for one in found if one < UNLIMITED), default=None)


def _cgroups(place, controller):
    """Yield the folders of this process's control groups, each with those above it."""
    for line in place.read("proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = Path("sys/fs/cgroup") / (controller if names else "")
        inside = Path(path.lstrip("/"))
        for part in (inside, *inside.parents):
            yield root / part


def _memory(place):
    limits = {}
    lines = dict(
        line.split(":", 1) for line in place.read("proc/meminfo").splitlines() if ":" in line
    )
    for words, name in (("the machine has", "MemTotal"), ("free are", "MemAvailable")):
        if name in lines:
            limits[words] = 1024 * int(lines[name].split()[0])
    if (most := memory_limit(place)) is not None:
        limits["the container or job may use"] = most
    with suppress(ImportError):
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            limits["ulimit -v allows"] = soft
    if not limits:
        return
    told = ", ".join(f"{words} {gigabytes(size)}" for words, size in limits.items())
    reason, least = min(limits.items(), key=lambda item: item[1])
    if least >= LITTLE:
        yield ok("memory", told)
        return
    yield warning(
        "memory",
        "memory-little",
        f"{reason} only {gigabytes(least)} of memory",
        "a training that needs more is killed without a message, or ends with a MemoryError",
        {
            "ulimit -v allows": "ulimit -v unlimited, or ask who set it",
            "free are": "end other programs, or use another machine",
        }.get(reason, "ask for more, e.g. #SBATCH --mem=8G, or docker run --memory 8g"),
    )


def _resource_limits():
    try:
        import resource
    except ImportError:  # Windows
        return
    files, written = (
        resource.getrlimit(limit)[0] for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)
    )
    if 0 <= files < FEW_FILES:
        yield warning(
            "limits",
            "files-few",
            f"a process may open {files} files",
            "memory maps, workers and pipes of a training need more",
            "ulimit -n 1024",
        )
    if written != resource.RLIM_INFINITY:
        yield warning(
            "limits",
            "file-size",
            f"a file may have {gigabytes(written)} at most (ulimit -f)",
            "a checkpoint or a log that grows beyond it ends the training",
            "ulimit -f unlimited",
        )


def _shared_memory():
    folder = Path("/dev/shm")
    if not hasattr(os, "statvfs") or not folder.is_dir():
        return
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < 128e6:
        yield warning(
            "shared memory",
            "shared-memory-little",
            f"/dev/shm has {gigabytes(free)} left",
            "worker processes and MPI exchange arrays through it; a full one ends them (SIGBUS)",
            "docker run --shm-size 1g, or delete old files in /dev/shm",
        )
