"""The batch script: complete, valid, and obeyed by a shell; Slurm's commands are stood in for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

import firstlight as fl
from firstlight.runs import RunFolder
from firstlight.runs.find import latest_run
from firstlight.testing import TinyNet, tiny_data, tiny_trainer
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
    assert "srun --mpi=pmix --kill-on-bad-exit=1" in text
    assert subprocess.run(["bash", "-n", "firstlight.sbatch"], check=False).returncode == 0


def test_it_can_be_shown_and_a_resume_of_ones_own_stays(capsys):
    assert main(["slurm", "--dry-run", "fit", "--resume", "best", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "    firstlight fit --resume=best --seed=3 &" in out
    assert "gpus" not in out
    assert "--mpi" not in out  # one process needs none
    assert not os.path.exists("firstlight.sbatch")


WITH_RESUME = "trainer.fit(net, data, resume='auto')"


def test_it_runs_any_command(capsys):
    with open("train.py", "w") as file:
        file.write(WITH_RESUME)
    words = ["--array", "1-3%2", "--mail-user", "a@b.de", "--sbatch", "constraint=a100"]
    job = ["python", "train.py", "--lr", "0.1 0.2", "--seed", "$SLURM_ARRAY_TASK_ID", "--", "x"]
    assert main(["slurm", *words, "--", *job]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "written: train.sbatch"
    with open("train.sbatch", encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in (
        "#SBATCH --job-name=train",
        "#SBATCH --output=%x-%A_%a.log",
        "#SBATCH --array=1-3%2",
        "#SBATCH --mail-user=a@b.de",
        "#SBATCH --mail-type=END,FAIL",
        "#SBATCH --constraint=a100",
        """    python train.py --lr '0.1 0.2' --seed "$SLURM_ARRAY_TASK_ID" -- x &""",
        '    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"',
    ):
        assert line in lines
    assert subprocess.run(["bash", "-n", "train.sbatch"], check=False).returncode == 0


def test_it_runs_in_a_container_and_without_mpi(capsys):
    words = ["--nodes", "1-4", "--gpus", "2", "--mpi", "none", "--container", "a b.sif"]
    assert main(["slurm", "--dry-run", *words, "--", "train-it"]) == 0
    out = capsys.readouterr().out
    assert """    "$container" exec --nv --bind "$PWD" 'a b.sif' train-it &""" in out
    assert "activate" not in out
    assert "#SBATCH --nodes=1-4\n#SBATCH --cpus-per-task=8\n" in out  # two tasks of four
    assert "--ntasks=$((SLURM_NNODES * 2))" in out
    assert "export MASTER_ADDR MASTER_PORT" in out


def test_a_script_that_would_start_again_is_noted(capsys):
    with open("train.py", "w") as file:
        file.write("trainer.fit(net, data)")
    assert main(["slurm", "--", "python", "-u", "train.py"]) == 0
    assert "train.py does not name resume" in capsys.readouterr().err


def test_it_can_be_submitted(monkeypatch, capsys, tmp_path):
    (tmp_path / "sbatch").write_text('#!/bin/sh\necho "$@" > submitted\nexit 3\n')
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert main(["slurm", "--submit", "fit"]) == 3
    assert (tmp_path / "submitted").read_text() == "firstlight.sbatch\n"
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["slurm", "--submit", "fit"]) == 2
    assert "there is no sbatch here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected the command to run at the end"),
        (["--"], "expected the command to run at the end"),
        (["--nodes", "0", "fit"], "--nodes: expected 1 or more, or MIN-MAX, got 0"),
        (["--time", "4", "fit"], "expected more than twice the --notice of 120 s"),
        (["--array", "1-4", "fit"], "give each its own, e.g. --name 'fit-$SLURM_ARRAY_TASK_ID'"),
        (["--", "python", "nothing.py"], "nothing.py: No such file or directory"),
        (["--", "python", "-u", "wrong.py"], "wrong.py is no Python script"),
        (["--", "no-such-program"], "there is no program no-such-program"),
        (["--", "python train.py --lr 1"], "without quotes around it: -- python train.py --lr 1"),
        (["--array", "1-x", "--", "true"], "--array: expected numbers and ranges"),
        (["--array", "1-2", "--", "firstlight", "sweep", "no.yaml"], "no.yaml"),
        (["sweep", "wrong.py"], "wrong.py"),
        (["--gpus-per-node", "-1", "fit"], "--gpus-per-node: expected 0 or more"),
        (["--time", "soon", "fit"], "--time: expected HH:MM:SS or D-HH:MM:SS, got soon"),
        (["--partition", "a b", "fit"], "--partition: 'a b' cannot be an option"),
        (["--walltime", "1", "fit"], "unrecognized arguments: --walltime=1"),
        (["fit", "--model", "mpl"], "did you mean 'mlp'?"),
        (["fit", "--trainer.max_epochs", "many"], "max_epochs"),
    ],
)
def test_mistakes_are_told_before_the_job_waits(capsys, words, said):
    with open("wrong.py", "w") as file:
        file.write("print(")
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
    assert words.startswith("--kill-on-bad-exit=1")
    assert "--cpus-per-task=4" in words
    assert words.strip().endswith("firstlight fit --resume=auto --seed=4")


def test_a_training_that_fails_fails_the_job(obey):
    assert obey(1) == (1, None)


def test_a_training_that_was_cancelled_is_not_queued_again(obey):
    assert obey(130) == (130, None)


def test_a_training_whose_time_is_up_is_queued_again(obey):
    assert obey(0, warn=True) == (130, "requeue 42")


class Notice(fl.Callback):
    """Sends Slurm's signal in the first step."""

    def on_train_batch_end(self, trainer):
        if trainer.step == 1:
            os.kill(os.getpid(), signal.SIGUSR1)


def test_a_script_that_trains_leaves_what_follows_to_the_repeated_job(monkeypatch):
    assert tiny_trainer([Notice()]).status == "interrupted"
    monkeypatch.setenv("FIRSTLIGHT_BATCH_SCRIPT", "/spool/script")
    with pytest.raises(SystemExit) as end:
        tiny_trainer([Notice()], runs_dir="runs")
    assert end.value.code == 130
    assert RunFolder(latest_run("runs")).status == "interrupted"


def train(resume="auto", **options):
    trainer = fl.Trainer(default_callbacks=False, callbacks=["model_checkpoint"], **options)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


def test_a_job_queued_again_does_not_train_twice_what_it_has_finished(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    first = train(max_epochs=2)
    assert train(max_epochs=2).run.path != first.run.path  # a job may train several
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    again = train(max_epochs=3)
    assert len(list(Path("runs").glob("*/*/config.json"))) == 2
    assert (again.step, again.status) == (9, "finished")
    assert train(max_epochs=2).step == 6  # a new one: the repeated job goes on from here
    assert len(list(Path("runs").glob("*/*/config.json"))) == 3
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    monkeypatch.setattr(sys, "argv", ["another.py"])
    train(max_epochs=2)
    assert len(list(Path("runs").glob("*/*/config.json"))) == 4
