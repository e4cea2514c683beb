"""A rank that fails ends all, with the reason; the run can be resumed."""

import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
from campaigns import slow_but
from outcomes import outcome
from waiting import until

from firstlight.runs.records import read_records

HOLDS = 55  # the step at which a training waits, so as not to end before it is disturbed
LAST = "job/*/checkpoints/last.safetensors"


FAILURES = {
    "raise": ["ValueError: the cat has bitten", "raised by callback Fail", "on rank 2 of 3"],
    "caught": ["ValueError: the cat has bitten", "on rank 2 of 3"],
    "exit": ["SystemExit: 0", "on rank 2 of 3"],
    "die": [],
    "outside": ["OSError: no data on this node"],
    "diverge": ["rank 2 of 3 has diverged: after step 5", "first body.0.weight"],
    "data": ["the ranks of a training differ in their training data", "'samples': 63"],
}


@pytest.mark.parametrize("how", slow_but(FAILURES, "raise", "die", "diverge", "data"))
def test_a_rank_that_fails_ends_all_with_its_traceback(mpiexec, how):
    code, out, err = mpiexec(3, "failing.py", how).result()
    assert code != 0
    assert "stopped after step" not in out
    said = FAILURES[how]
    for text in said:
        assert text in err
    if said:
        assert "Traceback" in err.partition(said[0])[0]


STOPS = {"stop": (3, "seen enough"), "early": (0, "no need"), "clock": (3, None)}


@pytest.mark.parametrize("how", slow_but(STOPS, "stop"))
def test_a_rank_that_wants_to_stop_stops_all_after_the_same_step(mpirun, how):
    step, reason = STOPS[how]
    out = mpirun(3, "failing.py", how).split("\n")
    assert sorted(filter(None, out)) == [
        f"rank {r} stopped after step {step}: {reason}" for r in range(3)
    ]


def pids(runs, ranks):
    files = [runs / f"pid.{rank}" for rank in range(ranks)]
    until(lambda: all(file.exists() and file.read_text() for file in files))
    return [int(file.read_text()) for file in files]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def unbroken(mpirun, tmp_path_factory):
    runs = tmp_path_factory.mktemp("unbroken") / "runs"
    assert "finished after step 60" in mpirun(2, "training.py", runs)
    arrays, records, summary = outcome(runs / "job")
    assert summary["status"] == "finished"
    assert summary["ranks"] == 2
    return arrays, records


def kill_one(mpiexec, mpirun, runs, unbroken, seed):
    chance = random.Random(seed)
    job = mpiexec(2, "training.py", runs, 60, HOLDS)
    victim = chance.choice(pids(runs, 2))
    if chance.random() < 0.8:  # else while it is still getting ready
        until(lambda: list(runs.glob(LAST)), job.process)
        time.sleep(chance.uniform(0, 1))
    os.kill(victim, signal.SIGKILL)
    assert job.result()[0] != 0
    until(lambda: not any(alive(pid) for pid in pids(runs, 2)))
    goes_on = bool(list(runs.glob(LAST)))
    if not goes_on:
        shutil.rmtree(runs)
    assert "finished after step 60" in mpirun(2, "training.py", runs)
    arrays, records, summary = outcome(runs / "job")
    assert ("resumed" in summary) == goes_on
    assert arrays == unbroken[0]
    assert records == unbroken[1]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rank_killed_ends_all_and_resuming_ends_in_the_same_bytes(
    mpiexec, mpirun, tmp_path, unbroken, seed
):
    kill_one(mpiexec, mpirun, tmp_path / "runs", unbroken, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_rank_killed_at_random_moments(mpiexec, mpirun, tmp_path, unbroken, seed):
    kill_one(mpiexec, mpirun, tmp_path / "runs", unbroken, seed)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "rank"), [(signal.SIGUSR1, 1), (signal.SIGTERM, 0)])
def test_a_signal_to_one_rank_stops_all_at_one_step(
    mpiexec, mpirun, tmp_path, unbroken, number, rank
):
    runs = tmp_path / "runs"
    job = mpiexec(2, "training.py", runs, 60, HOLDS)
    target = pids(runs, 2)[rank]
    until(lambda: list(runs.glob(LAST)), job.process)
    os.kill(target, number)
    (runs / "go").touch()
    code, out, err = job.result()
    assert code == 0, err
    stopped = out.splitlines()[-2:]
    assert stopped[0] == stopped[1]
    assert stopped[0].startswith("interrupted after step ")
    _, _, summary = outcome(runs / "job")
    assert (summary["status"], summary["stopped"]) == ("interrupted", number.name)
    assert "finished after step 60" in mpirun(2, "training.py", runs)
    arrays, records, _ = outcome(runs / "job")
    assert arrays == unbroken[0]
    assert records == unbroken[1]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_training_is_resumed_on_another_number_of_ranks(
    mpiexec, mpirun, tmp_path, unbroken, ranks
):
    runs = tmp_path / "runs"
    job = mpiexec(2, "training.py", runs, 60, HOLDS)
    target = pids(runs, 2)[1]
    until(lambda: list(runs.glob(LAST)), job.process)
    os.kill(target, signal.SIGUSR1)
    (runs / "go").touch()
    assert job.result()[0] == 0
    assert "finished after step 60" in mpirun(ranks, "training.py", runs)
    arrays, records, summary = outcome(runs / "job")
    assert summary["resumed"][0]["after_record_of_step"] < 60
    assert arrays.keys() == unbroken[0].keys()
    for name, expected in unbroken[0].items():
        found = np.frombuffer(arrays[name])
        np.testing.assert_allclose(found, np.frombuffer(expected), rtol=0, atol=1e-10)
    for found, expected in zip(records, unbroken[1], strict=True):
        assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.slow
def test_only_the_first_rank_writes_and_shows(mpirun, tmp_path):
    runs = tmp_path / "runs"
    out = mpirun(3, "training.py", runs, 20)
    assert out.count("finished after 3 epochs, 20 steps") == 1  # the progress bar's last line
    assert out.count("finished after step 20\n") == 3  # the script's own print
    (run,) = (runs / "job").iterdir()
    steps = [r["step"] for r in read_records(run) if "train_loss_step" in r]
    assert steps == [4, 8, 12, 16, 20]
    assert len(list(run.glob("events.out*"))) == 1


def test_an_epoch_that_one_rank_skips_is_skipped_by_all(mpirun):
    assert mpirun(2, "skipping.py").splitlines().count("steps 5 epochs 2") == 2
