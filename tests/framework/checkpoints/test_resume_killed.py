"""A run that is killed: told as crashed, complete up to then, and gone on with without a seam."""

import signal
import subprocess
import sys

import pytest
from waiting import until

from firstlight.runs import list_runs
from firstlight.runs.records import read_records

CODE = """
import signal, sys
import firstlight as fl

class Told(fl.Callback):
    def on_train_batch_end(self, trainer):
        print("step", trainer.step, flush=True)
        if trainer.step == int(sys.argv[1]):
            signal.pause()  # to be killed

digits = fl.datasets.load("digits")
trainer = fl.Trainer(
    max_epochs=3, log_every_n_steps=1, name="killed", seed=0,
    callbacks=[Told(), "model_checkpoint"], default_callbacks=False,
)
trainer.fit(fl.models.MLP(64, 10), digits, resume="auto")
"""
EPOCH = 40  # steps


def start(folder, holds_at=0):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", CODE, str(holds_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)


def steps_of(lines):
    return [int(line.removeprefix("step ")) for line in lines]


def timeless(run):
    """Return the records of a run without what a clock measured."""
    timed = ("time", "epoch_seconds")
    return [{n: v for n, v in r.items() if n not in timed} for r in read_records(run.path)]


@pytest.mark.slow
def test_killed_then_resumed_gives_the_curves_of_one_not_broken_off(tmp_path):
    process = start(tmp_path / "killed", EPOCH + 20)
    for line in process.stdout:
        if steps_of([line]) == [EPOCH + 15]:
            until(lambda: list((tmp_path / "killed").glob("runs/*/*/checkpoints/last.*")), process)
            process.send_signal(signal.SIGKILL)
            break
    told = [EPOCH + 15, *steps_of(process.communicate()[0].splitlines())]

    (run,) = list_runs(tmp_path / "killed" / "runs")
    assert run.status == "crashed"
    steps = run.history.steps("train_loss_step")
    assert steps == list(range(1, steps[-1] + 1))
    assert told[-1] - 1 <= steps[-1] <= told[-1] + 1  # a step is told just before its record
    assert run.place["step"] == steps[-1]
    assert run.best["val_loss"]["epoch"] == 1
    before = timeless(run)

    made = steps_of(start(tmp_path / "killed").communicate()[0].splitlines())
    assert made[0] <= steps[-1]  # the checkpoint is older than the last record ...
    (run,) = list_runs(tmp_path / "killed" / "runs")
    assert run.status == "finished"
    assert run.history.steps("train_loss_step") == list(
        range(1, 3 * EPOCH + 1)
    )  # ... no step twice
    assert run.history.steps("val_loss") == [EPOCH, 2 * EPOCH, 3 * EPOCH]
    assert timeless(run)[: len(before)] == before
    times = [record["time"] for record in read_records(run.path)]
    assert times == sorted(times)

    start(tmp_path / "whole").communicate()
    (whole,) = list_runs(tmp_path / "whole" / "runs")
    assert timeless(run) == timeless(whole)
