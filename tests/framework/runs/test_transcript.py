"""What of a console's output is kept in a file."""

import os
import threading

import pytest

from firstlight.runs import transcript as module
from firstlight.runs.transcript import Transcript

RICH = "\r\x1b[2K\x1b[1A\x1b[2K"  # how rich goes back in a display of two lines


@pytest.fixture
def kept(tmp_path):
    """Return the lines that are kept of ``(stream, text)`` pairs."""

    def keep(*written):
        path = tmp_path / "log.txt"
        path.unlink(missing_ok=True)
        transcript = Transcript(path)
        streams = [transcript.stream(), transcript.stream()]
        for stream, text in written:
            streams[stream](text)
        transcript.close()
        return path.read_text(encoding="utf-8").splitlines()

    return keep


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("no end", ["no end"]),
        ("\n\n", ["", ""]),
        ("10 %\r50 %\r100 %\n", ["100 %"]),
        ("\x1b[1;32mgreen\x1b[0m\n", ["green"]),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\\n", ["link"]),
        ("bar 1\r\x1b[2Ksaid\nbar 2\r\x1b[2K", ["said"]),  # a line above a bar
        (f"a 0\nb 0{RICH}a 1\nb 1{RICH}a 2\nb 2\n", ["a 2", "b 2"]),
        ("kept\nbar\n\x1b[1A\x1b[2K", ["kept"]),  # a bar that disappears
        ("a\x1b[A", []),
        ("\x1b[500Ab\n", ["b"]),  # further up than there are lines
        ("a\tb\x00\n", ["a\tb\ufffd"]),
        ("API_KEY=hush\nhttp://me:hush@x\n", ["API_KEY=***", "http://me:***@x"]),
        ("\udcff\n", ["\ufffd"]),  # a file name that is not UTF-8
    ],
)
def test_what_is_kept(kept, text, lines):
    assert kept((0, text)) == lines
    assert kept(*((0, letter) for letter in text)) == lines  # escape sequences in parts


def test_each_stream_has_its_own_incomplete_line(kept):
    assert kept((0, "bar"), (1, "warning\n"), (0, "\r\x1b[2Kdone\n")) == ["warning", "done"]


def test_a_redraw_deletes_no_line_of_the_other_stream(kept):
    written = (0, "a 0\n"), (1, "warning\n"), (0, "b 0\x1b[1A\x1b[2Ka 1\nb 1\n")
    assert kept(*written) == ["a 0", "warning", "a 1", "b 1"]


def test_a_long_transcript_is_cut_off_and_says_so(kept, monkeypatch):
    monkeypatch.setattr(module, "SIZE_LIMIT", 50)
    lines = kept((0, f"{'x' * 9}\n" * 20))
    assert lines == ["x" * 9] * 5 + ["... cut off here: 50 bytes are kept"]


def test_lines_of_threads_are_whole(tmp_path):
    transcript = Transcript(tmp_path / "log.txt")
    write = transcript.stream()
    threads = [
        threading.Thread(target=lambda text=text: [write(text) for _ in range(2000)])
        for text in ("aaaa\n", "bbbb\n")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transcript.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(lines) == ["aaaa"] * 2000 + ["bbbb"] * 2000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_full_disk_is_one_warning_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "no_link", lambda path, flags: os.open("/dev/full", os.O_WRONLY))
    transcript = Transcript(tmp_path / "log.txt")
    write = transcript.stream()
    write("one\n")
    write("two\n")
    with pytest.warns(UserWarning, match="log.txt cannot be written"):
        transcript.close()
    transcript.close()  # the second time it says nothing
