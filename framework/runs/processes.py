"""Processes: which one a number means, also when the system has given the number away again."""

import os
import platform
from functools import cache
from pathlib import Path

DEAD = "ZX"  # states in /proc: waiting to be buried, and gone


def alive(pid, started=None):
    """Return whether a process of this machine exists, and not only waits to be buried.

    Parameters
    ----------
    pid : int
    started : str, optional
        What `start_time` said of it. A process that started at another time has taken over
        the number.
    """
    if not isinstance(pid, int) or pid <= 0:  # to the system: a group of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    found = _stat(pid)
    if not found:
        return True
    return found[0] not in DEAD and started in (None, found[19])


def identity():
    """Return what tells this process from all others, as it stands in files."""
    pid = os.getpid()
    host = platform.node()
    started = start_time(pid)
    return {"hostname": host, "machine": machine(), "pid": pid, "process_started": started}


def start_time(pid):
    """Return when a process of this machine started, as an opaque text; None if unknown."""
    found = _stat(pid)
    return found[19] if found else None


def stopped(pid):
    """Return whether a process is stopped (Ctrl-Z, SIGSTOP), where the system tells."""
    return _stat(pid)[:1] == ["T"]


@cache
def machine():
    """Return a text that only processes share whose numbers mean the same: host, boot, container.

    Where the system tells neither boot nor container, the text is the host's name alone.
    """
    facts = [platform.node()]
    try:
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        facts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(facts)


def _stat(pid):
    """Return the fields of Linux' ``/proc/PID/stat`` after the name; [] elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
