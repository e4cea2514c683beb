"""The batch script: complete, valid, and obeyed by a shell; Slurm's commands are stood in for."""

import os
import signal
import subprocess

import pytest
from waiting import until

from firstlight.tools.cli.main import main

SRUN = """\
#!/bin/bash
echo "$@" > srun.words
trap 'exit 130' USR1
touch started
while {busy}; do sleep 0.01; done
exit {code}
"""


def written(*words):
    assert main(["slurm", *words]) == 0
    with open("firstlight.sbatch", encoding="utf-8") as file:
        return file.read()


def test_the_script_has_all_that_sbatch_needs(capsys):
    text = written(
        *[
            "--nodes",
            "2",
            "--gpus-per-node",
            "4",
            "--cpus-per-task",
            "8",
            "--time",
            "1-12:00:00",
            "--partition",
            "gpu",
        ],
        *("--setup", "module load openmpi"),
        *["fit", "--model", "cnn", "--data", "digits", "--name", "try"],
    )
    assert capsys.readouterr().out.splitlines()[-1] == "start it: sbatch firstlight.sbatch"
    for line in (
        "#!/bin/bash",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=4",
        "#SBATCH --cpus-per-task=8",
        "#SBATCH --gpus-per-node=4",
        "#SBATCH --time=1-12:00:00",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --partition=gpu",
        "module load openmpi",
    ):
        assert line in text.splitlines()
    command = "firstlight fit --trainer.device=cuda --resume=auto --model=cnn --data=digits"
    assert f"    {command} --name=try &" in text.splitlines()
    assert "--kill-on-bad-exit=1" in text
    assert subprocess.run(["bash", "-n", "firstlight.sbatch"], check=False).returncode == 0


def test_it_can_be_shown_and_a_resume_of_ones_own_stays(capsys):
    assert main(["slurm", "--output", "-", "fit", "--resume", "best", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "    firstlight fit --resume=best --seed=3 &" in out
    assert "gpus" not in out
    assert not os.path.exists("firstlight.sbatch")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected the command to run, one of fit, test, validate"),
        (["--nodes", "0", "fit"], "--nodes: expected 1 or more, got 0"),
        (["--gpus-per-node", "-1", "fit"], "--gpus-per-node: expected 0 or more"),
        (["--time", "soon", "fit"], "--time: expected HH:MM:SS or D-HH:MM:SS, got soon"),
        (["--partition", "a b", "fit"], "--partition: 'a b' cannot be an option"),
        (["--walltime", "1", "fit"], "unrecognized arguments: --walltime=1"),
        (["fit", "--model", "mpl"], "did you mean 'mlp'?"),
        (["fit", "--trainer.max_epochs", "many"], "max_epochs"),
    ],
)
def test_mistakes_are_told_before_the_job_waits(capsys, words, said):
    assert main(["slurm", *words]) == 2
    assert said in capsys.readouterr().err
    assert not os.path.exists("firstlight.sbatch")


@pytest.fixture
def obey(monkeypatch, tmp_path):
    """A function that runs the script as Slurm would, with a training that ends with a code."""

    def run(code, warn=False):
        written("fit", "--seed", "4")
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "srun").write_text(SRUN.format(code=code, busy=str(warn).lower()))
        (folder / "scontrol").write_text('#!/bin/bash\necho "$@" > scontrol.words\n')
        for file in folder.iterdir():
            file.chmod(0o755)
        environment = os.environ | {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "42",
            "SLURM_CPUS_PER_TASK": "4",
        }
        job = subprocess.Popen(["bash", "firstlight.sbatch"], env=environment)
        until((tmp_path / "started").exists)
        if warn:
            job.send_signal(signal.SIGUSR1)
        requeued = tmp_path / "scontrol.words"
        code = job.wait()
        return code, requeued.read_text().strip() if requeued.exists() else None

    return run


def test_a_training_that_ends_ends_the_job(obey, tmp_path):
    assert obey(0) == (0, None)
    words = (tmp_path / "srun.words").read_text()
    assert words.startswith("--mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=4")
    assert words.strip().endswith("firstlight fit --resume=auto --seed=4")


def test_a_training_that_fails_fails_the_job(obey):
    assert obey(1) == (1, None)


def test_a_training_that_was_cancelled_is_not_queued_again(obey):
    assert obey(130) == (130, None)


def test_a_training_whose_time_is_up_is_queued_again(obey):
    assert obey(0, warn=True) == (130, "requeue 42")
