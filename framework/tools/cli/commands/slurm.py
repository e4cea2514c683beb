"""``firstlight slurm``: a batch script for Slurm around another command.

The script passes signals on, queues the job again, and sets threads, ranks and GPUs.
"""

import contextlib
import io
import os
import re
import shlex
import sys
from argparse import ArgumentTypeError
from pathlib import Path

from firstlight.support.files import write_atomically
from firstlight.tools.cli.command import Args, Command, Options, at_least_one, checked, option
from firstlight.tools.cli.commands.fit import Fit
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

COMMANDS = ("fit", "test", "validate")
OF_SBATCH = ("partition", "account", "mem")
TIME = checked(str, re.compile(r"(\d+-)?\d+(:\d{2}){0,2}").fullmatch, "HH:MM:SS or D-HH:MM:SS")

SCRIPT = """\
#!/bin/bash
{options}

{setup}
# One BLAS thread for each core of a rank.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK OPENBLAS_NUM_THREADS=$SLURM_CPUS_PER_TASK
export MKL_NUM_THREADS=$SLURM_CPUS_PER_TASK

# Ahead of the time limit Slurm sends USR1 to this script, which passes it on to every rank: they
# stop after the same step and save, and the job is queued again to resume from there.
again= step=
trap 'again=yes; [ -z "$step" ] || kill -USR1 "$step"' USR1

srun --mpi={mpi} --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --cpu-bind=cores \\
    {command} &
step=$!
[ -z "$again" ] || kill -USR1 "$step" # it came before the step had a number
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # the trap has interrupted the wait
    code=0
    wait "$step" || code=$?
done
if [ "$again" ] && [ "$code" -eq 130 ]; then # 130: stopped in order, and not done
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def _word(text: str) -> str:
    """Return an option's value that sbatch and the shell take as one word."""
    if not re.fullmatch(r"[\w.,:%+-]+", text):
        raise ArgumentTypeError(f"{text!r} cannot be an option of sbatch")
    return text


class Slurm(Command):
    """Write a complete batch script that trains on a cluster, from what follows `fit`.

      firstlight slurm --nodes 2 --gpus-per-node 4 --time 08:00:00 fit --model cnn --data mnist
      sbatch firstlight.sbatch

    Before its time limit, the training stops, saves, and is queued again until it is done.
    """

    job: list[str]
    usage = "[options] fit [arguments of fit]"

    options: Options = (
        option("--nodes N", "number of nodes", 1, type=at_least_one),
        option(
            "--ntasks-per-node N",
            "processes on each node (default: its GPUs, or 1)",
            type=at_least_one,
        ),
        option(
            "--cpus-per-task N", "cores, and BLAS threads, of each process", 4, type=at_least_one
        ),
        option(
            "--gpus-per-node N",
            "GPUs of each node; 0 for none",
            0,
            type=checked(int, (0).__le__, "0 or more"),
        ),
        option("--time LIMIT", "time limit, HH:MM:SS or D-HH:MM:SS", "01:00:00", type=TIME),
        option(
            "--notice SECONDS", "time to stop and save before the limit", 120, type=at_least_one
        ),
        option("--job-name NAME", "name of the job", "firstlight", type=_word),
        *(option(f"--{name}", "passed to sbatch", type=_word) for name in OF_SBATCH),
        option("--mpi KIND", "passed to srun; srun --mpi=list shows the kinds", "pmix", type=_word),
        option(
            "--setup LINE",
            "shell command to run first, e.g. module load openmpi; may be repeated",
            [],
        ),
        option("--output FILE", 'script to write; "-" prints it', "firstlight.sbatch"),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words before the command that the job runs; the others are its own."""
        words = self.make_parser(name).normalized(words)
        cut = next((i for i, word in enumerate(words) if word in COMMANDS), len(words))
        self.job = words[cut:]
        return super().__call__(name, words[:cut])

    def run(self, args: Args) -> int:
        """Write the script."""
        if not self.job:
            message = f"expected the command to run, one of {', '.join(COMMANDS)}, at the end"
            raise UsageError(message)
        command, *rest = self.job
        if command == "fit" and not any(word.startswith("--resume") for word in rest):
            rest = ["--resume=auto", *rest]
        if args.gpus_per_node and not any(w.startswith("--trainer.device") for w in rest):
            rest = ["--trainer.device=cuda", *rest]
        if command == "fit":  # report wrong settings before the job is queued
            with contextlib.redirect_stdout(io.StringIO()):
                Fit()("fit", [*rest, "--print_config"])
        text = batch_script(["firstlight", command, *rest], args)
        if args.output == "-":
            tell(text, end="")
            return 0
        write_atomically(Path(args.output), text)
        tell(f"written: {args.output}\nstart it: sbatch {shlex.quote(args.output)}")
        return 0


def batch_script(command: list[str], args: Args) -> str:
    """Return the text of a script for ``sbatch``, in which each rank runs a command."""
    gpus = [f"--gpus-per-node={args.gpus_per_node}"] if args.gpus_per_node else []
    given = {name: getattr(args, name) for name in OF_SBATCH}
    options = [
        f"--job-name={args.job_name}",
        f"--nodes={args.nodes}",
        f"--ntasks-per-node={args.ntasks_per_node or args.gpus_per_node or 1}",
        f"--cpus-per-task={args.cpus_per_task}",
        *gpus,
        f"--time={args.time}",
        f"--signal=B:USR1@{args.notice}",
        "--requeue",
        "--open-mode=append",
        "--output=%x-%j.log",
        *(f"--{name}={value}" for name, value in given.items() if value),
    ]
    return SCRIPT.format(
        options="\n".join(f"#SBATCH {line}" for line in options),
        setup="".join(f"{line}\n" for line in args.setup or _environment()),
        mpi=args.mpi,
        command=shlex.join(command),
    )


def _environment() -> list[str]:
    """Return the line that activates this process's virtual environment, if it has one."""
    if sys.prefix == sys.base_prefix:
        return []
    return [f". {shlex.quote(os.path.join(sys.prefix, 'bin', 'activate'))}"]
