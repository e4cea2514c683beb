"""Looking at a stranger's run, sweep or config runs none of their code without --trust."""

import json
import shutil

import pytest
import yaml
from campaigns import slow_but

from firstlight.runs import consent
from firstlight.runs.find import latest_run

PLANTED = """
from pathlib import Path
import firstlight as fl
from firstlight import nn, optim

Path("ran").touch()  # what only code of this file does


class Net(fl.Module):
    def __init__(self, in_features=64, num_classes=10, loss: fl.Module | None = None):
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.loss = loss or nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.SGD(self.parameters(), lr=0.1)


class Stop(fl.Callback):
    pass


class Loss(nn.CrossEntropyLoss):
    pass


def data(n: int = 3) -> fl.DataSplits:
    return fl.datasets.load("digits")
"""
QUICK = ("--trainer.max_steps", "2")
CONFIGS = {
    "data": {"data": {"name": "os:makedirs", "path": "ran"}},
    "data file": {"data": {"name": "evil.py:data"}},
    "data module": {"data": "evil:data"},
    "model": {"model": {"name": "evil.py:Net"}},
    "callback": {"callbacks": {"evil.py:Stop": {}}},
    "callbacks": {"callbacks": ["early_stopping", "evil:Stop"]},
    "class path": {"data": {"name": "polynomial", "function": {"class_path": "evil.Loss"}}},
    "import path": {"data": {"name": "polynomial", "function": "evil.data"}},
    "dotted": {"data": {"name": "polynomial", "function.class_path": "evil.Loss"}},
    "text of YAML": {"data": {"name": "polynomial", "function": "{class_path: evil.Loss}"}},
}
OF_RUNS = {n: c for n, c in CONFIGS.items() if "callbacks" not in c}


@pytest.fixture(autouse=True)
def _evil(tmp_path):
    """A module of somebody else in the present folder."""
    (tmp_path / "evil.py").write_text(PLANTED)
    yield
    import sys

    sys.modules.pop("evil", None)


@pytest.fixture
def strange(cli, tmp_path):
    """Return a function that makes a run whose settings somebody else has changed."""

    def make(changes):
        assert cli("fit", *QUICK)[0] == 0
        run = latest_run(tmp_path / "runs")
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(config | changes))
        return run

    return make


@pytest.mark.parametrize("kind", slow_but(OF_RUNS, "data", "data module", "model", "class path"))
def test_no_command_runs_the_code_that_a_run_names(cli, strange, tmp_path, kind):
    run = strange(CONFIGS[kind])
    for command in (
        ("test", run), ("validate", run), ("predict", run), ("look", run),
        ("check", "--config", run), ("explain", "--config", run),
        ("fit", "--config", run), ("fit", "--config", run, "--print_config"),
        ("fit", "--config", run, "--resume", run), ("fit", "--config", run, "--help"),
        ("slurm", "fit", "--config", run), ("runs", "show", run), ("runs", "list"),
        ("report", run),
    ):  # fmt: skip
        code, out, err = cli(*command)
        assert not (tmp_path / "ran").exists(), command
        if command[0] == "runs":
            assert code == 0
        elif command[-1] == "--help":
            assert code in (0, 2)
        elif command[0] == "report":
            assert "if you trust where it comes from, add --trust" in out
        else:
            assert code == 2
            assert "code that would run with your rights; if you trust where it comes" in err


@pytest.mark.parametrize("kind", CONFIGS)
def test_no_command_runs_the_code_that_a_file_names(cli, tmp_path, kind):
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(CONFIGS[kind]))
    (tmp_path / "sweep.yaml").write_text(
        yaml.safe_dump({"trials": 1, "fit": CONFIGS[kind], "parameters": {"seed": [1]}})
    )
    commands = ["fit", "fit --print_config", "check", "explain", "slurm fit"]
    if "callbacks" in CONFIGS[kind]:
        commands = [c for c in commands if c not in ("check", "explain")]  # they use none
    for command in [
        *(c.split() + ["--config=theirs.yaml"] for c in commands),
        ["sweep", "sweep.yaml"],
    ]:
        code, _, err = cli(*command)
        assert code == 2, command
        assert "code that would run with your rights" in err
        assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "runs").exists()


def test_consent_lets_it_run_and_is_needed_again(cli, strange, tmp_path):
    run = strange({"model": {"name": "evil.py:Net"}})
    (run / "checkpoints").rename(run / "weights")
    shown = ("explain", "--config", run)
    assert cli(*shown)[0] == 2
    assert cli(*shown, "--trust")[0] == 0
    assert (tmp_path / "ran").exists()
    assert cli(*shown)[0] == 2


def test_arbitrary_functions_are_not_called_with_consent_either(cli, strange, tmp_path):
    run = strange(CONFIGS["data"])
    code, _, err = cli("test", run, "--trust")
    assert code == 2
    assert "data os:makedirs" not in err
    assert "dataset 'os:makedirs': expected a function that returns firstlight.DataSplits" in err
    assert not (tmp_path / "ran").exists()


def test_what_the_user_typed_needs_no_ceremony_now_or_later(cli, tmp_path):
    words = ("--model", "evil.py:Net", "--data", "evil:data", "--callback", "evil:Stop", *QUICK)
    assert cli("fit", *words, "--model.loss", "evil.Loss")[0] == 0
    run = latest_run(tmp_path / "runs")
    for command in (("test",), ("validate",), ("predict",), ("fit", "--config", run, *QUICK)):
        code, _, err = cli(*command)
        assert (code, err) == (0, ""), command
    code, out, _ = cli("fit", "--config", run, "--print_config")
    assert code == 0
    config = yaml.safe_load(out)
    assert config["model"]["loss"]["class_path"] == "evil.Loss"
    (tmp_path / "mine.yaml").write_text(out)
    assert cli("fit", "--config", "mine.yaml", "--print_config")[0] == 2
    assert cli("fit", "--config", "mine.yaml", "--print_config", "--trust")[0] == 0


