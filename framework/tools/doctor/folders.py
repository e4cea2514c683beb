"""Folders: disk space, file systems, the clock, temporary files, the user's home."""

import errno
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firstlight.tools.doctor.finding import Finding, Place, fault, gigabytes, ok, warning
from firstlight.tools.doctor.quota import quotas

FULL, LITTLE = 200e6, 2e9  # bytes that are left
FEW_NAMES = 1000  # files that may still be made
SKEW, DEAD = 5.0, 60.0  # seconds between clocks; a run's heartbeat counts for 60 s
BUILT = 1_764_547_200  # 2025-12-01: no clock is right that is before
NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "beegfs", "gpfs", "afs", "ceph"}
FRAGILE = {"9p", "drvfs", "vboxsf", "fuse.sshfs", "fuse.rclone", "fuse.gvfsd-fuse", "virtiofs"}
PASSING = {"tmpfs", "ramfs"}


class Mount(NamedTuple):
    """A mounted file system."""

    point: str
    options: frozenset[str]
    kind: str


def examine(place: Place) -> Iterator[Finding]:
    """Examine the folders of runs and temporary files, and the user's home."""
    yield from _runs(place)
    yield from _temporary(place)
    yield from _home()
    yield from quotas()


def existing(path: Path) -> Path:
    """Return the nearest part of a path that exists."""
    path = path.absolute()
    return next((part for part in (path, *path.parents) if os.path.lexists(part)), path)


def can_create(path: Path) -> str:
    """Return why a folder cannot be created and written, "" if it can; nothing is created."""
    part = existing(path)
    if not part.is_dir():
        return f"{part} is no folder"
    if not os.access(part, os.W_OK | os.X_OK):
        return f"{part} may not be written"
    if hasattr(os, "statvfs") and os.statvfs(part).f_flag & getattr(os, "ST_RDONLY", 1):
        return f"{part} is on a file system that is read-only"
    return ""


def mount_of(path: Path, place: Place) -> Mount | None:
    """Return the file system of a path; None if the system does not tell."""
    found, real = None, path.resolve()
    for line in place.read("proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        words = before.split()
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), words[4])
        if real.is_relative_to(point) and (found is None or len(point) >= len(found.point)):
            kind, _, options = after.split(" ", 2)
            every = {*words[5].split(","), *options.rpartition(" ")[2].split(",")}
            found = Mount(point, frozenset(every), kind)
    return found


def _runs(place):
    subject, asked = "runs folder", place.runs_dir.absolute()
    problem = can_create(asked)
    if problem:
        yield fault(
            subject,
            "runs-not-writable",
            f"{asked} cannot be written: {problem}",
            "a training keeps its checkpoints and metrics there",
            "choose another folder: --runs_dir FOLDER, Trainer(runs_dir=FOLDER)",
        )
        return
    folder = existing(asked)
    mount = mount_of(folder, place)
    kind = mount.kind if mount else "unknown file system"
    yield from _space(subject, folder, asked)
    yield from _kind(subject, folder, kind)
    yield from _trial(subject, folder, f"{asked}, {kind}")


def _space(subject, folder, asked):
    free = shutil.disk_usage(folder).free
    if free < LITTLE:
        yield (fault if free < FULL else warning)(
            subject,
            "disk-full",
            f"{gigabytes(free)} are left for {asked}",
            "checkpoints that cannot be written are lost",
            "firstlight runs gc; firstlight runs rm RUN; or --runs_dir on another disk",
        )
    if hasattr(os, "statvfs"):
        names = os.statvfs(folder)
        if names.f_files and names.f_favail < FEW_NAMES:
            yield fault(
                subject,
                "names-full",
                f"{names.f_favail} more files can be made in {asked}",
                "a run makes some dozen files; the disk may have space and still be full",
                "delete folders with many small files, such as old environments and caches",
            )


def _kind(subject, folder, kind):
    if kind in PASSING:
        yield warning(
            subject,
            "runs-in-memory",
            f"{folder} is in memory ({kind})",
            "runs are lost when the machine or the job ends, and take memory meanwhile",
            "use a folder on a disk: --runs_dir FOLDER",
        )
    elif kind in FRAGILE:
        yield warning(
            subject,
            "file-system-fragile",
            f"{folder} is a folder of another system ({kind})",
            "replacing files is slow there, and not always atomic",
            "use a folder of this system itself, such as one in your home, and copy results",
        )


