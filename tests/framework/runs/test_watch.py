"""``log.txt``: what a training prints, in real processes."""

import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

import firstlight as fl
from firstlight.support.printable import tell

SCRIPT = """
import logging, os, sys, warnings
import numpy as np, firstlight as fl
from nets import Line

logging.basicConfig(level=logging.INFO, format="%(message)s")  # keeps the stream it finds

class Talk(fl.Callback):
    def on_train_epoch_end(self, trainer):
        print("said", trainer.epoch)
        print("PASSWORD=hush", file=sys.stderr)
        logging.info("logged %d", trainer.epoch)
        if trainer.epoch == 2:
            warnings.warn("careful")
            {then}

x = np.random.default_rng(0).normal(size=(64, 3))
print("before")
trainer = fl.Trainer(max_epochs=3, callbacks=["progress_bar", Talk()], default_callbacks=False,
                     name="line")
try:
    trainer.fit(Line(), (x, x[:, :1]), val_data=(x, x[:, :1]))
finally:
    print("after", vars(sys.stdout).get("write"), vars(sys.stderr).get("write"))
"""


def script(then="pass"):
    return [sys.executable, "-c", SCRIPT.format(then=then)]


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    support = os.path.dirname(sys.modules["nets"].__file__)
    monkeypatch.setenv("PYTHONPATH", support, prepend=os.pathsep)


def log(name="line"):
    """Return the lines of the newest run's log."""
    return (fl.runs.find_run(name).path / "log.txt").read_text(encoding="utf-8").splitlines()