def test_a_name_typed_beside_a_file_that_says_the_same_is_the_users(cli, tmp_path):
    (tmp_path / "args.yaml").write_text("model: {name: 'evil.py:Net'}\ntrainer: {max_steps: 2}\n")
    assert cli("fit", "--config", "args.yaml", "--print_config")[0] == 2
    words = ("fit", "--config", "args.yaml", "--model", "evil.py:Net")
    assert cli(*words, "--print_config")[0] == 0


def test_copies_and_changes_of_an_own_run_are_not_trusted(cli, tmp_path):
    assert cli("fit", "--model", "evil.py:Net", *QUICK)[0] == 0
    run = latest_run(tmp_path / "runs")
    assert cli("test", run)[0] == 0
    shutil.copytree(run, tmp_path / "copy" / "it")
    assert cli("test", tmp_path / "copy" / "it")[0] == 2
    config = json.loads((run / "config.json").read_text())
    changed = {
        "another name": config | {"model": {"name": "evil:Net"}},
        "another argument": {
            **config,
            "model": {**config["model"], "loss": {"class_path": "os.X"}},
        },
        "more": config | {"data": {"name": "evil.py:data"}},
    }
    for what, now in changed.items():
        (run / "config.json").write_text(json.dumps(now))
        assert cli("test", run)[0] == 2, what
    (run / "config.json").write_text(json.dumps(config))
    assert cli("test", run)[0] == 0


def test_an_own_run_means_its_own_files(cli, tmp_path, monkeypatch):
    """The same name in another folder is another file."""
    assert cli("fit", "--model", "evil.py:Net", *QUICK)[0] == 0
    run = latest_run(tmp_path / "runs")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "evil.py").write_text(PLANTED)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("test", run)[0] == 2
    assert not (tmp_path / "elsewhere" / "ran").exists()


def test_nothing_in_a_runs_folder_grants_trust(cli, strange, tmp_path):
    code = {"evil.py:Net": str(tmp_path / "evil.py")}
    run = strange({"model": {"name": "evil.py:Net"}})
    record = consent.record_path(run)
    for place in (run / record.name, run / ".state" / "firstlight" / "trusted" / record.name):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"folder": str(run), "code": code}))
    assert cli("test", run)[0] == 2
    consent.remember(tmp_path / "another", code)
    consent.record_path(tmp_path / "another").rename(record)  # of another folder
    assert cli("test", run)[0] == 2
    consent.remember(run, code)
    assert consent.recorded(run) == code


def test_runs_of_registered_names_leave_no_record(cli, tmp_path):
    assert cli("fit", *QUICK)[0] == 0
    assert not (tmp_path / ".state").exists()


@pytest.mark.slow
def test_modules_in_the_present_folder_take_the_place_of_no_package(cli, tmp_path):
    """The processes of a sweep are started by python -m, which looks there first."""
    for name in ("numpy", "yaml"):
        (tmp_path / f"{name}.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    (tmp_path / "s.yaml").write_text(
        "method: grid\nparameters: {seed: [1]}\nfit: {trainer: {max_steps: 2}}\n"
    )
    code, out, err = cli("sweep", "s.yaml")
    assert not (tmp_path / "ran").exists()
    assert (code, "trial 1/1  finished" in out) == (0, True), out + err


def test_a_name_that_no_file_can_have(cli, tmp_path):
    for config in ({"model": "a\0b.py:X"}, {"data": {"name": "a\0b:c"}}, {"callbacks": ["\0:a"]}):
        (tmp_path / "theirs.json").write_text(json.dumps(config))
        code, _, err = cli("fit", "--config", "theirs.json", "--print_config")
        assert code == 2
        assert "theirs.json: " in err
        assert "expected a name, got '" in err


@pytest.mark.slow
def test_looking_at_a_run_draws_into_no_other_folder(cli, tmp_path):
    assert cli("fit", *QUICK)[0] == 0
    run = latest_run(tmp_path / "runs")
    (tmp_path / "victim").mkdir()
    shutil.rmtree(run / "plots", ignore_errors=True)
    (run / "plots").symlink_to(tmp_path / "victim")
    code, _, err = cli("look")
    assert code == 1
    assert "plots is a link to" in err
    assert not list((tmp_path / "victim").iterdir())
    assert cli("look", "--output", "victim")[0] == 0


@pytest.mark.slow
def test_a_sweep_needs_consent_once_and_is_the_users_then(cli, tmp_path):
    (tmp_path / "s.yaml").write_text(
        "trials: 2\nmethod: grid\nparameters: {seed: [1, 2]}\n"
        "fit: {model: 'evil.py:Net', trainer: {max_epochs: 1}}\n"
    )
    assert cli("sweep", "s.yaml")[0] == 2
    assert not (tmp_path / "ran").exists()
    assert cli("sweep", "s.yaml", "--trust", "--trials", 1)[0] == 0
    folder = tmp_path / "runs" / "s"
    assert cli("sweep", folder, "--trials", 2)[0] == 0
    assert cli("fit", "--config", folder / "best.yaml", "--print_config")[0] == 0
    assert cli("test", "s")[0] == 0
    shutil.copytree(folder, tmp_path / "copies" / "s")
    code, _, err = cli("sweep", tmp_path / "copies" / "s", "--trials", 2)
    assert (code, "sweep s names evil.py:Net, code that would run" in err) == (2, True)