def _trial(subject, folder, told):
    """Try what a run does with its files: create, link, replace, lock; compare the clocks."""
    path = folder / f".firstlight-doctor-{secrets.token_hex(4)}"
    other = path.with_name(path.name + "-2")
    try:
        before = time.time()
        path.write_bytes(b"\0" * 2**16)
        written, after = path.stat().st_mtime, time.time()
        yield from _links(subject, path, other)
        other.write_bytes(b"new")
        os.replace(other, path)
        if path.read_bytes() != b"new":
            raise OSError(errno.EIO, "a file that was replaced has its old content", str(path))
        yield from _locks(subject, path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1))
        yield fault(
            subject,
            "quota-exceeded" if full else "runs-not-writable",
            f"files in {folder} cannot be written and replaced: {error}",
            "a training keeps its checkpoints and metrics there",
            "delete files (quota -s shows your limits)" if full else "--runs_dir FOLDER",
        )
        return
    finally:
        for made in (path, other):
            with suppress(OSError):
                made.unlink()
    yield ok(subject, f"{told}, {gigabytes(shutil.disk_usage(folder).free)} free")
    yield _clock(before, written, after)


def _links(subject, path, other):
    try:
        os.link(path, other)
    except OSError as error:
        yield warning(
            subject,
            "no-hard-links",
            f"the file system has no hard links ({error.strerror})",
            "two trainings that resume one run at the same time may both believe to own it",
            "do not start a run twice, or use another file system: --runs_dir FOLDER",
        )
    else:
        other.unlink()


def _locks(subject, path):
    try:
        import fcntl
    except ImportError:  # Windows
        return
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_UN)
        except OSError as error:
            yield warning(
                subject,
                "no-locks",
                f"files cannot be locked ({error.strerror})",
                "firstlight does without, but SQLite does not: MLflow, Aim, Optuna's RDBStorage",
                "keep databases in another folder; on NFS, lockd has to run",
            )


def _clock(before, written, after):
    """Compare this machine's clock with that of the file server, the time of a new file."""
    late = max(before - written, written - after, 0.0)
    if before < BUILT:
        return fault(
            "clock",
            "clock-wrong",
            time.strftime("the clock says %Y-%m-%d", time.gmtime(before)),
            "certificates are not valid yet, so nothing can be downloaded; runs sort wrongly",
            "set the clock: sudo timedatectl set-ntp true",
        )
    if late > SKEW:
        return (fault if late > DEAD else warning)(
            "clock",
            "clock-skew",
            f"this clock and the file server's differ by {late:.0f} s",
            f"a run whose heartbeat is {DEAD:.0f} s old counts as dead, and may be started twice",
            "set the clock: sudo timedatectl set-ntp true, or tell the administrator",
        )
    return ok("clock", f"within {SKEW:.0f} s of the file system's")


def _temporary(place):
    subject = "temporary folder"
    for name in ("TMPDIR", "TEMP", "TMP"):
        asked = os.environ.get(name)
        if asked and can_create(Path(asked)) + "x" * (not Path(asked).is_dir()):
            yield warning(
                subject,
                "tmpdir-missing",
                f"{name}={asked} is no folder that may be written",
                "programs silently take another folder, or fail",
                f"mkdir -p {asked}, or unset {name}",
            )
            break
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield fault(
            subject,
            "tmp-missing",
            str(error),
            "figures, reports and the check of exercises need temporary files",
            "mkdir -p ~/tmp; export TMPDIR=~/tmp",
        )
        return
    free = shutil.disk_usage(folder).free
    mount = mount_of(folder, place)
    if free < FULL:
        yield fault(
            subject,
            "tmp-full",
            f"{gigabytes(free)} are left in {folder}",
            "pip, MPI, reports and the check of exercises fail in unexpected places",
            "delete old files there, or export TMPDIR=FOLDER",
        )
    if mount and "noexec" in mount.options:
        yield warning(
            subject,
            "tmp-noexec",
            f"programs in {folder} may not be executed (noexec)",
            "packages that pip has to build, and the CPU check of CUDA kernels, fail",
            "mkdir -p ~/tmp; export TMPDIR=~/tmp",
        )
    yield ok(subject, f"{folder}, {gigabytes(free)} free")


def _home():
    home = Path(os.path.expanduser("~"))
    problem = can_create(home) or ("" if home.is_dir() else f"{home} does not exist")
    if problem:
        yield warning(
            "home folder",
            "home-missing",
            problem,
            "caches of data sets, compiled code and fonts cannot be kept, and are made each time",
            "export HOME=FOLDER, or XDG_CACHE_HOME, one that you may write",
        )
    else:
        free = shutil.disk_usage(home).free
        if free < FULL:
            yield fault(
                "home folder",
                "home-full",
                f"{gigabytes(free)} are left in {home}",
                "settings and caches cannot be written; some programs do not even start",
                "du -xh --max-depth 2 ~ | sort -h | tail shows the largest folders",
            )
        else:
            yield ok("home folder", f"{home}, {gigabytes(free)} free")
