"""The Slurm job that made a run, from its ``environment.json``."""

import os
import sys
from typing import Any

from firstlight.runs.masking import masked_words
from firstlight.runs.run_files import read_environment
from firstlight.support.files import PathLike

BATCH_SCRIPT = "FIRSTLIGHT_BATCH_SCRIPT"  # names the job's script, which queues the job again
RESTARTS = "SLURM_RESTART_COUNT"  # set in a job that was queued again
SCRIPT = "job.sbatch"  # in the run's folder


def job_of(environment: dict[str, Any]) -> str | None:
    """Return the job that wrote an environment, None if it was none of Slurm's.

    Examples
    --------
    >>> from firstlight.runs.job import job_of
    >>> job_of({"variables": {"SLURM_JOB_ID": "17"}}), job_of({})
    ('17', None)
    >>> task = {"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "18", "SLURM_ARRAY_TASK_ID": "3"}
    >>> job_of({"variables": task})
    '18_3'
    """
    return _job(_variables(environment))


def is_repeated_by_this_job(run: PathLike) -> bool:
    """Return whether this process repeats the command of a run, in the same job queued again.

    False for runs that the job has made since then: a command may train several of one name.
    """
    now = _restarts(os.environ)
    if now == 0:
        return False
    environment = read_environment(run)
    return (
        job_of(environment) == _job(os.environ)
        and _restarts(_variables(environment)) < now
        and environment.get("command") == masked_words(sys.argv)
    )


def _variables(environment):
    found = environment.get("variables")
    return found if isinstance(found, dict) else {}


def _job(variables):
    task = variables.get("SLURM_ARRAY_TASK_ID")
    if task is not None:
        return f"{variables.get('SLURM_ARRAY_JOB_ID')}_{task}"
    return variables.get("SLURM_JOB_ID")


def _restarts(variables):
    count = str(variables.get(RESTARTS, ""))
    return int(count) if count.isdigit() else 0
