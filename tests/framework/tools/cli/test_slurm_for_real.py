"""Jobs of a real Slurm, which the tests start: time limits, lost nodes, arrays, sweeps.

No clock decides: where Slurm is to disturb a training, the training waits for it.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from outcomes import outcome
from small_slurm import SmallSlurm, missing
from waiting import until

pytestmark = pytest.mark.slow

TRAIN = '''
import os
import sys
import time
from pathlib import Path

import numpy as np

import firstlight as fl

name, holds = sys.argv[1], [int(step) for step in sys.argv[2:]]
attempt = int(os.environ.get("SLURM_RESTART_COUNT", 0))


class Wait(fl.Callback):
    """In attempt n, wait at the n-th of some steps until a signal comes, or the end."""

    def on_train_batch_end(self, trainer):
        if attempt < len(holds) and trainer.step == holds[attempt]:
            Path(f"{name}.held.{attempt}").touch()
            while not trainer.interrupt.received:
                time.sleep(0.02)


if __name__ == "__main__":  # worker processes import the script
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200)
    x = rng.normal(size=(200, 6)) + y[:, None] * 0.5
    fl.seed_everything(3)
    net = fl.models.MLP(6, 4, hidden=(16, 8)).to(dtype="float64")  # BatchNorm and dropout in it
    trainer = fl.Trainer(
        max_epochs=6,
        log_every_n_steps=3,
        callbacks=[Wait(), fl.callbacks.ModelCheckpoint(every_n_steps=2), fl.callbacks.EMA(0.9)],
        default_callbacks=False,
        name=name,
    )
    workers = int(name == "task-2")  # a signal of Slurm reaches them, too
    batches = {"num_workers": workers, "workers": "processes", "shuffle": True}
    loader = fl.DataLoader((x[:160], y[:160]), 32, **batches)
    trainer.fit(net, loader, (x[160:], y[160:]), resume="auto")
    print("trained to step", trainer.step, flush=True)
    sys.exit(int(name == "fails"))
'''
SWEEP = """\
name: search
method: random
trials: 5
metric: val_loss
fit:
  model: mlp
  data: digits
  trainer: {max_epochs: 1, default_callbacks: false}
parameters:
  model.lr: {min: 1e-4, max: 1e-1, log: true}
