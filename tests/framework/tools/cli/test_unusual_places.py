"""Commands in a deleted working directory, with names that are none, and on links to runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import firstlight as fl
from firstlight.runs import list_runs
from firstlight.testing import TinyNet, tiny_data
from firstlight.training.checks import as_run_name

GONE = "import os, sys; d = sys.argv[1]; os.mkdir(d); os.chdir(d); os.rmdir(d); "
MAIN = "from firstlight.tools.cli.main import main; sys.exit(main(sys.argv[2:]))"
FIT = """
import firstlight as fl
from firstlight.testing import TinyNet, tiny_data

class Leave(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 2:
            os.mkdir(sys.argv[1])
            os.chdir(sys.argv[1])
            os.rmdir(sys.argv[1])

trainer = fl.Trainer(max_epochs=2, callbacks=[Leave(), "model_checkpoint"], runs_dir=sys.argv[2])
trainer.fit(TinyNet(), tiny_data())
trainer.test(trainer.module, tiny_data())
print(trainer.status, trainer.run.shown)
"""


def fit(name="mlp", **settings):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name=name, **settings)
    trainer.fit(TinyNet(), tiny_data(), tiny_data())
    return trainer.run.path


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder in use stays")
def test_in_a_deleted_working_directory_commands_work_or_say_what_to_do(tmp_path):
    def command(*words):
        # -P, as the installed command has no "" in its path: with it, Python 3.13.0 imports nothing
        argv = [sys.executable, "-P", "-c", GONE + MAIN, str(tmp_path / "gone"), *words]
        return subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)

    path = fit()
    done = command("runs", "list", "--runs-dir", str(path.parents[1]))
    assert (done.returncode, path.name in done.stdout) == (0, True), done.stderr
    done = command("runs", "show", str(path))
    assert (done.returncode, path.name in done.stdout) == (0, True), done.stderr
    done = command("fit", "--runs-dir", str(tmp_path / "runs"))
    assert done.returncode == 1
    assert "the working directory was deleted; change to another one" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder in use stays")
@pytest.mark.slow
def test_a_training_whose_working_directory_is_deleted_goes_on(tmp_path):
    argv = [sys.executable, "-c", "import os, sys\n" + FIT, str(tmp_path / "gone"), "kept"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = list_runs(tmp_path / "kept")
    assert done.stdout.splitlines()[-1] == f"finished {run.path}"
    assert (run.status, "test_loss" in run.metrics) == ("finished", True)


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "lpt9.txt", "aux.", "end.", "x" * 101])
def test_a_name_that_is_no_folder_somewhere_is_refused_everywhere(name):
    with pytest.raises(ValueError, match="name: "):
        fl.Trainer(name=name)
    assert fl.Trainer(name=as_run_name(name)).name


@pytest.mark.parametrize("name", ["console", "nulls", "com", "com10", "a.con", "x" * 100])
def test_names_like_these_are_fine(name):
    assert fl.Trainer(name=name).name == name == as_run_name(name)


def test_what_a_link_leads_to_is_not_deleted(cli, tmp_path):
    path = fit()
    elsewhere = tmp_path / "elsewhere"
    fit(runs_dir=elsewhere)
    link = path.with_name("best")
    link.symlink_to(path.name)
    outside = path.with_name("2026-01-31_10-00-00_abcd")
    outside.symlink_to(list_runs(elsewhere)[0].path)
    for name in (link, "mlp/best", "best", outside, "abcd"):
        code, _, err = cli("runs", "rm", name, "--yes")
        assert (code, "is a link to" in err) == (2, True), (name, err)
    code, _, err = cli("runs", "rm", "--where", "steps > 0", "--yes")
    assert (code, "is a link to" in err) == (2, True)
    assert len(list_runs(elsewhere)) == 1
    assert path.is_dir()
    link.unlink()
    outside.unlink()
    assert cli("runs", "rm", path, "--yes")[0] == 0
    assert not Path(path).exists()
