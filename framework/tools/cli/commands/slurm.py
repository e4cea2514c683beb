"""``firstlight slurm``: a batch script for Slurm around any command.

The script passes signals on, queues the job again, and sets threads, ranks and GPUs.
"""

import ast
import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path

from firstlight.support.files import write_atomically
from firstlight.tools.cli.batch_script import TASK, batch_script, first_task
from firstlight.tools.cli.command import Args, Command, Options, at_least_one, checked, option
from firstlight.tools.cli.commands import sweep
from firstlight.tools.cli.commands.fit import Fit
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.text import tell

COMMANDS = ("fit", "test", "validate", "sweep")
TIME = checked(
    str,
    re.compile(r"\d+(:\d{2}){0,2}|\d+-\d+(:\d{2}){0,2}").fullmatch,
    "HH:MM:SS or D-HH:MM:SS",
)
ARRAY = checked(
    str,
    re.compile(r"\d+(-\d+(:\d+)?)?(,\d+(-\d+(:\d+)?)?)*(%[1-9]\d*)?").fullmatch,
    "numbers and ranges, e.g. 1-8, 1,3,5 or 1-8%2",
)
NODES = checked(str, re.compile(r"[1-9]\d*(-[1-9]\d*)?").fullmatch, "1 or more, or MIN-MAX")


def _word(text: str) -> str:
    """Return an option's value that sbatch and the shell take as one word."""
    if not re.fullmatch(r"[\w.,:%@+=-]+", text):
        raise ArgumentTypeError(f"{text!r} cannot be an option of sbatch")
    return text


class Slurm(Command):
    """Write a complete batch script that runs a command on a cluster.

      firstlight slurm --nodes 2 --gpus 4 --time 08:00:00 fit --model cnn --data mnist
      firstlight slurm --time 02:00:00 --submit -- python train.py --lr 0.1
      firstlight slurm --array 1-4 -- firstlight sweep search.yaml
      firstlight slurm --array 1-5 -- python train.py --seed '$SLURM_ARRAY_TASK_ID'

    Before its time limit, a training stops, saves, and is queued again until it is done. A script
    needs trainer.fit(..., resume="auto") for that.
    """

    job: list[str]
    usage = "[options] fit|sweep [arguments], or [options] -- COMMAND [arguments]"

    options: Options = (
        option("--nodes N", "number of nodes, or MIN-MAX", "1", type=NODES),
        option(
            "--ntasks-per-node N",
            "processes on each node (default: its GPUs, or 1)",
            type=at_least_one,
        ),
        option(
            "--cpus-per-task N", "cores, and BLAS threads, of each process", 4, type=at_least_one
        ),
        option(
            "--gpus, --gpus-per-node N",
            "GPUs of each node; 0 for none",
            0,
            type=checked(int, (0).__le__, "0 or more"),
        ),
        option("--time LIMIT", "time limit, HH:MM:SS or D-HH:MM:SS", "01:00:00", type=TIME),
        option(
            "--notice SECONDS", "time to stop and save before the limit", 120, type=at_least_one
        ),
        option("--array RANGE", "tasks, e.g. 1-8, or 1-8%%2 for two at a time", type=ARRAY),
        option("--job-name NAME", "name of the job (default: the script's)", type=_word),
        option("--mail-user ADDRESS", "whom to tell when the job ends or fails", type=_word),
        option("--partition NAME", "passed to sbatch", type=_word),
        option("--account NAME", "passed to sbatch", type=_word),
        option("--mem SIZE", "passed to sbatch", type=_word),
        option(
            "--sbatch OPTION",
            "any other option of sbatch, e.g. constraint=a100; may be repeated",
            [],
            type=_word,
        ),
        option("--container IMAGE", "run in this image of Apptainer or Singularity"),
        option(
            "--mpi KIND",
            "of several processes: passed to srun; srun --mpi=list shows the kinds; with none, "
            "they exchange by TCP",
            "pmix",
            type=_word,
        ),
        option(
            "--setup LINE",
            "shell command to run first, e.g. module load openmpi; may be repeated",
            [],
        ),
        option("--output FILE", "script to write (default: the job's name and .sbatch)"),
        option("--dry-run", "print the script instead", False),
        option("--submit", "pass the script to sbatch", False),
    )

    def __call__(self, name: str, words: list[str]) -> int:
        """Parse the words before the command that the job runs; the others are its own."""
        words = self.make_parser(name).normalized(words)
        starts = (i for i, word in enumerate(words) if word in (*COMMANDS, "--"))
        cut = next(starts, len(words))
        self.job = words[cut:]
        if self.job[:1] == ["--"]:
            self.job = self.job[1:]
        elif self.job:
            self.job = ["firstlight", *self.job]
        return super().__call__(name, words[:cut])

    def run(self, args: Args) -> int:
        """Write the script."""
        if not self.job:
            raise UsageError(
                "expected the command to run at the end: fit or sweep with arguments, or -- and "
                "any command, e.g. -- python train.py"
            )
        if seconds(args.time) <= 2 * args.notice:
            raise UsageError(
                f"--time {args.time}: expected more than twice the --notice of {args.notice} s, or "
                "the job would stop as soon as it has started"
            )
        command = self._checked(args)
        args.job_name = args.job_name or _name(command)
        text = batch_script(command, args)
        if args.dry_run:
            tell(text, end="")
            return 0
        output = args.output or f"{args.job_name}.sbatch"
        write_atomically(Path(output), text)
        tell(f"written: {output}", flush=True)
        if not args.submit:
            tell(f"start it: sbatch {shlex.quote(output)}")
            return 0
        try:
            return subprocess.run(["sbatch", output], check=False).returncode
        except FileNotFoundError as error:
            raise UsageError("there is no sbatch here; log in to the cluster") from error

    def _checked(self, args: Args) -> list[str]:
        """Return the command, checked as far as possible before the job waits in the queue."""
        program, *rest = self.job
        if program == "firstlight" and rest[:1] == ["fit"]:
            return ["firstlight", "fit", *_checked_fit(rest[1:], args)]
        if program == "firstlight" and rest[:1] == ["sweep"]:
            _check_sweep(rest[1:])
        elif not rest and " " in program and not shutil.which(program):
            raise UsageError(
                f"there is no program {program!r}; write the command without quotes around it: "
                f"-- {program}"
            )
        elif Path(program).name.startswith("python"):
            _check_script(rest)
        elif not (args.setup or args.container or shutil.which(program)):
            raise UsageError(f"there is no program {program}; name one, or load it with --setup")
        return self.job


