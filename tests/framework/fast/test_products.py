"""Products in register tiles, and Adam, by a team of threads."""

import ctypes
import mmap
import os
import threading

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from firstlight.fast.compiled import adam, linear, team
from firstlight.fast.compiled.linear import backward, forward

SIZES = [(32, 50, 24), (33, 17, 11), (1, 1, 1), (7, 5, 3), (300, 17, 50), (19, 100, 2)]  # N, I, O


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def guarded(array):
    """Return a copy that ends where a page begins that may not be touched."""
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    end = start + pages * mmap.PAGESIZE
    assert libc.mprotect(ctypes.c_void_p(end), mmap.PAGESIZE, 0) == 0
    skip = pages * mmap.PAGESIZE - array.nbytes
    copy = np.frombuffer(memory, array.dtype, array.size, skip).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs mprotect")
def test_products_of_any_size_stay_within_their_arrays(size, threads, monkeypatch):
    monkeypatch.setattr(linear, "workers", lambda: threads)
    n, i, o = size
    x, w, b, dy = (guarded(random(*shape)) for shape in ((n, i), (o, i), (o,), (n, o)))
    dw, db = guarded(random(o, i)), guarded(random(o))
    y = forward(x, w, b)
    right = dw + dy.T.astype(float) @ x, db + dy.sum(axis=0, dtype=float)
    dx = backward(x, w, dy, dw, db, needs_dx=True)
    np.testing.assert_allclose(y, x.astype(float) @ w.T + b, atol=2e-5)
    np.testing.assert_allclose(dx, dy.astype(float) @ w, atol=2e-5)
    np.testing.assert_allclose(dw, right[0], atol=5e-5)
    np.testing.assert_allclose(db, right[1], atol=5e-5)


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    x, w, dy = random(50, 90), random(70, 90), random(50, 70)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(linear, "workers", lambda threads=threads: threads)
        dw, db = np.zeros_like(w), np.zeros(70, "float32")
        dx = backward(x, w, dy, dw, db, needs_dx=True)
        found.append([part.tobytes() for part in (forward(x, w, None), dx, dw, db)])
    assert found[0] == found[1] == found[2]


def test_several_threads_may_call_at_once(monkeypatch):
    monkeypatch.setattr(linear, "workers", lambda: 2)
    x, w = random(64, 300), random(200, 300)
    right, wrong = forward(x, w, None), []

    def call():
        for _ in range(50):
            if not np.array_equal(forward(x, w, None), right):
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_read_only_and_transposed_arrays():
    x, w = random(20, 30).T.copy().T, random(40, 30)
    w.flags.writeable = False
    np.testing.assert_allclose(forward(x, w, None), x @ w.T, atol=2e-5)


def test_moments_that_fade_become_zero():
    group = {"betas": (0.9, 0.999), "lr": 0.1, "weight_decay": 0.0, "eps": 1e-8}
    w, g, v = (np.zeros(40_000, "float32") for _ in range(3))
    m = np.full_like(w, 1e-40)  # denormal
    adam.step(group, 5, w, g, m, v, decoupled=False)
    assert not m.any()
    assert np.float32(1e-40) * np.float32(0.9) != 0  # only within the step


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_makes_a_team_of_its_own(monkeypatch):
    monkeypatch.setattr(linear, "workers", lambda: 2)
    x, w = random(64, 300), random(200, 300)
    forward(x, w, None)
    child = os.fork()
    if child == 0:
        os._exit(0 if 2 not in team._teams and forward(x, w, None).shape == (64, 200) else 1)
    assert os.waitpid(child, 0)[1] == 0
