"""Identify processes across reused process ids, containers and machines."""

import ctypes
import os
import platform
import sys
from functools import cache
from pathlib import Path

DEAD = "ZX"  # states in /proc: zombie and dead
WINDOWS = sys.platform == "win32"
# Of Windows: the right to wait for a process, the answer that it still runs, and an error.
SYNCHRONIZE, STILL_RUNS, ACCESS_DENIED = 0x100000, 0x102, 5


def alive(pid: int | None, started: str | None = None) -> bool:
    """Return whether a process of this machine exists and is no zombie.

    Parameters
    ----------
    pid : int
    started : str, optional
        Its `start_time`. A process that started at another time only reuses the id.
    """
    if not isinstance(pid, int) or pid <= 0:  # 0 and below are process groups
        return False
    if WINDOWS:
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    found = _stat(pid)
    return not found or (found[0] not in DEAD and started in (None, found[19]))


def _alive_on_windows(pid):
    """Ask the system: signal 0, which asks elsewhere, is Ctrl-C there."""
    system = ctypes.WinDLL("kernel32", use_last_error=True)
    system.OpenProcess.restype = ctypes.c_void_p  # a handle has 64 bits
    handle = system.OpenProcess(SYNCHRONIZE, False, pid)
    if not handle:
        return ctypes.get_last_error() == ACCESS_DENIED  # another user's
    try:
        return system.WaitForSingleObject(ctypes.c_void_p(handle), 0) == STILL_RUNS
    finally:
        system.CloseHandle(ctypes.c_void_p(handle))


def identity() -> dict[str, str | int | None]:
    """Return a JSON-able dict that identifies this process among all others."""
    pid, host = os.getpid(), platform.node()
    return {"hostname": host, "machine": machine(), "pid": pid, "process_started": start_time(pid)}


def start_time(pid: int) -> str | None:
    """Return the start time of a process of this machine as an opaque text; None if unknown."""
    found = _stat(pid)
    return found[19] if found else None


def stopped(pid: int | None) -> bool:
    """Return whether a process is stopped (Ctrl-Z, SIGSTOP); always False outside Linux."""
    return _stat(pid)[:1] == ["T"]


@cache
def machine() -> str:
    """Return an id of the process-id namespace: host, boot and container.

    Outside Linux it is the host's name only.
    """
    facts = [platform.node()]
    try:
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip())
        facts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(facts)


def _stat(pid):
    """Return the fields of ``/proc/PID/stat`` after the name; [] on systems other than Linux."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
