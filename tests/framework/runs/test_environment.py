"""What a run tells of its surroundings, and what it keeps to itself."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import firstlight as fl
from firstlight.checkpoints.format import Checkpoint
from firstlight.runs import environment
from firstlight.runs.masking import is_secret, masked, masked_text, masked_words


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one commit, in the present folder; returns a function that runs git."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")

    def git(*words):
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", "code.py")
    git("commit", "-q", "-m", "first")
    return git


def fit(line, line_data, **settings):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, **settings)
    trainer.config = {"model": "line", "data": {"api_key": "hush"}}
    trainer.fit(line(), line_data)
    return trainer.run


def test_a_run_tells_commit_branch_and_what_was_not_committed(
    repository, line, line_data, tmp_path
):
    (tmp_path / "code.py").write_text('x = 2\nAPI_KEY = "hush"\n')
    run = fit(line, line_data)
    git = json.loads((run.path / "environment.json").read_text())["git"]
    head = repository("rev-parse", "HEAD")
    assert git == {"commit": head, "branch": "main", "dirty": True}
    patch = (run.path / "diff.patch").read_text()
    assert "-x = 1\n+x = 2\n" in patch
    assert "+API_KEY = ***\n" in patch
    assert "hush" not in patch


def test_the_patch_leads_from_the_commit_to_the_code_that_ran(
    repository, line, line_data, tmp_path
):
    (tmp_path / "code.py").write_text("x = 2\n")
    run = fit(line, line_data, runs_dir=tmp_path / "runs")
    repository("checkout", "-q", "code.py")
    repository("apply", str(run.path / "diff.patch"))
    assert (tmp_path / "code.py").read_text() == "x = 2\n"


def test_a_clean_tree_and_none_at_all(repository, line, line_data, tmp_path, monkeypatch):
    assert environment.uncommitted_changes() == ""
    assert not (fit(line, line_data, runs_dir=tmp_path.parent / "r").path / "diff.patch").exists()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    found = environment.describe_environment("cpu")
    assert found["git"] is None
    assert environment.uncommitted_changes() == ""


SCRIPT = """
import numpy as np, firstlight as fl
from nets import Line