def test_a_log_has_both_streams_from_start_to_end():
    done = subprocess.run(script(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "after None None"  # the streams are as they were
    lines = log()
    assert lines[0].startswith("run: runs")
    assert [line for line in lines if line.startswith(("said", "logged"))] == [
        *("said 1", "logged 1", "said 2", "logged 2", "said 3", "logged 3")
    ]
    assert [line.split("  ")[0] for line in lines if line.startswith("epoch")] == [
        *("epoch 1/3", "epoch 2/3", "epoch 3/3")
    ]
    assert lines.count("PASSWORD=***") == 3
    assert any("UserWarning: careful" in line for line in lines)
    assert lines[-1].startswith("finished after 3 epochs")
    assert "before" not in lines
    shown = [line for line in done.stdout.splitlines() if not line.startswith(("before", "after"))]
    assert set(shown) <= set(lines)


def test_a_failure_leaves_its_traceback_and_whole_streams():
    then = "raise ArithmeticError('no more')"
    done = subprocess.run(script(then), capture_output=True, text=True)
    assert done.returncode == 1
    assert "after None None" in done.stdout
    lines = log()
    place = lines.index("Traceback (most recent call last):")
    assert lines[place - 1].startswith("failed (ArithmeticError)")
    assert lines[-2:] == [
        "ArithmeticError: no more",
        "raised by callback Talk in on_train_epoch_end",
    ]


def test_a_killed_training_leaves_the_lines_until_then():
    process = subprocess.run(script("os.kill(os.getpid(), 9)"), capture_output=True)
    assert process.returncode == -signal.SIGKILL
    assert log()[-1].endswith("UserWarning: careful")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_prints_and_does_not_write_the_log():
    then = "pid = os.fork(); pid or (print('child', flush=True), os._exit(0)); os.waitpid(pid, 0)"
    done = subprocess.run(script(then), capture_output=True, text=True, check=True)
    assert "child" in done.stdout.splitlines()
    assert "child" not in log()
    assert log().count("said 2") == 1


def on_a_terminal(command):
    """Run a command on a terminal of its own, and return what it shows."""
    parent, child = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")} | {"TERM": "xterm"}
    process = subprocess.Popen(command, stdout=child, stderr=child, env=env, close_fds=True)
    os.close(child)
    output = b""
    try:
        while chunk := os.read(parent, 65536):
            output += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(parent)
    assert process.wait() == 0
    return output.decode()


def test_the_bar_of_a_terminal_is_not_in_the_log():
    assert "\x1b[2K" in on_a_terminal(script())
    lines = log()
    assert not any("\x1b" in line or "━" in line or "it/s" in line for line in lines)
    rows = [line.split() for line in lines]
    assert [row[0] for row in rows if row and row[0][1:] == "/3"] == ["1/3", "2/3", "3/3"]
    spoken = [line for line in lines if line.startswith(("said", "logged", "PASSWORD"))]
    assert spoken[:3] == ["said 1", "PASSWORD=***", "logged 1"]
    assert len(spoken) == 9
    assert lines[-1].startswith("finished after 3 epochs")


@pytest.mark.slow
def test_the_log_of_a_training_in_a_notebook(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
    nbformat = pytest.importorskip("nbformat")
    source = SCRIPT.format(then="pass").replace("finally:", "except ZeroDivisionError:")
    cells = [nbformat.v4.new_code_cell(text) for text in (source, "print('next cell')")]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, kernel_name="python3").execute()
    lines = log()
    assert {"said 1", "said 2", "said 3", "PASSWORD=***"} <= set(lines)
    assert lines[-1].startswith("finished after 3 epochs")
    shown = "".join(one.text for one in book.cells[0].outputs if one.output_type == "stream")
    assert {"said 3", "PASSWORD=hush"} <= set(shown.splitlines())
    assert "".join(one.text for one in book.cells[1].outputs) == "next cell\n"


# ------------------------------------------------------------------------- in this process


class Says(fl.Callback):
    def __init__(self, text, do=lambda trainer: None):
        self.text, self.do = text, do

    def on_train_epoch_end(self, trainer):
        print(f"{self.text} {trainer.epoch}")
        self.do(trainer)


def fit(line, data, *callbacks, epochs=1, name="line", resume=None):
    trainer = fl.Trainer(
        max_epochs=epochs, callbacks=[*callbacks], default_callbacks=False, name=name
    )
    trainer.fit(line(), data, resume=resume)
    return trainer


def test_a_training_within_a_training_is_in_both_logs(line, line_data):
    def inner(trainer):
        fit(line, line_data, Says("inner"), name="inner")

    fit(line, line_data, Says("outer", inner), epochs=2, name="outer")
    assert log("inner") == ["inner 1"]
    assert log("outer") == ["outer 1", "inner 1", "outer 2", "inner 1"]
    assert not hasattr(sys.stdout.write, "copies")


def test_a_failing_training_within_one_that_goes_on(line, line_data):
    def fail(trainer):
        raise ValueError("inner only")

    def inner(trainer):
        with pytest.raises(ValueError, match="inner only"):
            fit(line, line_data, Says("inner", fail), name="inner")

    fit(line, line_data, Says("outer", inner), name="outer")
    assert "ValueError: inner only" in log("inner")
    assert log("outer") == ["outer 1", "inner 1"]


def test_a_resumed_training_continues_the_log(line, line_data):
    fit(line, line_data, Says("one"), "model_checkpoint")
    fit(line, line_data, Says("two"), "model_checkpoint", epochs=2, resume="last")
    first, resumed, second = log()
    assert (first, second) == ("one 1", "two 2")
    assert resumed.startswith("--- resumed 2")
    assert resumed.endswith(", after step 3 ---")


def test_a_stream_that_is_not_a_file(line, line_data, monkeypatch):
    class Slots:
        __slots__ = ()

        def write(self, text):
            return len(text)

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", Slots())
    fit(line, line_data, Says("said"))
    assert log() == ["said 1"]
    assert sys.stdout.getvalue() == "said 1\n"


def test_a_write_of_somebody_else_stays(line, line_data, monkeypatch):
    heard = []
    stream = io.StringIO()
    stream.write = heard.append
    monkeypatch.setattr(sys, "stdout", stream)
    fit(line, line_data, Says("said"))
    assert log() == ["said 1"]
    assert heard == ["said 1", "\n"]
    assert stream.write == heard.append


def test_a_stream_that_fails(line, line_data, monkeypatch):
    """The progress bar prints again what an ASCII terminal cannot show, and goes on without any."""
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    fit(line, line_data, Says("said", lambda trainer: tell("é")))
    assert log() == ["said 1", "?"]
    monkeypatch.setattr(sys, "stdout", closed := io.StringIO())
    closed.close()
    with pytest.warns(UserWarning, match="standard output cannot be written"):
        fit(line, line_data, fl.callbacks.ProgressBar())
    assert log()[-1].startswith("finished after 1 epoch")


def test_output_that_is_redirected_meanwhile_goes_where_it_was_sent(line, line_data):
    from contextlib import redirect_stdout

    with redirect_stdout(io.StringIO()) as caught:
        fit(line, line_data, Says("said"))
    assert caught.getvalue() == "said 1\n"
    assert log() == ["said 1"]


def test_a_log_that_cannot_be_written_is_a_warning(line, line_data):
    fit(line, line_data, "model_checkpoint")
    path = fl.runs.find_run("line").path / "log.txt"
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="log.txt cannot be written"):
        trainer = fit(line, line_data, "model_checkpoint", epochs=2, resume="last")
    assert trainer.status == "finished"


def test_a_link_in_a_run_is_not_followed(line, line_data, tmp_path):
    fit(line, line_data, "model_checkpoint")
    path, other = fl.runs.find_run("line").path / "log.txt", tmp_path / "precious.txt"
    other.write_text("mine")
    path.unlink()
    path.symlink_to(other)
    with pytest.warns(UserWarning, match="is a link to"):
        fit(line, line_data, Says("said"), "model_checkpoint", epochs=2, resume="last")
    assert other.read_text() == "mine"


def test_a_folder_that_is_deleted_meanwhile_gets_a_new_log(line, line_data):
    def delete(trainer):
        if trainer.epoch == 1:
            shutil.rmtree(trainer.run.path)
            trainer.run.owner.gone = True

    with pytest.warns(UserWarning, match="was deleted while it trains"):
        fit(line, line_data, Says("said", delete), epochs=2)
    assert log()[-1] == "said 2"
    assert json.loads((fl.runs.find_run("line").path / "summary.json").read_text())["steps"] == 6
