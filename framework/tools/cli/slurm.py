"""``firstlight slurm``: a batch script for Slurm around any other command."""

import contextlib
import io
import os
import re
import shlex
import sys
from pathlib import Path

from firstlight.distributed.batch_script import batch_script
from firstlight.support.files import write_atomically
from firstlight.tools.cli import fit
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.text import tell

COMMANDS = ("fit", "test", "validate")
DESCRIPTION = """\
Write a complete batch script that trains on a cluster, from what follows `fit`.

  firstlight slurm --nodes 2 --gpus-per-node 4 --time 08:00:00 fit --model cnn --data mnist
  sbatch firstlight.sbatch

The training is asked to stop before its time is up, saves, and is queued again until it is done."""


def run(words):
    """Write the script; returns the exit code."""
    places = [index for index, word in enumerate(words) if word in COMMANDS]
    at = places[0] if places else len(words)
    own = _parser().parse_args([word.replace("_", "-", word.count("_")) for word in words[:at]])
    if not places:
        raise UsageError(f"expected the command to run, one of {', '.join(COMMANDS)}, at the end")
    _check(own)
    command, rest = words[at], words[at + 1 :]
    if command == "fit" and not any(word.startswith("--resume") for word in rest):
        rest = ["--resume=auto", *rest]
    if own.gpus_per_node and not any(word.startswith("--trainer.device") for word in rest):
        rest = ["--trainer.device=cuda", *rest]
    if command == "fit":  # a mistake is told now, not when the job's turn has come
        with contextlib.redirect_stdout(io.StringIO()):
            fit.run([*rest, "--print_config"])
    text = batch_script(
        ["firstlight", command, *rest],
        job_name=own.job_name,
        nodes=own.nodes,
        ranks_per_node=own.ntasks_per_node or own.gpus_per_node or 1,
        cpus_per_task=own.cpus_per_task,
        gpus_per_node=own.gpus_per_node,
        time=own.time,
        notice=own.notice,
        mpi=own.mpi,
        options=[
            f"--{name}={value}"
            for name, value in (
                ("partition", own.partition),
                ("account", own.account),
                ("mem", own.mem),
            )
            if value
        ],
        setup=own.setup or _environment(),
    )
    if own.output == "-":
        tell(text, end="")
        return 0
    write_atomically(Path(own.output), text)
    tell(f"written: {own.output}\nstart it: sbatch {shlex.quote(own.output)}")
    return 0


def _parser():
    parser = Parser("slurm", DESCRIPTION, usage="firstlight slurm [options] fit [arguments of fit]")
    add = parser.add_argument
    add("--nodes", type=int, default=1, help="(default: 1)")
    text = "processes a node: one for each GPU, or for each socket (default: the GPUs, or 1)"
    add("--ntasks-per-node", type=int, help=text)
    add("--cpus-per-task", type=int, default=4, help="cores, and BLAS threads, of each (4)")
    add("--gpus-per-node", type=int, default=0, help="(default: 0, no GPUs)")
    add("--time", default="01:00:00", help="limit, HH:MM:SS or D-HH:MM:SS (default: 01:00:00)")
    text = "seconds before the limit at which the training stops and saves (default: 120)"
    add("--notice", type=int, default=120, help=text)
    add("--job-name", default="firstlight", help="(default: firstlight)")
    for name in ("partition", "account", "mem"):
        add(f"--{name}", help="as sbatch takes it")
    add("--mpi", default="pmix", help="as srun takes it; srun --mpi=list tells (default: pmix)")
    text = "line of the shell before the training, such as module load openmpi; may be repeated"
    add("--setup", action="append", default=[], help=text)
    text = 'file to write, or "-" to show it (default: firstlight.sbatch)'
    add("--output", default="firstlight.sbatch", help=text)
    return parser


def _check(own):
    for name in ("nodes", "ntasks_per_node", "cpus_per_task", "notice"):
        value = getattr(own, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')}: expected 1 or more, got {value}")
    if own.gpus_per_node < 0:
        raise UsageError(f"--gpus-per-node: expected 0 or more, got {own.gpus_per_node}")
    if not re.fullmatch(r"(\d+-)?\d+(:\d{2}){0,2}", own.time):
        raise UsageError(f"--time: expected HH:MM:SS or D-HH:MM:SS, got {own.time}")
    for name in ("job_name", "partition", "account", "mem", "mpi"):
        value = getattr(own, name)
        if value and not re.fullmatch(r"[\w.,:%+-]+", value):
            raise UsageError(f"--{name.replace('_', '-')}: {value!r} cannot be an option of sbatch")


def _environment():
    """Return the line that enters the present virtual environment, if this is one."""
    if sys.prefix == sys.base_prefix:
        return []
    return [f". {shlex.quote(os.path.join(sys.prefix, 'bin', 'activate'))}"]
