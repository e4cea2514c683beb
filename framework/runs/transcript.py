"""Transcript: write console output to a file as lines, without the redraws of progress bars."""

import os
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from firstlight.runs.masking import masked_text
from firstlight.support.files import no_link
from firstlight.support.printable import printable

SIZE_LIMIT = 2**26  # bytes of a transcript
LINES_BACK = 100  # lines that a progress display may go back to
# What ends or changes a line on a terminal: line breaks and escape sequences.
CONTROL = re.compile(r"[\n\r\x08]|\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
CUT_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")


class Transcript:
    r"""A text file that gets what a terminal would show in the end, line by line.

    A line is written when it is complete, with its secrets masked. A carriage return starts the
    line again, and a cursor that moves up deletes the lines it passes, because progress bars are
    redrawn like that. Other escape sequences, such as colours, are dropped. After 64 MB the file
    ends with a line that says so.

    Parameters
    ----------
    path : pathlib.Path
        Created, or continued if it exists.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from firstlight.runs.transcript import Transcript
    >>> folder = tempfile.TemporaryDirectory()
    >>> transcript = Transcript(Path(folder.name) / "log.txt")
    >>> transcript.stream()("50 %\r100 %\n\x1b[1mdone\x1b[0m\n")
    >>> transcript.close()
    >>> (Path(folder.name) / "log.txt").read_text()
    '100 %\ndone\n'
    >>> folder.cleanup()
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._file: BinaryIO | None = None
        self._size = 0
        self._streams: list[_Stream] = []
        self._starts: deque[int] = deque(maxlen=LINES_BACK)  # of the last lines, of one stream
        self._last: _Stream | None = None  # that stream
        self._process = os.getpid()
        self._lock = threading.RLock()  # a signal handler may print, too
        self._problem: OSError | None = None
        self.open()

    def open(self) -> None:
        """Open the file, again if it was deleted meanwhile."""
        with self._lock:
            try:
                if self._file is not None:
                    self._file.close()
                self._file = open(self.path, "ab", buffering=0, opener=no_link)  # noqa: SIM115
                self._size = os.fstat(self._file.fileno()).st_size
            except OSError as error:
                self._file, self._problem = None, error
            self._starts.clear()

    @property
    def empty(self) -> bool:
        """Whether nothing was written, also not before it was opened."""
        return self._size == 0

    def stream(self) -> Callable[[str], None]:
        """Return a function that adds text, for one of the streams that share the file.

        Each stream has its own incomplete line, so that a message on standard error does not
        follow a half-drawn bar on standard output. Errors are kept for `close`.
        """
        added = _Stream(self)
        self._streams.append(added)

        def write(text: str) -> None:
            if os.getpid() != self._process:  # a forked child, whose copy of the lock may be held
                return
            with self._lock:
                try:
                    added.write(text)
                except OSError as error:  # disk full
                    self._problem = error
                    self._file.close()
                    self._file = None

        return write

    def close(self) -> None:
        """Write incomplete lines, close the file, and warn if anything could not be written."""
        with self._lock:
            for stream in self._streams:
                if stream.parts:
                    stream.end_line()
            if self._file is not None:
                self._file.close()
            self._file, problem, self._problem = None, self._problem, None
        if problem is not None:
            warnings.warn(
                f"{self.path} cannot be written ({problem}); the training continues without it",
                stacklevel=2,
            )

    def add_line(self, text: str, stream: "_Stream") -> None:
        """Append a complete line of a stream."""
        if self._file is None or self._size > SIZE_LIMIT:
            return
        if stream is not self._last:  # lines of another stream are never deleted
            self._starts.clear()
            self._last = stream
        content = f"{masked_text(printable(text)).rstrip()}\n".encode(errors="replace")
        self._starts.append(self._size)
        self._size += len(content)
        if self._size > SIZE_LIMIT:
            content = f"... cut off here: {SIZE_LIMIT:,} bytes are kept\n".encode()
        self._file.write(content)

    def go_back(self, lines: int, stream: "_Stream") -> None:
        """Delete the last lines of a stream, which are about to be drawn again."""
        if self._file is None or self._size > SIZE_LIMIT or stream is not self._last:
            return
        start = self._size
        for _ in range(min(lines, len(self._starts))):
            start = self._starts.pop()
        os.ftruncate(self._file.fileno(), start)
        self._size = start


class _Stream:
    """The incomplete line of one stream."""

    def __init__(self, transcript: Transcript) -> None:
        self.parts: list[str] = []
        self._transcript = transcript
        self._again = False  # the next text replaces the line
        self._rest = ""  # the beginning of an escape sequence

    def write(self, text: str) -> None:
        if self._rest or "\x1b" in text:
            text = self._rest + text
            cut = CUT_SEQUENCE.search(text)
            self._rest = cut[0] if cut else ""
            text = text[: len(text) - len(self._rest)]
        position = 0
        for control in CONTROL.finditer(text):
            self._append(text[position : control.start()])
            position = control.end()
            if control[0] == "\n":
                self.end_line()
            elif control[0] == "\r":
                self._again = True
            elif control[2] == "A":  # up, by one line if no number is given
                self._clear()
                up = int(control[1]) if control[1].isdecimal() else 1
                self._transcript.go_back(up, self)
            elif control[2] == "K" and control[1] == "2":  # erase the line
                self._clear()
        self._append(text[position:])

    def end_line(self) -> None:
        line = "".join(self.parts)
        self._clear()
        self._transcript.add_line(line, self)

    def _append(self, text):
        if text and self._again:
            self._clear()
        if text:
            self.parts.append(text)

    def _clear(self):
        self.parts.clear()
        self._again = False
