"""Mutated inputs, and what is watched while they are read: code, files, time and memory."""

import contextlib
import os
import re
import resource
import signal
import sys

SECONDS = 20  # of the processor's time, that no input may take
MEMORY = 2**30  # bytes, that no input may take
CURE = re.compile(  # what to do, or what to have instead
    r"expected|must|correct|delete|remove|save|write|take|use |get |leave|give|say|choose|number"
    r"|prepare|did you mean|there are|make |join|trust|restore|needs|expects|none of|more than"
    r"|below|above|name at least"
)
NUMBERS = (
    *(b"0", b"-1", b"1e18", b"1e400", b"-1e-400", b"999999999999", b"NaN", b"0.5", b"null"),
    *(b"9" * 400, b"1e-12", b"true", b"Infinity", b"1_000"),
)
PIECES = (
    *(b"\x00", b"\xff", b"\x1b[2J", b"\xe2\x80\xae", b"\n", b"\r", b'"', b"'", b"{", b"}", b"["),
    *(b"]", b",", b":", b"=", b"&a ", b"*a", b"- ", b"!!python/name:os.system ", b"../../victim"),
    *(b"os:system", b"evil.py:Net", b"evil:data", b'{"class_path": "evil.Net"}', b"[" * 3000),
    *(b'{"a":' * 2000, b"=cmd|' /c x'!A1", b"\xef\xbb\xbf", b"/dev/zero", b"\t", b";", b"1e5000"),
)


def mutated(data, rng):
    """Return bytes after one to three random changes, of a kind that finds mistakes."""
    for _ in range(int(rng.integers(1, 4))):
        data = CHANGES[int(rng.integers(len(CHANGES)))](data, rng)
    return data


def _place(data, rng):
    return int(rng.integers(len(data) + 1))


def _flip(data, rng):
    if not data:
        return data
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]


def _cut(data, rng):
    return data[: _place(data, rng)]


def _remove(data, rng):
    a, b = sorted((_place(data, rng), _place(data, rng)))
    return data[:a] + data[min(b, a + 40) :]


def _repeat(data, rng):
    a, b = sorted((_place(data, rng), _place(data, rng)))
    return data[:b] + data[a : min(b, a + 200)] * int(rng.integers(1, 4)) + data[b:]


def _insert(data, rng):
    at = _place(data, rng)
    return data[:at] + PIECES[int(rng.integers(len(PIECES)))] + data[at:]


def _noise(data, rng):
    at = _place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 9))) + data[at + 4 :]


def _number(data, rng):
    return _replaced(data, rng, rb"-?\d+\.?\d*(?:e[-+]?\d+)?", NUMBERS)


def _word(data, rng):
    return _replaced(data, rng, rb"[A-Za-z_]{2,}", PIECES)


def _swap(data, rng):
    found = list(re.finditer(rb"[\w.]+", data))
    if len(found) < 2:
        return data
    a, b = sorted(rng.choice(len(found), 2, replace=False))
    a, b = found[int(a)], found[int(b)]
    return data[: a.start()] + b[0] + data[a.end() : b.start()] + a[0] + data[b.end() :]


def _replaced(data, rng, pattern, by):
    found = list(re.finditer(pattern, data))
    if not found:
        return _flip(data, rng)
    one = found[int(rng.integers(len(found)))]
    return data[: one.start()] + by[int(rng.integers(len(by)))] + data[one.end() :]


CHANGES = (_flip, _cut, _remove, _repeat, _insert, _noise, _number, _number, _word, _word, _swap)


class Hang(BaseException):
    """Reading took too much of the processor's time."""


class CodeRun(BaseException):
    """Something was started, imported or written that reading has no business with."""


class Watch:
    """Watches one reading at a time; an audit hook cannot be taken away, so there is one.

    Attributes
    ----------
    folder : str or None
        Below which files may be written; None while nothing is watched.
    """

    def __init__(self):
        self.folder, self.seen = None, []
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.folder is None:
            return
        wrong = event in ("os.system", "os.exec", "os.posix_spawn", "pty.spawn", "os.fork")
        wrong |= event == "subprocess.Popen" and "git" not in str(arguments[0])
        wrong |= event == "import" and str(arguments[0]).split(".")[0] == "evil"
        if event == "open" and isinstance(arguments[2], int) and isinstance(arguments[0], str):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            path = os.path.realpath(arguments[0])
            wrong |= bool(writes) and not path.startswith((self.folder, "/dev/null", "/proc"))
            wrong |= "evil" in os.path.basename(path)
        if event in ("os.remove", "os.rename", "shutil.rmtree"):
            wrong |= not os.path.realpath(str(arguments[0])).startswith((self.folder, "/proc"))
        if wrong:
            self.seen.append((event, arguments))

    @contextlib.contextmanager
    def reading(self, folder):
        """Watch what happens inside; raises `CodeRun`, `Hang`, or MemoryError."""
        before = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        handler = signal.signal(signal.SIGVTALRM, self._too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, before[1]))
        self.folder = os.path.realpath(folder)
        try:
            yield
        finally:
            self.folder = None
            resource.setrlimit(resource.RLIMIT_AS, before)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, handler)
            seen, self.seen = self.seen, []
            if seen:
                raise CodeRun(str(seen[:3]))

    @staticmethod
    def _too_long(_number, _frame):
        raise Hang(f"more than {SECONDS} s")
