"""The batch script of ``firstlight slurm``: a text for ``sbatch`` around any command."""

import os
import re
import shlex
import sys

from firstlight.tools.cli.command import Args

TASK = "$SLURM_ARRAY_TASK_ID"  # a word of the command may contain it
PASSED = ("partition", "account", "mem", "array", "mail-user")  # options of the same name

SCRIPT = """\
#!/bin/bash
{options}

{setup}
# One BLAS thread for each core of a rank.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK OPENBLAS_NUM_THREADS=$SLURM_CPUS_PER_TASK
export MKL_NUM_THREADS=$SLURM_CPUS_PER_TASK
# Each run keeps this script; a training that USR1 has stopped exits with code 130.
export FIRSTLIGHT_BATCH_SCRIPT=$0

# Ahead of the time limit Slurm sends USR1 to this script, which passes it on to every rank: they
# stop after the same step and save, and the job is queued again to resume from there.
again= step=
trap 'again=yes; [ -z "$step" ] || kill -USR1 "$step"' USR1

srun {srun} \\
    {command} &
step=$!
[ -z "$again" ] || kill -USR1 "$step" # it came before the step had a number
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # the trap has interrupted the wait
    code=0
    wait "$step" || code=$?
done
# 130: stopped in order. 138: USR1 came while no training was running; this may be too often.
if [ "$again" ] && {{ [ "$code" -eq 130 ] ||
    {{ [ "$code" -eq 138 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt 5 ]; }}; }}; then
    scontrol requeue "{job}"
fi
exit "$code"
"""


def batch_script(command: list[str], args: Args) -> str:
    """Return the text of a script for ``sbatch``, in which each rank runs a command.

    Parameters
    ----------
    command : list of str
        Words of the command; "$SLURM_ARRAY_TASK_ID" in them is the number of the array's task.
    args : Args
        Options of `firstlight.tools.cli.commands.slurm.Slurm`.
    """
    tasks = args.ntasks_per_node or args.gpus or 1
    several = tasks > 1 or args.nodes != "1"
    setup, srun = list(args.setup), "--kill-on-bad-exit=1 --cpu-bind=cores"
    if several:
        srun = f"--mpi={args.mpi} {srun}"
    if "-" in args.nodes:
        setup.append(f"SLURM_CPUS_PER_TASK={args.cpus_per_task} # of each rank")
        srun += f" \\\n    --ntasks=$((SLURM_NNODES * {tasks}))"
    if several and args.mpi == "none":
        setup += _rendezvous()
    text = " ".join(map(quoted, command))
    if args.container:
        setup.append("container=$(command -v apptainer || command -v singularity)")
        nv = " --nv" * bool(args.gpus)
        text = f'"$container" exec{nv} --bind "$PWD" {quoted(args.container)} {text}'
    elif not args.setup:
        setup += _environment()
    return SCRIPT.format(
        options="\n".join(f"#SBATCH --{line}" for line in _options(args, tasks)),
        setup="".join(f"{line}\n" for line in setup),
        srun=f'{srun} --cpus-per-task="$SLURM_CPUS_PER_TASK"',
        command=text,
        job=f"${{SLURM_ARRAY_JOB_ID}}_{TASK}" if args.array else "$SLURM_JOB_ID",
    )


def _options(args, tasks):
    """Return the options of sbatch, without their dashes."""
    given = {name: getattr(args, name.replace("-", "_")) for name in PASSED}
    size = [f"ntasks-per-node={tasks}", f"cpus-per-task={args.cpus_per_task}"]
    if "-" in args.nodes:  # with a number of tasks for each node, Slurm would take the fewest
        size = [f"cpus-per-task={tasks * args.cpus_per_task}"]
    return [
        f"job-name={args.job_name}",
        f"nodes={args.nodes}",
        *size,
        *([f"gpus-per-node={args.gpus}"] if args.gpus else []),
        f"time={args.time}",
        f"signal=B:USR1@{args.notice}",
        "requeue",
        "open-mode=append",
        "output=%x-%A_%a.log" if args.array else "output=%x-%j.log",
        *(f"{name}={value}" for name, value in given.items() if value),
        *(["mail-type=END,FAIL"] if args.mail_user else []),
        *args.sbatch,
    ]


def quoted(word: str) -> str:
    """Return a word quoted for the shell, which still replaces the number of the array's task.

    Examples
    --------
    >>> from firstlight.tools.cli.batch_script import quoted
    >>> quoted("a b"), quoted("--name=cnn-$SLURM_ARRAY_TASK_ID")
    ("'a b'", '--name=cnn-"$SLURM_ARRAY_TASK_ID"')
    """
    parts = [shlex.quote(part) if part else "" for part in word.split(TASK)]
    return f'"{TASK}"'.join(parts) if len(parts) > 1 else shlex.quote(word)


def first_task(array: str) -> str:
    """Return the number of an array's first task, for checks of the command.

    Examples
    --------
    >>> from firstlight.tools.cli.batch_script import first_task
    >>> first_task("3-10:2%4")
    '3'
    """
    return re.match(r"\d*", array)[0] or "0"


def _environment():
    """Return the line that activates this process's virtual environment, if it has one."""
    if sys.prefix == sys.base_prefix:
        return []
    return [f". {shlex.quote(os.path.join(sys.prefix, 'bin', 'activate'))}"]


def _rendezvous():
    """Return the lines that tell ranks without MPI where rank 0 listens."""
    return [
        "# Rank 0 is on the first node.",
        ': "${MASTER_ADDR:=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}"',
        "export MASTER_ADDR MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))",
    ]
