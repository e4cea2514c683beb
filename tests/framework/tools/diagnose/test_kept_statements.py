"""Slow statements at a script's top are executed once within a check, and nothing else changes."""

import sys

import numpy as np
import pytest
from campaigns import slow_but

from firstlight.tools.diagnose.kind import all_kinds
from firstlight.tools.diagnose.probes.script import kept_statements
from firstlight.tools.diagnose.probes.script.kept_statements import keeping_statements
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.trace import trace
from firstlight.tools.diagnose.probes.steps.replay import DoubleRecorder

# Its function `read` takes long, and counts its calls.
SCRIPT = """
import argparse
import random
import sys

import numpy as np


def read(size=40):
    sum(range(3_000_000))
    sys.reads += 1
    return np.arange(120.0).reshape(size, -1) / 120


class Data:
    def read(self):
        return read()


{data}
w, lr = np.zeros((3, 1)), 0.1
for epoch in range(5):
    for i in range(0, 40, 10):
        rows = x[i : i + 10]
        error = rows @ w - rows[:, :1]
        loss = np.mean(error**2)
        w -= lr * 2 * rows.T @ error / len(rows)
{after}
"""
ONCE = {
    "a function": "x = read()",
    "with arithmetic": "x = (read() - 0.5) * 2",
    "a tuple": "x, n = read(), 40",
    "an argument": "args = argparse.Namespace(size=40)\nx = read(args.size)",
    "after a file": "file = open(__file__)\nx = read()\nfile.close()",
    "used by others": "x = read()\nmean = x.mean()\nx = x - mean",
}
SCALED = """
def scaled():
    found = read()
    for name in ("a", "b"):
        print(name)
    low = found.min()
    return found - low


x = scaled()
print(scaled().max())
"""
AGAIN = {
    "numpy's random numbers": "x = read() + np.random.randn(40, 3)",
    "Python's random numbers": "x = read() + random.random()",
    "a generator": "rng = np.random.default_rng(0)\nx = read() + rng.normal(size=(40, 3))",
    "a generator without seed": "x = read() + np.random.default_rng().normal(size=(40, 3))",
    "a generator of a function": (
        "rng = np.random.default_rng(0)\n"
        "def noisy():\n    return read() + rng.normal()\n"
        "x = noisy()"
    ),
    "a class": "x = Data().read()",
    "a file": "file = open(__file__)\nx = read() + len(file.readline())\nfile.close()",
    "a list": "sizes = [40]\nx = read(sizes.pop())",
    "written into at the top": "x = read()\nx /= 2",
    "written into through a view": "x = read()\nx[:20] *= 2",
    "shuffled": "x = read()\nnp.random.shuffle(x)",
    "in a statement of its own kind": "x = None\nif x is None:\n    x = read()",
}
RUNS = (Recorder, DoubleRecorder, DoubleRecorder, Recorder)


def write(tmp_path, source):
    (tmp_path / "train.py").write_text(source)
    return tmp_path / "train.py"


def traces(path, keep):
    """Return the events of several runs, as far as they can be compared."""
    if not keep:
        return [comparable(trace(path, recorder=kind(path))) for kind in RUNS]
    with keeping_statements():
        return [comparable(trace(path, recorder=kind(path))) for kind in RUNS]


def comparable(found):
    events = [
        (type(e).__name__, e.key, e.loops, getattr(e, "name", ""), plain(e)) for e in found.events
    ]
    return found.ended, events, {n for n in found.names if not n.startswith("__")}


def is_same(kept, expected):
    """Return whether runs are the same, but for numbers of functions that were not called."""
    for (ended, events, names), (otherwise, all_events, all_names) in zip(
        kept, expected, strict=True
    ):
        keys = {key for _, key, *_ in events}
        left_out = {kind for kind, key, *_ in all_events if key not in keys}
        assert left_out <= {"Scalar", "Assigned"}
        assert (ended, names) == (otherwise, all_names)
        assert events == [one for one in all_events if one[1] in keys]
    return True


def plain(event):
    values = [getattr(event, name, None) for name in ("value", "before", "after", "output")]
    return [repr(np.asarray(v).tolist()) for v in values if isinstance(v, (float, np.ndarray))]


@pytest.fixture(autouse=True)
def _counted(monkeypatch):
    monkeypatch.setattr(sys, "reads", 0, raising=False)


def reads():
    count, sys.reads = sys.reads, 0
    return count


@pytest.mark.slow
@pytest.mark.parametrize("name", ONCE)
def test_a_slow_statement_is_executed_once(name, tmp_path):
    path = write(tmp_path, SCRIPT.format(data=ONCE[name], after=""))
    expected = traces(path, keep=False)
    assert reads() == len(RUNS)
    assert is_same(traces(path, keep=True), expected)
    assert reads() == 1
    assert len(expected[0][1]) > 10


def test_loops_and_numbers_of_functions_that_are_not_called_again_are_counted(tmp_path):
    path = write(tmp_path, SCRIPT.format(data=SCALED, after=""))
    expected = traces(path, keep=False)
    reads()
    assert is_same(traces(path, keep=True), expected)
    assert reads() == 1 + len(RUNS)  # `print` is no assignment


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAIN)
def test_a_statement_with_another_effect_is_executed_again(name, tmp_path):
    path = write(tmp_path, SCRIPT.format(data=AGAIN[name], after=""))
    expected = traces(path, keep=False)
    reads()
    assert is_same(traces(path, keep=True), expected)
    assert reads() == len(RUNS)


@pytest.mark.slow
def test_what_depends_on_the_training_is_executed_again(tmp_path):
    data, after = "x = np.ones((40, 3))", "y = read() @ w"
    path = write(tmp_path, SCRIPT.format(data=data, after=after))
    assert is_same(traces(path, keep=True), traces(path, keep=False))
    assert reads() == 2 * len(RUNS)


def test_single_precision_is_read_again_in_double(tmp_path):
    path = write(tmp_path, SCRIPT.format(data='x = read().astype("float32")', after=""))
    expected = traces(path, keep=False)
    reads()
    assert is_same(traces(path, keep=True), expected)
    assert reads() == 2


EXAMPLES = {name: kind.wrong for name, kind in all_kinds().items() if kind.wrong}


@pytest.mark.parametrize("name", slow_but(EXAMPLES, *list(EXAMPLES)[::8]))
def test_keeping_whatever_can_be_kept_changes_no_event(name, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_statements, "SLOW", -1)  # fast statements, too
    path = write(tmp_path, EXAMPLES[name])
    assert is_same(traces(path, keep=True), traces(path, keep=False))


def test_a_check_of_a_script_reads_its_data_once(tmp_path, capsys):
    from firstlight.tools.cli.main import main

    path = write(tmp_path, SCRIPT.format(data="x = read()", after=""))
    assert main(["check", str(path)]) == 0, capsys.readouterr().out
    assert reads() == 1
