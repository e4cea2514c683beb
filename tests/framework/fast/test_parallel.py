"""Blocks shared by threads that sleep on a queue, and by the team of compiled threads."""

import gc
import importlib
import sys
import threading
import weakref

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from firstlight.fast.blocked import parallel


@pytest.fixture(params=["queue", "team"], autouse=True)
def _way(request, monkeypatch):
    """Hand blocks over in both ways."""
    if request.param == "team":
        pytest.importorskip("numba", reason="needs numba")
        importlib.import_module(parallel.TEAM)
    else:
        monkeypatch.delitem(sys.modules, parallel.TEAM, raising=False)


@pytest.fixture
def _two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture
def _one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


both = pytest.mark.parametrize("threads", ["_one_thread", "_two_threads"])


@both
@pytest.mark.parametrize(("count", "block"), [(0, 4), (3, 4), (4, 4), (103, 7), (5, 1)])
def test_every_row_is_in_one_block_and_results_are_in_order(threads, count, block, request):
    request.getfixturevalue(threads)
    blocks = parallel.spread(lambda start, stop: (start, stop), count, block)
    assert blocks == [(low, min(low + block, count)) for low in range(0, count, block)]


@pytest.mark.usefixtures("_two_threads")
def test_two_threads_take_part_with_one_blas_thread_each():
    both_here = threading.Barrier(2)

    def meet(start, stop):
        both_here.wait()  # for ever, unless two threads are here at once
        return threading.current_thread().name, parallel.workers()

    (mine, inner), (other, _) = parallel.spread(meet, 2, 1)
    assert mine != other
    assert inner == 1
    assert parallel.workers() == 2


@pytest.mark.usefixtures("_one_thread")
def test_one_blas_thread_means_no_second_thread():
    names = parallel.spread(lambda start, stop: threading.current_thread().name, 8, 1)
    assert set(names) == {threading.current_thread().name}


@pytest.mark.usefixtures("_two_threads")
def test_blocks_within_a_block_stay_in_its_thread():
    def outer(start, stop):
        mine = threading.current_thread().name
        return {mine} == set(parallel.spread(lambda *_: threading.current_thread().name, 4, 1))

    assert all(parallel.spread(outer, 4, 1))


@both
def test_an_exception_passes_on_and_blas_gets_its_threads_back(threads, request):
    request.getfixturevalue(threads)
    before = parallel.workers()

    def fail(start, stop):
        if start == 3:
            raise ValueError("row 3")

    with pytest.raises(ValueError, match="row 3"):
        parallel.spread(fail, 4, 1)
    assert parallel.workers() == before


@pytest.mark.usefixtures("_two_threads")
def test_another_thread_works_alone_and_leaves_blas_as_it_is():
    seen = []

    def alone():
        seen.extend(parallel.spread(lambda *_: threading.current_thread().name, 4, 1))

    thread = threading.Thread(target=alone, name="loader")
    thread.start()
    thread.join(10)
    assert seen == ["loader"] * 4
    assert parallel.workers() == 2


@pytest.mark.usefixtures("_two_threads")
def test_arrays_of_a_function_are_freed_with_it():
    x = np.ones(1000)
    freed = weakref.ref(x)
    gc.disable()
    try:
        parallel.spread(lambda a, b, x=x: x[a:b].sum(), 1000, 100)
        del x
        assert freed() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("_two_threads")
def test_products_in_blocks_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(500, 30)), rng.normal(size=(30, 20))
    y = np.empty((500, 20))
    parallel.spread(lambda a, b: np.matmul(x[a:b], w, out=y[a:b]), 500, 64)
    np.testing.assert_allclose(y, x @ w, rtol=1e-12, atol=1e-12)


def test_rows_per_block_is_never_zero():
    assert parallel.rows_per_block(2**30) == 1
    assert parallel.rows_per_block(2**10) * 2**10 == parallel.BLOCK_BYTES
