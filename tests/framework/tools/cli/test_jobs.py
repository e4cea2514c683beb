"""``jobs`` beside a stand-in for Slurm's commands; a real Slurm is in test_slurm_for_real.py."""

import json
import os

import pytest

from firstlight.testing import tiny_trainer

QUEUE = [
    ["17", "17", "näme", "RUNNING", "None", "1:02", "10:00", "{here}/%x-%j.log", "{here}"],
    ["18_3", "20", "many", "PENDING", "Priority", "0:00", "1:00:00", "a-%A_%a.log", "{here}"],
]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A function that puts squeue and sacct with these outputs first in the path."""

    def put(queue, accounts=None, code=0):
        rows = [
            b"".join(cell.format(here=tmp_path).encode().ljust(250) for cell in row)
            for row in queue
        ]
        (tmp_path / "queue").write_bytes(b"\n".join(rows))
        (tmp_path / "accounts").write_text(accounts or "")
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "squeue").write_text(f"#!/bin/sh\ncat {tmp_path}/queue; echo no >&2; exit {code}")
        sacct = f"cat {tmp_path}/accounts" if accounts else "echo disabled >&2; exit 1"
        (folder / "sacct").write_text(f"#!/bin/sh\n{sacct}")
        for file in folder.iterdir():
            file.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    return put


@pytest.fixture
def run_of(monkeypatch, tmp_path):
    """A function that trains a run in a job; returns the run's folder."""

    def train(**variables):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"SLURM_{name}", value)
            return tiny_trainer(runs_dir="runs", max_epochs=2).run.path

    return train


def test_jobs_stand_beside_their_runs(cli, slurm, run_of, tmp_path):
    run_of(JOB_ID="17")
    run = run_of(JOB_ID="17")
    gone = run_of(JOB_ID="9", ARRAY_JOB_ID="8", ARRAY_TASK_ID="1")
    tiny_trainer(runs_dir="runs")  # of no job
    slurm(QUEUE, "8_1|CANCELLED by 0|00:01:00|01:00:00|/home/ada|an|array\n")
    code, out, _ = cli("jobs")
    head, *rows, why = out.splitlines()
    assert head.split()[:5] == ["job", "name", "state", "time", "run"]
    assert [row.split()[0] for row in rows] == ["8_1", "17", "18_3"]
    assert rows[0].split()[4:6] == [str(gone.relative_to(tmp_path)), "finished"]
    assert rows[0].split()[1:4] == ["an|array", "CANCELLED", "00:01:00/01:00:00"]
    assert f"{run.relative_to(tmp_path)} (and 1 more)  finished" in rows[1]
    assert "val_loss" in rows[1]
    assert rows[1].endswith("näme-17.log")
    assert rows[2].split()[2:5] == ["PENDING", "(Priority)", "0:00/1:00:00"]
    assert rows[2].endswith("a-18_3.log")
    assert why == "18_3 Priority: jobs of higher priority are ahead of it"
    told = json.loads(cli("jobs", "--json")[1])
    assert [len(job["runs"]) for job in told] == [1, 2, 0]
    assert told[1]["runs"][1]["path"] == str(run)
    assert told[1]["runs"][1]["epoch"] == 2


def test_without_slurm_there_are_the_runs_of_its_jobs(cli, run_of, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert "no job in the queue, and no run of a job in runs" in cli("jobs")[1]
    run_of(JOB_ID="17")
    first, _, row = cli("jobs")[1].splitlines()
    assert first.startswith("there is no Slurm here")
    assert row.split()[:2] == ["17", "ended"]


def test_without_accounts_a_job_that_has_left_the_queue_has_ended(cli, slurm, run_of):
    run_of(JOB_ID="17")
    slurm([])
    assert cli("jobs")[1].splitlines()[1].split()[:2] == ["17", "ended"]


def test_what_squeue_complains_of_is_told(cli, slurm):
    slurm([], code=1)
    code, _, err = cli("jobs")
    assert code == 1
    assert "squeue: no" in err
