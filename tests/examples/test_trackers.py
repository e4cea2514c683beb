"""The packages in examples/trackers: listed, short, and passing their own tests."""

import json
import shutil
import signal
import tomllib
from pathlib import Path

import pytest
from plugin_packages import install_by_hand, run

import firstlight
from firstlight.support.extras import installed

TRACKERS = Path(__file__).parents[2] / "examples" / "trackers"
NAMES = sorted(path.parent.name for path in TRACKERS.glob("*/pyproject.toml"))


@pytest.fixture
def site(name, tmp_path, monkeypatch):
    """Return a folder with the package installed; its library keeps runs in the test's folder."""
    if not installed(name):
        pytest.skip(f"needs {name}")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    install_by_hand(TRACKERS / name, tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_is_listed_and_passes_its_tests(name, site, tmp_path):
    source = shutil.copytree(TRACKERS / name, tmp_path / "source")
    listed = run(site, "-m", "firstlight", "plugins", "--json", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    (plugin,) = (p for p in json.loads(listed.stdout) if p["name"] == name)
    assert (plugin["error"], plugin["offers"]) == ("", {"callback": [name]})
    pytest_on = "-m", "pytest", "-q", "-p", "no:cacheprovider", source
    done = run(site, *pytest_on, cwd=source, warnings="default")  # there are some of the libraries
    assert done.returncode == 0, done.stdout + done.stderr


TRAIN = """
import os, signal, sys, time
import firstlight as fl
from firstlight.testing import TinyNet, tiny_data

class Kill(fl.Callback):
    def on_train_batch_end(self, trainer):
        if trainer.step == 5:
            for _ in range(3000):  # a tracker that cannot open its run must not hang the test
                if (trainer.run.path / "trackers.json").exists():
                    break
                time.sleep(0.1)
            time.sleep(0.5)  # until the tracker has most of the records
            os.kill(os.getpid(), signal.SIGKILL)

tracker, *how = sys.argv[1:]
callbacks = [tracker, fl.callbacks.ModelCheckpoint(every_n_steps=3)]
fl.Trainer(
    max_epochs=3, log_every_n_steps=1, callbacks=[*callbacks, *[Kill()] * (how == ["killed"])],
    default_callbacks=False,
).fit(TinyNet(), tiny_data(), resume="auto")
"""
# Print the ids of all runs that a tracker has, and the steps of train_loss_step.
READ = {
    "aim": """
from pathlib import Path
from aim import Repo, Run
Repo.from_path(".")._recreate_index()
ids = [path.name for path in Path(".aim/meta/chunks").iterdir()]
(found,) = (m for m in Run(ids[0], repo=".").metrics() if m.name == "train_loss_step")
steps = found.data.numpy()[0].tolist()
""",
    "mlflow": """
from mlflow import MlflowClient
client = MlflowClient()
place = client.get_experiment_by_name("firstlight").experiment_id
ids = [found.info.run_id for found in client.search_runs([place])]
steps = [point.step for point in client.get_metric_history(ids[0], "train_loss_step")]
""",
    "trackio": """
from trackio.sqlite_storage import SQLiteStorage
ids = SQLiteStorage.get_runs("firstlight")
logs = SQLiteStorage.get_logs("firstlight", ids[0])
steps = [log["step"] for log in logs if "train_loss_step" in log]
""",
    "wandb": """
import subprocess, sys
from pathlib import Path
ids, steps = set(), []
for path in sorted(Path("wandb").glob("offline-run-*")):
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in map(json.loads, done.stdout.splitlines()):
        if line["type"] == "run":
            ids.add(line["run"]["run_id"])
        if "train_loss_step" in line.get("history", {}).get("item", {}):
            steps.append(line["history"]["item"]["_step"])
""",
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("name", NAMES)
def test_a_killed_training_and_the_resumed_one_are_one_run(name, site, tmp_path):
    def call(*code):
        return run(site, "-c", *code, cwd=tmp_path, warnings="default")

    killed = call(TRAIN, name, "killed")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    resumed = call(TRAIN, name)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "UserWarning" not in resumed.stderr
    read = call(f"import json\n{READ[name]}\nprint(json.dumps([list(ids), steps]))")
    assert read.returncode == 0, read.stderr
    ids, steps = json.loads(read.stdout.splitlines()[-1])
    assert len(ids) == 1
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_is_short_and_for_this_version(name):
    code = TRACKERS / name / "src" / f"firstlight_{name}" / "__init__.py"
    assert len(code.read_text().splitlines()) <= 60
    with open(TRACKERS / name / "pyproject.toml", "rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    major, minor = map(int, firstlight.__version__.split(".")[:2])
    assert f"firstlight>={major}.{minor},<{major}.{minor + 1}" in needed