"""


@pytest.fixture(scope="module")
def slurm():
    """A Slurm of two nodes."""
    if (why := missing()) is not None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="fl"))  # not pytest's: paths of sockets are short
    try:
        cluster = SmallSlurm(folder)
    except (AssertionError, OSError) as error:
        logs = "".join(path.read_text() for path in folder.glob("*.out"))
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"Slurm does not start here ({error}): {logs[-500:]}")
    yield cluster
    cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


class Place:
    """A folder with the script, from which jobs are submitted."""

    def __init__(self, slurm, folder):
        self._slurm, self.folder = slurm, folder
        (folder / "train.py").write_text(TRAIN)
        (folder / "search.yaml").write_text(SWEEP)

    def firstlight(self, *words):
        """Run a command, and return its output."""
        return self._slurm.run(sys.executable, "-m", "firstlight", *words, cwd=self.folder)

    def submit(self, name, *words, sbatch=()):
        """Write and submit a job's script; return the job's number."""
        words = ("--cpus-per-task", "1", "--job-name", name, *words)
        self.firstlight("slurm", *words)
        script = f"{name}.sbatch"
        return self._slurm.run("sbatch", "--parsable", *sbatch, script, cwd=self.folder).strip()

    def log(self, name):
        """Return what a job has printed."""
        return "".join(path.read_text() for path in self.folder.glob(f"{name}-*.log"))

    def outcome(self, name):
        """Return arrays, records and summary of a training."""
        return outcome(self.folder / "runs" / name)


@pytest.fixture(scope="module")
def place(slurm, tmp_path_factory):
    """The folder from which all jobs are submitted."""
    return Place(slurm, tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def unbroken(place):
    """The outcome of the training without Slurm."""
    place._slurm.run(sys.executable, "train.py", "plain", cwd=place.folder)
    return place.outcome("plain")


@pytest.fixture(scope="module")
def limited(place):
    """The number of a job whose time is up three times; others run meanwhile."""
    # Slurm's shortest limit is a minute; it looks for jobs near theirs each 30 s.
    short = ("--time=1", "--signal=B:USR1@50", "--nodelist=one")
    return place.submit("limited", "--", "python", "train.py", "limited", "7", "8", "23",
                        sbatch=short)  # fmt: skip


def test_a_lost_node_does_not_lose_the_training(slurm, place, limited, unbroken):
    job = place.submit("lost", "--", "python", "train.py", "lost", "11", sbatch=["--nodelist=two"])
    until((place.folder / "lost.held.0").exists)
    until(lambda: list(place.folder.glob("runs/lost/*/checkpoints/last.safetensors")))
    slurm.fail_node("two")
    slurm.run("scontrol", "update", f"jobid={job}", "reqnodelist=")
    slurm.start_now(job)
    assert slurm.await_end(job) == "COMPLETED", place.log("lost")
    slurm.start_node("two")
    arrays, records, summary = place.outcome("lost")
    assert (arrays, records) == unbroken[:2]
    assert len(summary["resumed"]) == 1


def test_a_training_that_loses_a_node_goes_on_with_fewer_ranks(slurm, place, limited, unbroken):
    setup = ("--setup", f". {sys.prefix}/bin/activate", "--setup", "MASTER_ADDR=127.0.0.1")
    words = ("--nodes", "1-2", "--ntasks-per-node", "2", "--mpi", "none", *setup)
    job = place.submit("fewer", *words, "--", "python", "train.py", "fewer", "11")
    until((place.folder / "fewer.held.0").exists)
    until(lambda: list(place.folder.glob("runs/fewer/*/checkpoints/last.safetensors")))
    (environment,) = place.folder.glob("runs/fewer/*/environment.json")
    assert json.loads(environment.read_text())["variables"]["SLURM_STEP_NUM_TASKS"] == "4"
    slurm.fail_node("two")
    slurm.start_now(job)
    assert slurm.await_end(job) == "COMPLETED", place.log("fewer")
    slurm.start_node("two")
    arrays, records, summary = place.outcome("fewer")
    assert summary["ranks"] == 2
    assert len(summary["resumed"]) == 1
    assert [record["step"] for record in records] == [record["step"] for record in unbroken[1]]
    for name, array in unbroken[0].items():  # sums in another order: not the same bytes
        found, expected = np.frombuffer(arrays[name]), np.frombuffer(array)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_only_the_task_that_is_told_so_is_queued_again(slurm, place, limited, unbroken):
    words = ("python", "train.py", "task-$SLURM_ARRAY_TASK_ID")
    job = place.submit("tasks", "--array", "1-2", "--", *words, "9", sbatch=["--nodelist=one"])
    until((place.folder / "task-1.held.0").exists)
    until((place.folder / "task-2.held.0").exists)
    slurm.run("scancel", "--batch", "--signal=USR1", f"{job}_2")
    slurm.run("scancel", f"{job}_1")
    assert slurm.await_end(f"{job}_2") == "COMPLETED", place.log("tasks")
    assert slurm.await_end(f"{job}_1") == "CANCELLED"
    arrays, records, summary = place.outcome("task-2")
    assert (arrays, records) == unbroken[:2]
    assert len(summary["resumed"]) == 1
    summary = place.outcome("task-1")[2]
    assert (summary["status"], summary["stopped"]) == ("interrupted", "SIGTERM")


def test_a_sweep_is_shared_by_the_tasks_of_an_array(slurm, place, limited):
    job = place.submit("search", "--array", "1-2", "--", "firstlight", "sweep", "search.yaml",
                       sbatch=["--nodelist=one"])  # fmt: skip
    for task in (1, 2):
        assert slurm.await_end(f"{job}_{task}") == "COMPLETED", place.log("search")
    runs = [path.parent for path in (place.folder / "runs" / "search").glob("*/summary.json")]
    assert [json.loads((run / "summary.json").read_text())["status"] for run in runs] == [
        "finished"
    ] * 5
    by_task = {
        json.loads((run / "environment.json").read_text())["variables"]["SLURM_ARRAY_TASK_ID"]
        for run in runs
    }
    assert by_task == {"1", "2"}


def test_a_script_that_fails_is_not_queued_again(slurm, place, limited):
    job = place.submit("fails", "--", "python", "train.py", "fails")
    assert slurm.await_end(job) == "FAILED"
    assert "trained to step" in place.log("fails")


def test_jobs_are_shown_beside_their_runs(slurm, place, limited):
    until((place.folder / "limited.held.0").exists)
    waits = place.submit("waits", "--", "python", "train.py", "waits", sbatch=["--hold"])
    shown = {job["id"]: job for job in json.loads(place.firstlight("jobs", "--json"))}
    assert shown[waits]["state"] == "PENDING"
    assert shown[waits]["runs"] == []
    (run,) = shown[limited]["runs"]
    assert shown[limited]["log"] == str(place.folder / f"limited-{limited}.log")
    assert run["path"].startswith(str(place.folder / "runs" / "limited"))
    assert run["step"] > 0
    table = place.firstlight("jobs")
    assert f"{waits} JobHeldUser: you hold it" in table
    assert "runs/limited/" in table
    slurm.run("scancel", waits)


def test_three_time_limits_change_no_byte(slurm, place, limited, unbroken):
    assert slurm.await_end(limited) == "COMPLETED", place.log("limited")
    assert slurm.job(limited)["Restarts"] == "3"
    arrays, records, summary = place.outcome("limited")
    assert (arrays, records) == unbroken[:2]
    assert (summary["status"], len(summary["resumed"])) == ("finished", 3)
    assert place.log("limited").count("SIGUSR1: stopping after this step") == 3
    assert place.log("limited").count("trained to step") == 1
    (run,) = (place.folder / "runs" / "limited").glob("*/")
    assert (run / "job.sbatch").read_text() == (place.folder / "limited.sbatch").read_text()
