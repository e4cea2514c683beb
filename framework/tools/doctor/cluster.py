"""Slurm: its commands, its controller, and whether nodes see the Python environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning
from firstlight.tools.doctor.folders import mount_of

COMMANDS = ("sbatch", "srun", "squeue", "scontrol")
PATIENCE = 2.0  # seconds for the controller
OF_ONE_NODE = ("/tmp", "/var/tmp", "/dev/shm", "/scratch/local", "/localscratch")


def examine(place: Place) -> Iterator[Finding]:
    """Examine Slurm if this machine has it."""
    subject, there = "Slurm", [name for name in COMMANDS if shutil.which(name)]
    if not there:
        yield ok(subject, "not on this machine")
        return
    missing = [name for name in COMMANDS if name not in there]
    if missing:
        yield warning(
            subject,
            "slurm-incomplete",
            f"{', '.join(there)} found, but not {', '.join(missing)}",
            "jobs cannot be started or followed from here",
            "load Slurm's module (module load slurm), or add its folder to PATH",
        )
        return
    job = os.environ.get("SLURM_JOB_ID")
    try:
        done = subprocess.run(
            ["scontrol", "ping"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
        )
        answer, up = (done.stdout + done.stderr).strip(), done.returncode == 0
    except subprocess.TimeoutExpired:
        answer, up = f"no answer within {PATIENCE:.0f} s", False
    except OSError as error:
        answer, up = str(error), False
    if not up or "is UP" not in answer:
        yield warning(
            subject,
            "slurm-down",
            f"the controller does not answer: {(answer.splitlines() or [''])[-1]}",
            "jobs cannot be submitted",
            "try scontrol ping again later; if SLURM_CONF is set, it has to name a file",
        )
        return
    yield from _environment(subject, place)
    yield ok(subject, f"job {job}" if job else "the controller answers; this is no job")


def _environment(subject, place):
    prefix = Path(sys.prefix)
    mount = mount_of(prefix, place)
    local = any(prefix.is_relative_to(folder) for folder in OF_ONE_NODE)
    if local or (mount is not None and mount.kind in ("tmpfs", "ramfs")):
        yield fault(
            subject,
            "environment-local",
            f"the environment {prefix} is in a folder of this machine alone",
            "jobs on other nodes do not find it, after they have waited in the queue",
            "make the environment in your home or in a project folder",
        )
