"""Ranks connected by TCP: what they exchange, who may connect, and what a missing one leads to."""

import os
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from outcomes import outcome
from waiting import until

from firstlight.distributed import rendezvous
from firstlight.distributed.rendezvous import Meeting, connect, receive, send
from firstlight.distributed.tcp import TCPCommunicator

LAST = "job/*/checkpoints/last.safetensors"


@pytest.fixture(autouse=True)
def _state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def together(*functions):
    """Run functions in threads; return what each returned, or raised."""
    found = [None] * len(functions)

    def keep(index):
        try:
            found[index] = functions[index]()
        except Exception as error:
            found[index] = error

    threads = [threading.Thread(target=keep, args=(index,)) for index in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.fixture
def ranks(port):
    """A function that returns the communicators of ranks in this process."""
    made = []

    def connected(size):
        meetings = [Meeting(rank, size, None, "127.0.0.1", port) for rank in range(size)]
        made.extend(together(*(partial(TCPCommunicator, one) for one in meetings)))
        return made

    yield connected
    for one in made:
        one.close()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_sums_are_those_in_the_order_of_the_ranks(ranks, size, dtype):
    world = ranks(size)
    assert [(one.rank, one.size, one.local_rank) for one in world] == [
        (rank, size, rank) for rank in range(size)
    ]
    for shape in ((0,), (), (3,), (37, 11), (2, 9001)):
        draws = [np.random.default_rng(rank).normal(size=shape) * 100 for rank in range(size)]
        arrays = [np.asarray(one).astype(dtype) for one in draws]
        total = arrays[0].copy()
        for other in arrays[1:]:
            total = total + other
        for op, expected in (("sum", total), ("max", np.max(arrays, axis=0))):
            mine = [array.copy(order="F") for array in arrays]
            together(*(partial(c.allreduce_, x, op) for c, x in zip(world, mine, strict=True)))
            assert {array.tobytes() for array in mine} == {expected.astype(dtype).tobytes()}
        together(*(partial(c.bcast_, x) for c, x in zip(world, arrays, strict=True)))
        assert len({array.tobytes() for array in arrays}) == 1
    values = [{"rank": one.rank, "more": "x" * 20_000 * one.rank} for one in world]
    got = together(*(partial(c.gather, v) for c, v in zip(world, values, strict=True)))
    assert got == [values] * size


def test_a_lost_rank_is_named(ranks):
    first, second = ranks(2)
    second.close()
    with pytest.raises(ConnectionError, match="rank 0 of 2 has lost rank 1 .* resumes from the la"):
        first.barrier()


def test_a_missing_rank_is_named(port):
    with pytest.raises(ConnectionError, match="rank 1, 2 did not connect; was every rank started"):
        connect(Meeting(0, 3, None, "127.0.0.1", port), patience=0.2)
    with pytest.raises(ConnectionError, match=r"rank 2 of 3 cannot connect to .*refused"):
        connect(Meeting(2, 3, None, "127.0.0.1", port), patience=0.2)
    taken = pytest.raises(ConnectionError, match="cannot listen at port .* another MASTER_PORT")
    with socket.create_server(("", port)), taken:
        connect(Meeting(0, 3, None, "127.0.0.1", port))


def test_strangers_are_not_let_in(port, monkeypatch):
    meetings = [Meeting(rank, 2, None, "127.0.0.1", port) for rank in range(2)]
    own = threading.local()
    monkeypatch.setattr(rendezvous, "_secret", lambda: getattr(own, "secret", "right"))
    tried = threading.Barrier(3)

    def with_another_secret():
        own.secret = "wrong"
        try:
            connect(meetings[1], patience=0.5)
        finally:
            tried.wait()

    def without_any():
        try:
            with until(lambda: called(port)) as peer:
                peer.settimeout(60)
                peer.sendall(peer.recv(32) * 2)  # its own challenge, sent back, and no answer to it
                while peer.recv(100):  # until it hangs up
                    pass
        finally:
            tried.wait()

    def right():
        tried.wait()
        return connect(meetings[1])

    first, wrong, _, second = together(
        lambda: connect(meetings[0]), with_another_secret, without_any, right
    )
    assert "another job, or has another secret" in str(wrong)
    send(first[1], b"hello")
    assert receive(second[0]) == b"hello"
    first[1].close()
    second[0].close()


def called(port):
    try:
        return socket.create_connection(("127.0.0.1", port))
    except OSError:
        return None


def test_the_secret_is_made_once_and_only_the_user_can_read_it(tmp_path):
    first, second = together(rendezvous._secret, rendezvous._secret)
    assert first == second
    folder = tmp_path / "state" / "firstlight" / "ranks"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "secret").read_text() == first


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3, 4])
def test_processes_exchange_arrays_and_objects(by_variables, size):
    for job in by_variables(size, "exchange.py", "tcp"):
        code, out, err = job.result()
        assert (code, out) == (0, "all right\n"), err


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_training_by_tcp_is_that_by_mpi(by_variables, mpirun, tmp_path, size):
    assert "finished after step 60" in mpirun(size, "training.py", tmp_path / "mpi")
    for job in by_variables(size, "training.py", tmp_path / "tcp"):
        assert job.result()[0] == 0
    found, expected = (outcome(tmp_path / name / "job") for name in ("tcp", "mpi"))
    if size == 2:  # MPI's order of a sum of more is its own
        assert found[:2] == expected[:2]
        return
    for name, array in expected[0].items():
        np.testing.assert_allclose(
            np.frombuffer(found[0][name]), np.frombuffer(array), rtol=0, atol=1e-10
        )


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 1])
def test_a_training_that_has_lost_a_rank_is_resumed_by_all_or_by_fewer(
    by_variables, tmp_path, after
):
    for job in by_variables(2, "training.py", tmp_path / "whole"):
        assert job.result()[0] == 0
    jobs = by_variables(2, "training.py", tmp_path / "runs", 60, 55)
    until(lambda: list((tmp_path / "runs").glob(LAST)), jobs[0].process)
    os.kill(jobs[1].process.pid, signal.SIGKILL)
    code, _, err = jobs[0].result()
    assert code == 1
    assert "rank 0 of 2 has lost rank 1" in err
    jobs[1].result()
    for job in by_variables(after, "training.py", tmp_path / "runs"):
        assert job.result()[0] == 0
    found, expected = (outcome(tmp_path / name / "job") for name in ("runs", "whole"))
    assert len(found[2]["resumed"]) == 1
    assert found[2].get("ranks", 1) == after
    if after == 2:
        assert found[:2] == expected[:2]
        return
    for name, array in expected[0].items():
        np.testing.assert_allclose(
            np.frombuffer(found[0][name]), np.frombuffer(array), rtol=0, atol=1e-10
        )


@pytest.mark.slow
def test_torchrun_starts_ranks(job, monkeypatch):
    pytest.importorskip("torch", reason="torchrun is PyTorch's")
    places = os.environ["PYTHONPATH"].split(os.pathsep)  # one hides PyTorch, see tests/conftest.py
    kept = [place for place in places if not place.endswith("no_torch")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(kept))
    program = Path(__file__).parent / "programs" / "exchange.py"
    words = ["--standalone", "--nproc-per-node", "2", str(program), "auto"]
    code, out, err = job([sys.executable, "-m", "torch.distributed.run", *words]).result()
    assert (code, out.count("all right")) == (0, 2), err
