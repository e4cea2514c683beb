"""The batch script that Slurm runs: signals, queueing again, threads, one rank a GPU or socket."""

import shlex

SCRIPT = """\
#!/bin/bash
{options}

{setup}
# One thread of BLAS for each core that a rank has, and none that wanders.
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK OPENBLAS_NUM_THREADS=$SLURM_CPUS_PER_TASK
export MKL_NUM_THREADS=$SLURM_CPUS_PER_TASK

# Ahead of the time limit Slurm sends USR1 to this script, which passes it on to every rank: they
# stop after the same step, save, and the job is queued again to go on from there.
again= step=
trap 'again=yes; [ -z "$step" ] || kill -USR1 "$step"' USR1

srun --mpi={mpi} --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --cpu-bind=cores \\
    {command} &
step=$!
[ -z "$again" ] || kill -USR1 "$step" # it came before the step had a number
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do # the trap has broken off the wait
    code=0
    wait "$step" || code=$?
done
if [ "$again" ] && [ "$code" -eq 130 ]; then # 130: stopped in order, and not done
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def batch_script(
    command: list[str],
    *,
    job_name: str,
    nodes: int,
    ranks_per_node: int,
    cpus_per_task: int,
    gpus_per_node: int,
    time: str,
    notice: int,
    mpi: str,
    options: list[str],
    setup: list[str],
) -> str:
    """Return the text of a script for ``sbatch``.

    Parameters
    ----------
    command : list of str
        What each rank runs.
    job_name, time, mpi : str
    nodes, ranks_per_node, cpus_per_task, gpus_per_node : int
    notice : int
        Seconds before the limit at which the training is asked to stop.
    options : list of str
        Further options of sbatch.
    setup : list of str
        Lines of the shell that come first.
    """
    gpus = [f"--gpus-per-node={gpus_per_node}"] if gpus_per_node else []
    lines = [
        f"--job-name={job_name}",
        f"--nodes={nodes}",
        f"--ntasks-per-node={ranks_per_node}",
        f"--cpus-per-task={cpus_per_task}",
        *gpus,
        f"--time={time}",
        f"--signal=B:USR1@{notice}",
        "--requeue",
        "--open-mode=append",
        "--output=%x-%j.log",
        *options,
    ]
    return SCRIPT.format(
        options="\n".join(f"#SBATCH {line}" for line in lines),
        setup="".join(f"{line}\n" for line in setup),
        mpi=mpi,
        command=shlex.join(command),
    )