def _checked_fit(words, args):
    """Return the arguments of fit with those of a job added; raise UsageError for wrong ones."""
    if not any(word.startswith("--resume") for word in words):
        words = ["--resume=auto", *words]
    if args.gpus and not any(w.startswith("--trainer.device") for w in words):
        words = ["--trainer.device=cuda", *words]
    if args.array and not re.search(rf"--name[= ]\S*{re.escape(TASK)}", " ".join(words)):
        raise UsageError(
            f"--array: the tasks would write one run; give each its own, e.g. --name 'fit-{TASK}' "
            f"--seed '{TASK}'"
        )
    with contextlib.redirect_stdout(io.StringIO()):
        first = [word.replace(TASK, first_task(args.array or "")) for word in words]
        Fit()("fit", [*first, "--print_config"])
    return words


def _check_sweep(words):
    """Raise UsageError for a sweep that could not start."""
    parser = sweep.Sweep().make_parser("sweep")
    args = parser.parse_intermixed_args(parser.normalized(words), Args())
    with usage_errors():
        sweep.check(*sweep.described(args), args)


def _check_script(words):
    """Raise UsageError for a script that is missing or cannot be compiled; warn of no resume."""
    script = next((word for word in words if not word.startswith("-")), "")
    if not script.endswith(".py"):  # -m module, -c code
        return
    try:
        text = Path(script).read_text(encoding="utf-8")
        ast.parse(text, script)
    except OSError as error:
        raise UsageError(f"{script}: {error.strerror}; jobs start in this folder") from error
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{script} is no Python script: {error}") from error
    if "resume" not in text:
        tell(
            f'note: {script} does not name resume; with trainer.fit(..., resume="auto") it '
            "continues when the job is queued again, otherwise it starts from the beginning",
            file=sys.stderr,
        )


def _name(command):
    """Return the name of a job: its script's, its sweep's, or the program's."""
    files = [Path(word).stem for word in command if word.endswith((".py", ".yaml", ".yml"))]
    name = files[0] if files and command[:2] != ["firstlight", "fit"] else Path(command[0]).name
    return re.sub(r"[^\w.+-]", "_", name)


def seconds(limit: str) -> int:
    """Return the seconds of a time limit of Slurm.

    Examples
    --------
    >>> from firstlight.tools.cli.commands.slurm import seconds
    >>> seconds("90"), seconds("01:30:00"), seconds("1-12"), seconds("1-00:00:30")
    (5400, 5400, 129600, 86430)
    """
    days, dash, rest = limit.rpartition("-")
    parts = list(map(int, rest.split(":")))
    if not dash and len(parts) < 3:  # minutes, or minutes:seconds
        parts = [0, *parts]
    hours, minutes, secs = [*parts, 0, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + secs
