"""Progress where standard output is none of the usual: a Tee, closed, full, of another encoding."""

import io
import os
import sys
import warnings

import pytest

import firstlight as fl
from firstlight.support.printable import tell
from firstlight.testing import TinyNet, tiny_data


class Tee:
    """What users put in the place of ``sys.stdout`` to keep a log."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text


class Terminal(Tee):
    """A Tee that says it is a terminal."""

    def isatty(self):
        return True

    def flush(self):
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def broken():
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w")


def full():
    return os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")


def _write_and_close(stream):
    stream.write("\n")
    stream.close()


def fit(*more):
    trainer = fl.Trainer(max_epochs=2, callbacks=["progress_bar", *more], runs_dir=None)
    trainer.fit(TinyNet(), tiny_data())
    return trainer


@pytest.mark.parametrize("kind", [Tee, Terminal])
def test_a_tee_gets_the_lines(kind, monkeypatch):
    monkeypatch.setattr(sys, "stdout", kind())
    monkeypatch.delenv("CI", raising=False)
    assert fit("throughput").status == "finished"
    assert "finished after 2 epochs" in sys.stdout.written
    assert "throughput: " in sys.stdout.written


def test_no_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert fit("throughput").status == "finished"


@pytest.mark.parametrize(
    "make",
    [
        closed,
        broken,
        pytest.param(
            full,
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux"),
        ),
    ],
)
@pytest.mark.parametrize("more", [[], ["throughput"], ["lr_finder"]])
def test_an_output_that_cannot_be_written_is_a_warning(make, more, monkeypatch):
    stream = make()
    monkeypatch.setattr(sys, "stdout", stream)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        trainer = fit(*more)
    assert trainer.status == "finished"
    assert {str(one.message).partition(" (")[0] for one in caught} == {
        "standard output cannot be written"
    }
    monkeypatch.undo()
    with pytest.raises((OSError, ValueError)):  # it is what it was
        _write_and_close(stream)


def test_what_cannot_be_encoded_is_a_question_mark(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    tell("größe\u2603")
    assert stream.buffer.getvalue() == b"gr??e?\n"
