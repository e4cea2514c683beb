"""DataLoader with workers: the same batches, errors with their origin, nothing left behind."""

import gc
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import loader_parts
import numpy as np
import pytest
from waiting import until

import firstlight as fl
from firstlight.data import _sharing
from firstlight.data._workers import SIGNALS, WorkerProcesses
from firstlight.data.loader import DataLoader

N = 23
KINDS = ["threads", pytest.param("processes", marks=pytest.mark.slow)]
SHARED = Path("/dev/shm")


def loader(**options):
    x = np.arange(N, dtype="float32")[:, None]
    options = {"batch_size": 4, "shuffle": True, "transform": loader_parts.noisy, **options}
    return DataLoader((x, np.arange(N)), **options)


def assert_same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def left_behind():
    """Return the shared memory and the processes of this process's loaders."""
    return set(SHARED.glob(f"firstlight_{os.getpid()}_*")), multiprocessing.active_children()


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    gc.collect()  # a loader that an exception's traceback refers to
    until(lambda: left_behind() == (set(), []))


def test_processes_yield_the_same_batches_and_keep_running_between_epochs():
    plain, parallel = loader(), loader(num_workers=1, workers="processes")
    assert_same(list(plain), list(parallel))
    first = multiprocessing.active_children()
    assert_same(list(plain), list(parallel))
    assert multiprocessing.active_children() == first
    assert len(first) == 1
    x, _ = next(iter(parallel))
    x += 1  # its own memory


@pytest.mark.parametrize("workers", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_batches_do_not_depend_on_workers_nor_on_where_one_resumes(workers, count):
    expected = list(loader(transform=loader_parts.longer))
    parallel = loader(transform=loader_parts.longer, num_workers=count, workers=workers)
    for index, _ in enumerate(parallel):
        if index == 2:
            state = json.loads(json.dumps(parallel.state_dict()))
            break
    again = loader(transform=loader_parts.longer, num_workers=4 - count, workers=workers)
    again.load_state_dict(state)
    assert_same(list(again), expected[3:])


@pytest.mark.parametrize("workers", KINDS)
def test_a_data_set_of_ones_own_and_batches_of_any_structure(workers):
    batches = list(DataLoader(loader_parts.Squares(), 5, num_workers=2, workers=workers))
    np.testing.assert_array_equal(batches[1]["x"][:, 0], np.arange(5.0, 10) ** 2)
    assert batches[-1]["parts"][1].tolist() == [40, 42, 44]


@pytest.mark.parametrize("workers", [None, *KINDS])
def test_an_error_names_the_sample_and_comes_with_its_traceback(workers):
    options = {"num_workers": 2, "workers": workers} if workers else {}
    batches = iter(DataLoader(loader_parts.Squares(bad=7), 5, **options))
    next(batches)
    with pytest.raises(OSError, match="photo.jpg is damaged") as caught:
        next(batches)
    assert caught.value.__notes__ == [
        "while batch 1 of epoch 0 of squares was created, by sample 7"
    ]
    if workers == "processes":
        assert 'raise OSError("photo.jpg is damaged")' in str(caught.value.__cause__)


@pytest.mark.slow
def test_errors_and_data_that_cannot_be_pickled():
    with pytest.raises(RuntimeError, match="OddError: one and two"):
        list(loader(transform=loader_parts.odd, num_workers=1, workers="processes"))
    with pytest.raises((AttributeError, TypeError), match="pickle|local") as caught:
        list(loader(transform=lambda batch, rng: batch, num_workers=1, workers="processes"))
    assert any('use workers="threads"' in note for note in caught.value.__notes__)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_worker_is_an_error_and_the_next_epoch_has_new_ones():
    parallel = loader(transform=loader_parts.slow, num_workers=2, workers="processes")
    batches = iter(parallel)
    next(batches)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="worker process .* was killed by SIGKILL"):
        list(batches)
    assert len(list(parallel)) == len(parallel)
    with pytest.raises(RuntimeError, match="was killed by SIGKILL"):
        list(loader(transform=loader_parts.die, num_workers=1, workers="processes"))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads /proc")
def test_no_signal_reaches_a_worker_not_even_while_it_starts():
    workers = WorkerProcesses(loader_parts.noisy, 1)
    (process,) = multiprocessing.active_children()
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = [int(re.search(f"{name}:\\s*(\\w+)", status)[1], 16) for name in ("SigBlk", "SigIgn")]
    assert all((masks[0] | masks[1]) >> (number - 1) & 1 for number in SIGNALS)
    workers.close()


SCRIPT = """
import sys, os, time
import numpy as np
import loader_parts
from firstlight.data.loader import DataLoader

if __name__ == "__main__":
    x = np.zeros((64, 300_000), "float32")
    loader = DataLoader(x, 4, transform=loader_parts.slow, num_workers=2, workers="processes")
    for batch in loader:
        print(*[one.pid for one in __import__("multiprocessing").active_children()], flush=True)
        {action}
"""


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="looks for shared memory in /dev/shm")
@pytest.mark.parametrize(
    ("action", "ends"),
    [
        ("break", 0),
        ("sys.exit(3)", 3),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("os.kill(os.getpid(), 9)", -9),
        ("time.sleep(60)", -signal.SIGINT),  # until Ctrl-C, which reaches all processes
    ],
)
def test_nothing_is_left_behind(tmp_path, action, ends):
    (tmp_path / "script.py").write_text(SCRIPT.format(action=action))
    environment = os.environ | {"PYTHONPATH": str(Path(loader_parts.__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == 2
        if "sleep" in action:
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == ends
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    until(lambda: not any(SHARED.glob(f"firstlight_{process.pid}_*")))


def test_large_arrays_are_shared_and_mapped_files_are_mapped_again(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(2 * _sharing.LARGE, dtype="uint8"))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    parts = {
        "mapped": np.asarray(mapped)[3:].reshape(-1, 1),  # a view, as a data set holds it
        "strided": mapped[::2],
        "plain": np.ones((3, _sharing.LARGE), "float32"),
        "small": np.arange(5),
    }
    content, segments = _sharing.dumps(parts)
    try:
        assert len(content) < 2000
        assert len(segments) == 2
        found = _sharing.loads(content)
        for name, array in parts.items():
            np.testing.assert_array_equal(found[name], array)
        assert isinstance(found["mapped"], np.memmap)
    finally:
        del found
        while _sharing._attached:
            _sharing._attached.pop().close()
        _sharing.release(segments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_workers": -1}, ValueError, "num_workers: expected 0 or more, got -1"),
        ({"num_workers": 1.5}, TypeError, "num_workers: expected a whole number, got 1.5"),
        ({"workers": "process"}, ValueError, 'workers: .*; did you mean "processes"'),
    ],
)
def test_settings_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message.replace('"', "['\"]")):
        loader(**options)


def test_a_training_with_workers_gives_the_same_bytes():
    def trained(**options):
        fl.seed_everything(0)
        data, net = loader(**options), fl.models.MLP(1, N, hidden=(4,))
        trainer = fl.Trainer(max_epochs=2, default_callbacks=False, runs_dir=None)
        trainer.fit(net, data)
        return b"".join(p.data.tobytes() for p in net.parameters())

    assert trained() == trained(num_workers=2)
