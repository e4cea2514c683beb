"""Whether a source file was changed after the program had read it; used by `sources`.

A script may be edited while it runs. Its copy would then not be the code of the training.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from firstlight.runs.processes import start_time

REASON = "its file was changed after the program had read it, so that its code is not known"
HEADER = 16  # bytes of a cached file: magic number, flags, modification time and size


def is_edited(module: ModuleType, file: os.stat_result, text: str) -> bool:
    """Return whether the text is not the code that a module was made of; False if unknown.

    Parameters
    ----------
    module : ModuleType
        The main script, or a module that was imported.
    file : os.stat_result
        Of its file.
    text : str
        What the file has now.
    """
    if file.st_mtime <= _program_start():
        return False
    if module is sys.modules["__main__"]:
        ran = _main_code()
        try:
            file_now = ran and compile(text, ran.co_filename, "exec", dont_inherit=True)
            return file_now != ran
        except SyntaxError:  # edited, and not finished
            return True
    with suppress(OSError, TypeError):  # no cached file
        header = Path(getattr(module, "__cached__", None)).read_bytes()[:HEADER]
        if len(header) == HEADER and header[4:8] == bytes(4):  # by time
            number = int(file.st_mtime) & 0xFFFFFFFF, file.st_size & 0xFFFFFFFF
            return header[8:] != b"".join(n.to_bytes(4, "little") for n in number)
    return False


def _main_code() -> CodeType | None:
    """Return the code of the main script, None if it does not run in this thread."""
    frame: Any = sys._getframe(1)
    found = None
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
            found = frame.f_code
        frame = frame.f_back
    return found


@cache
def _program_start() -> float:
    """Return when this process started, in seconds since 1970; infinite where it is unknown."""
    ticks = start_time(os.getpid())
    if ticks is None:
        return float("inf")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    return time.time() - age
