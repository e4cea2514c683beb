"""The user's jobs in Slurm's queue, as ``squeue`` and ``sacct`` tell."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WIDTH = 250  # bytes of a field
FIELDS = ("JobArrayID", "JobID", "Name", "State", "Reason", "TimeUsed", "TimeLimit", "STDOUT",
          "WorkDir")  # fmt: skip
PATIENCE = 20  # seconds for an answer
WHY = {
    "AssocGrpCpuLimit": "your group's cores are in use",
    "AssocGrpGRES": "your group's GPUs are in use",
    "AssocMaxJobsLimit": "you have as many jobs running as you may",
    "BadConstraints": "no node has what it asks for; it will never start",
    "BeginTime": "it was queued again, or starts later as asked for",
    "Dependency": "it waits for another job",
    "JobArrayTaskLimit": "as many tasks of the array run as its % allows",
    "JobHeldAdmin": "an administrator holds it",
    "JobHeldUser": "you hold it: scontrol release",
    "JobLaunchFailure": "its node could not start it",
    "PartitionNodeLimit": "it asks for more nodes than the partition has; it will never start",
    "PartitionTimeLimit": "its --time is beyond the partition's limit; it will never start",
    "Priority": "jobs of higher priority are ahead of it",
    "QOSMaxJobsPerUserLimit": "you have as many jobs running as you may",
    "ReqNodeNotAvail": "the nodes it needs are down or reserved",
    "Resources": "it is next, and waits for nodes to be free",
}


@dataclass(frozen=True)
class Job:
    """One job, or one task of an array.

    Attributes
    ----------
    id : str
        "17", or "18_3" for a task of an array; "18_[4-9]" for those that wait.
    name, state, reason : str
    time, limit : str
        The time that it has run, and its limit.
    log : pathlib.Path or None
        The file of its output.
    folder : pathlib.Path or None
        Where it runs.
    """

    id: str
    name: str = ""
    state: str = "ended"
    reason: str = ""
    time: str = ""
    limit: str = ""
    log: Path | None = None
    folder: Path | None = None

    @property
    def why(self) -> str:
        """The reason for its state, "" if there is none or it is not known."""
        return WHY.get(self.reason.partition(",")[0], "")


def queued() -> list[Job] | None:
    """Return the user's jobs that Slurm still knows, None if there is no Slurm here.

    Raises
    ------
    RuntimeError
        ``squeue`` fails.
    """
    form = ",".join(f"{name}:{WIDTH}" for name in FIELDS)
    try:
        text = _told("squeue", "--me", "--noheader", "--states=all", f"--Format={form}")
    except FileNotFoundError:
        return None
    rows = (
        [_text(line[i * WIDTH : (i + 1) * WIDTH]) for i in range(len(FIELDS))]
        for line in text.splitlines()
    )
    return [_job(*row) for row in rows]


def _job(label, number, name, state, reason, used, limit, log, folder):
    array, _, task = label.partition("_")
    names = {"%x": name, "%j": number, "%A": array, "%a": task, "%%": "%"}
    log = re.sub("%[xjAa%]", lambda found: names[found[0]], log)
    folder = Path(folder)
    reason = "" if reason == "None" else reason
    return Job(label, name, state, reason, used, limit, folder / log, folder)


def accounted(ids: Iterable[str]) -> dict[str, Job]:
    """Return jobs that have left the queue, by id; {} where Slurm keeps no accounts."""
    if not (ids := list(ids)):
        return {}
    form = "JobID,State,Elapsed,Timelimit,WorkDir,JobName"  # only the last may contain a bar
    try:
        text = _told("sacct", "-X", "-P", "--noheader", f"--jobs={','.join(ids)}", f"-o{form}")
    except (FileNotFoundError, RuntimeError):
        return {}
    rows = (_text(line).split("|", 5) for line in text.splitlines())
    return {
        label: Job(label, name, state.partition(" ")[0], "", used, limit, None, Path(folder))
        for label, state, used, limit, folder, name in rows
    }


def _text(line):
    return line.decode(errors="replace").strip()


def _told(*command):
    """Return the output of a command of Slurm."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command[0]}: no answer within {PATIENCE} s; try again") from error
    if done.returncode:
        reason = (_text(done.stderr).splitlines() or [f"exit code {done.returncode}"])[-1]
        reason = reason.removeprefix(f"{command[0]}: ")
        raise RuntimeError(f"{command[0]}: {reason}; try scontrol ping, which asks the controller")
    return done.stdout
