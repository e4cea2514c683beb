"""``firstlight jobs``: Slurm's jobs and the runs that they train."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firstlight.runs import RunFolder
from firstlight.runs.find import run_paths
from firstlight.runs.job import job_of
from firstlight.support.files import from_here
from firstlight.tools.cli import text
from firstlight.tools.cli.command import JSON, RUNS_DIR, Args, Command, Options
from firstlight.tools.cli.slurm_queue import Job, accounted, queued
from firstlight.tools.cli.text import tell

LOOKED_AT = 200  # newest runs of a folder
HEAD = ("job", "name", "state", "time", "run", "status", "epoch", "step", "loss", "log")


class Jobs(Command):
    """Show your jobs in Slurm's queue beside the runs that they train.

    Runs are looked for in --runs_dir, here and in the folders where the jobs were submitted. Of a
    job with several runs, such as a sweep's, the newest is shown.
    """

    options: Options = (RUNS_DIR, JSON)

    def run(self, args: Args) -> int:
        """Print the table."""
        found = queued()
        jobs = {job.id: job for job in found or ()}
        here = {Path(args.runs_dir)}
        runs = _runs_of_jobs(here | {job.folder / args.runs_dir for job in jobs.values()})
        gone = [label for label in runs if label not in jobs]
        known = accounted(gone) if found is not None else {}
        jobs = {label: known.get(label, Job(label)) for label in gone} | jobs
        rows = [(jobs[label], runs.get(label, [])) for label in sorted(jobs, key=_order)]
        if args.json:
            tell(json.dumps([_described(*row) for row in rows], indent=2))
            return 0
        if found is None:
            tell("there is no Slurm here: runs of its jobs, without the queue")
        if not rows:
            tell(f"no job in the queue, and no run of a job in {args.runs_dir}")
            return 0
        tell(text.table([HEAD, *(_row(*row) for row in rows)], right=(6, 7), head=True))
        for job, _ in rows:
            if job.why:
                tell(f"{job.id} {job.reason}: {job.why}")
        return 0


def _runs_of_jobs(folders: Iterable[Path]) -> dict[str, list[RunFolder]]:
    """Return the runs of each job, the oldest first."""
    found: dict[str, list[RunFolder]] = {}
    for folder in dict.fromkeys(path.resolve() for path in folders):
        for path in run_paths(folder)[-LOOKED_AT:]:
            run = RunFolder(path)
            label = job_of(run.environment)
            if label is not None:
                found.setdefault(label, []).append(run)
    return found


def _order(label):
    """Return a key that sorts jobs by number, and tasks by theirs."""
    return [int(part) for part in re.findall(r"\d+", label)]


def _loss(run):
    """Return name and value of the run's last loss, of validation if there is one."""
    for name in ("val_loss", "train_loss", "train_loss_step"):
        if name in run.metrics:
            return name, run.metrics[name]
    return "", None


def _row(job, runs):
    state = f"{job.state} ({job.reason})" if job.reason else job.state
    time = f"{job.time}/{job.limit}" if job.limit else job.time
    log = "" if job.log is None else from_here(job.log)
    if not runs:
        return job.id, job.name, state, time, "-", "", "", "", "", log
    run, more = runs[-1], len(runs) - 1
    name, value = _loss(run)
    label = str(from_here(run.path)) + f" (and {more} more)" * bool(more)
    loss = "" if value is None else f"{name} {text.number(value)}"
    at = run.place
    return job.id, job.name, state, time, label, run.status, at["epoch"], at["step"], loss, log


def _described(job: Job, runs: list[RunFolder]) -> dict[str, Any]:
    """Return a job and its runs as JSON-able values."""
    told = {name: value for name, value in vars(job).items() if name not in ("log", "folder")}
    told |= {"log": job.log and str(job.log), "folder": job.folder and str(job.folder)}
    told["runs"] = [
        {"path": str(run.path), "status": run.status, **run.place, "loss": _loss(run)[1]}
        for run in runs
    ]
    return told