x = np.ones((8, 3))
trainer = fl.Trainer(max_epochs=1, callbacks=[], default_callbacks=False, name="line")
trainer.fit(Line(), (x, x[:, :1]))
"""


def test_a_script_started_elsewhere_belongs_to_its_own_repository(
    repository, tmp_path, monkeypatch
):
    support = os.path.dirname(sys.modules["nets"].__file__)
    monkeypatch.setenv("PYTHONPATH", support, prepend=os.pathsep)
    (tmp_path / "code.py").write_text(SCRIPT)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    elsewhere.mkdir()
    subprocess.run([sys.executable, str(tmp_path / "code.py")], cwd=elsewhere, check=True)
    run = fl.runs.find_run(runs_dir=elsewhere / "runs")
    assert run.environment["git"]["commit"] == repository("rev-parse", "HEAD")
    assert "+from nets import Line\n" in (run.path / "diff.patch").read_text()


@pytest.fixture
def git_that(tmp_path, monkeypatch):
    """Put a git before the real one that does something else for one command."""

    def install(command, does):
        path = tmp_path / "other" / "git"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f'#!/bin/sh\ncase "$*" in *{command}*) {does};; esac\n{shutil.which("git")} "$@"\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)

    return install


def test_a_slow_diff_is_not_waited_for(repository, git_that, monkeypatch):
    git_that("diff", "exec sleep 600")
    monkeypatch.setattr(environment, "PATIENCE", 0.01)
    assert environment.uncommitted_changes().startswith("# the changes are not known: git diff")


def test_the_commit_is_told_even_if_the_changes_are_unknown(repository, git_that):
    git_that("status", "exit 128")
    git = environment.describe_environment("cpu")["git"]
    assert git == {"commit": repository("rev-parse", "HEAD"), "branch": "main", "dirty": None}


def test_what_the_repositorys_settings_name_for_every_command_is_not_run(
    repository, line, line_data, tmp_path
):
    """A folder from somebody else may bring its own .git/config."""
    (tmp_path / "run.sh").write_text("#!/bin/sh\ntouch ran\ncat $1\n")
    (tmp_path / "run.sh").chmod(0o755)
    repository("config", "diff.x.textconv", str(tmp_path / "run.sh"))
    (tmp_path / ".gitattributes").write_text("*.py diff=x\n")
    (tmp_path / "code.py").write_text("x = 2\n")
    repository("config", "core.fsmonitor", str(tmp_path / "run.sh"))
    run = fit(line, line_data)
    assert "+x = 2\n" in (run.path / "diff.patch").read_text()
    assert not (tmp_path / "ran").exists()


def test_a_long_diff_is_cut_off_and_says_so(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "DIFF_LIMIT", 500)
    (tmp_path / "code.py").write_text("y = 1  # ä\n" * 200)
    diff = environment.uncommitted_changes()
    assert 300 < len(diff.encode()) < 600
    assert diff.endswith(" bytes in all, 500 are kept\n")


def test_machine_and_packages_are_told():
    found = environment.describe_environment("cpu")
    assert found["packages"]["firstlight"] == fl.__version__
    assert {"numpy", "pluggy", "safetensors"} <= set(found["packages"])
    assert found["cpu"]
    assert found["cpus_allowed"] <= found["cpu_count"]
    assert found["memory_gb"] > 0.1
    assert found["blas"][0]["num_threads"] >= 1
    assert found["gpu"] is None
    json.dumps(found)


def test_secrets_do_not_reach_the_folder(line, line_data, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_API_KEY", "hush")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    words = ["--password", "hush", "--url=ftp://me:hush@x", "--token", "hush", "--data.token=hush"]
    monkeypatch.setattr(sys, "argv", ["train.py", *words, "--pad_token", "x"])
    run = fit(line, line_data, callbacks=["model_checkpoint"])
    told = json.loads((run.path / "environment.json").read_text())
    assert told["variables"]["FIRSTLIGHT_API_KEY"] == "***"
    assert told["variables"]["SLURM_JOB_ID"] == "17"
    shown = ["--password", "***", "--url=ftp://me:***@x", "--token", "***", "--data.token=***"]
    assert told["command"] == ["train.py", *shown, "--pad_token", "x"]
    assert Checkpoint.load(run.checkpoints / "last.safetensors").config["data"]["api_key"] == "***"
    for file in run.path.rglob("*"):
        assert file.is_dir() or b"hush" not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *((n, True) for n in ("HF_TOKEN", "WANDB_API_KEY", "password", "db_passwd", "AUTH_TOKEN")),
        *((n, True) for n in ("api_token", "BOT_TOKEN", "refresh-token", "OPENAI_KEY")),
        *((n, True) for n in ("client_secret", "private-key", "SLURM_JWT", "apikey")),
        *((n, True) for n in ("token", "TOKEN", "--token", "data.token", "Authorization")),
        *((n, False) for n in ("tokenizer", "pad_token", "max_new_tokens", "monkey", "key", "lr")),
        *((n, False) for n in ("tokens", "token_ids", "eos_token", "token-ids", "pad-token")),
    ],
)
def test_what_is_secret_by_its_name(name, secret):
    assert is_secret(name) is secret


@pytest.mark.parametrize("text", ["x" * 10**6, "secret" * 160_000, "a://b:" * 160_000])
def test_long_lines_without_spaces_are_masked_in_linear_time(text):
    """In quadratic time this would take hours."""
    assert masked_text(f"{text}\nkey=1\npassword=hush") == f"{text}\nkey=1\npassword=***"


def test_masks_leave_the_rest_as_it_is():
    settings = {"a": [1, None, {"hf_token": "x", "b": "c"}], "secret": None, "n": 1.5}
    assert masked(settings) == {
        "a": [1, None, {"hf_token": "***", "b": "c"}],
        "secret": None,
        "n": 1.5,
    }
    assert masked_text("password: 'a b', user: c") == "password: ***, user: c"
    assert masked_text("d['api_key'] = 'xyz'\nn = 3") == "d['api_key'] = ***\nn = 3"
    assert masked_text("pad_token='p', token='t', tokens=3") == "pad_token='p', token=***, tokens=3"
    assert masked_words(["--api_key", "x", "y"]) == ["--api_key", "***", "y"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+TOKEN = 'hush'", "+TOKEN = ***"),
        ("+password: str | None = 'hush'", "+password: str | None = ***"),
        ("+key(api_key=b'hush')", "+key(api_key=***)"),
        ("{'api_keys': ['hush', 'hush']}", "{'api_keys': ***}"),
        ("Authorization: Bearer hush", "Authorization: ***"),
    ],
)
def test_secrets_in_lines_of_code_and_output(text, shown):
    assert masked_text(text) == shown
