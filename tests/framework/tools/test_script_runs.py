"""A script's run is loaded, tested, looked at and reported from its folder alone."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from script_projects import BLOBS, FILES, MANY, OPEN

import firstlight as fl
from firstlight.runs import RunFolder, list_runs
from firstlight.runs.find import latest_run
from firstlight.tools.cli.main import main
from firstlight.training.recording import fingerprints

EXAMPLES = Path(__file__).parents[3] / "examples"


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def execute(folder, *words, main="train.py"):
    """Run a script in its folder, and return the `RunFolder` of its run."""
    done = subprocess.run(
        [sys.executable, "-W", "error", main, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"FIRSTLIGHT_TEST_DEVICE": ""},
    )
    assert done.returncode == 0, done.stderr
    return RunFolder(latest_run(folder / "runs"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's folder, with a run of arrays and one of splits; then its sources go away."""
    folder = tmp_path_factory.mktemp("project")
    write(folder, FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / ".state"))
        runs = [execute(folder, "--hidden", 6), execute(folder, "--form", "splits")]
    for name in FILES:
        (folder / name).unlink()
    shutil.rmtree(folder / "nets")
    (folder / "side_effect").unlink()
    return folder, *runs


@pytest.fixture
def here(project, monkeypatch):
    """The two runs, of the user who has made them, who is in another folder now."""
    folder, *runs = project
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / ".state"))
    yield runs
    assert not (folder / "side_effect").exists(), "the script trained again"


@pytest.fixture
def say(capsys):
    def run(*words):
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.mark.slow
def test_settings_are_in_the_layout_of_the_command_line(project):
    folder, arrays, splits = project
    model = {"name": "nets.mlp:Net", "hidden": [6, 4], "activation": "firstlight.nn.relu:ReLU"}
    found = arrays.config
    assert found["model"] | model == found["model"]
    assert found["model"]["lr"] == 0.05, "a default"
    assert found["data"] == {"name": "tuple", "batch_size": 30, "train": 30, "val": 10}
    assert found["optimizer"] == {
        **{"name": "AdamW", "lr": 0.05, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}
    }
    assert found["callbacks"]["early_stopping"]["patience"] == 3
    assert found["trainer"]["log_every_n_steps"] == 10
    assert found["trainer"]["max_epochs"] == 2
    assert found["trainer"]["accumulate_grad_batches"] == 1
    assert found["facts"]["dtype"] == "float32"
    assert splits.config["data"] == {
        **{"name": "blobs", "batch_size": 7, "train": 30, "val": 10, "test": 10}
    }
    runs = list_runs(folder / "runs", where="model.hidden == '6,4' and optimizer == 'AdamW'")
    assert [run.path for run in runs] == [arrays.path]


def test_the_scripts_own_files_are_copied(project):
    _, run, _ = project
    copies = {p.relative_to(run.path / "source").as_posix() for p in run.path.rglob("*.py")}
    assert copies == {"train.py", "nets/mlp.py", "nets/parts.py", "blobs.py"}, "and no others"
    assert (run.path / "source" / "blobs.py").read_text() == BLOBS
    assert 'API_KEY = "***"' in (run.path / "source" / "train.py").read_text()
    assert all(
        "hush" not in p.read_text()
        for p in run.path.glob("**/*.*")
        if p.suffix != ".png" and p.suffix != ".safetensors" and "events" not in p.name
    )


@pytest.mark.parametrize("number", [0, 1])
def test_loaded_weights_compute_the_bytes_of_the_training(here, number):
    run = here[number]
    before = fl.rng.state_dict()
    model, data = fl.load(run.path), fl.load_data(run.path)
    assert fl.rng.state_dict() == before
    assert not model.training
    x, y = data.val[np.arange(len(data.val))]
    loss = model.loss(model(x), y)
    assert float(loss) == pytest.approx(run.best["val_loss"]["value"], rel=1e-6)
    again = fl.load(run.path)
    for name, array in again.state_dict().items():
        np.testing.assert_array_equal(array, model.state_dict()[name])
    last = fl.load(run.path, weights="last").state_dict()
    kept = fl.Checkpoint.load(run.path / "checkpoints" / "last.safetensors").model
    assert all(last[name].tobytes() == kept[name].tobytes() for name in kept)
    assert "nets.mlp" not in sys.modules


@pytest.mark.slow
def test_commands_work_from_the_run_folder_alone(here, say, tmp_path):
    run = here[1]
    for words in (
        ("test", run.path), ("validate", run.path), ("look", run.path, "--output", tmp_path / "p"),
        ("predict", run.path, "--output", tmp_path / "p.csv"),
        ("runs", "compare", *[r.path for r in here]),
        ("report", run.path, "--output", tmp_path / "r.html"), ("runs", "show", run.path),
        ("profile", run.path, "--warm-up", 0, "--steps", 2),
        ("explain", run.path), ("check", run.path), ("forms", run.path),
    ):  # fmt: skip
        code, out, err = say(*words)
        assert code == 0, (words, err)
        assert "script" not in out.replace("script_", "")
    assert (tmp_path / "p" / "confusion_matrix.png").is_file()
    code, out, _ = say("validate", here[0].path)
    assert f"{here[0].best['val_loss']['value']:.4f}" in out


def test_other_data_are_given_by_name(here, say, tmp_path):
    np.savez(tmp_path / "d.npz", x=np.zeros((5, 2), "float32"), y=np.array([0, 1, 2, 0, 1]))
    code, out, err = say("test", here[1].path, "--data", tmp_path / "d.npz")
    assert (code, err) == (0, "")
    assert "5 samples" in out


def test_a_strangers_run_needs_consent(project, say, tmp_path):
    run = project[1]
    shutil.copytree(run.path, tmp_path / "runs" / "from-a-friend" / run.path.name)
    friend = latest = tmp_path / "runs" / "from-a-friend" / run.path.name
    for command in ("test", "look", "predict"):
        code, _, err = say(command, friend)
        assert code == 2
        assert "code that would run with your rights; if you trust where it comes" in err
    with pytest.raises(ValueError, match="pass trust=True"):
        fl.load(friend)
    assert fl.load(friend, trust=True).lr == 0.05
    assert say("validate", latest, "--trust")[0] == 0


def test_a_changed_copy_needs_consent_and_what_lies_beside_it_is_never_run(
    here, tmp_path, monkeypatch
):
    path = here[0].path / "source" / "blobs.py"
    (here[0].path / "source" / "numpy.py").write_text("raise SystemExit(4)")
    assert fl.load(here[0].path) is not None
    before = path.read_text()
    path.write_text(before + "\n")
    try:
        with pytest.raises(ValueError, match=r"was changed since the training.* pass trust=True"):
            fl.load(here[0].path)
    finally:
        path.write_text(before)


PLANTED = [
    {"object": "firstlight.support.files:write_atomically", "unnamed": ["ran", "x"]},
    {"object": "firstlight.nn.gelu:np.save", "arguments": {"file": "ran.npy", "arr": 1}},
    {"object": "os:makedirs", "arguments": {"name": "ran"}},
    {"object": "evil:Net", "arguments": {}},
    {
        **{"object": "firstlight.models.mlp:MLP", "unnamed": [4, 2]},
        "arguments": {"init": {"reference": "firstlight.nn.gelu:np.save"}},
    },
]


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("model", PLANTED)
def test_a_strangers_record_calls_nothing_but_models(model, trust, tmp_path, line_data):
    x, y = line_data
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, callbacks=["model_checkpoint"])
    trainer.fit(fl.models.Polynomial(2), (x[:, :1], y))
    path = trainer.run.path / "source" / "rebuild.json"
    assert fl.load(trainer.run.path) is not None, "a model of firstlight needs no consent"
    (tmp_path / "evil.py").write_text("open('ran', 'w')\nclass Net: pass")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"model": {"unnamed": [], "arguments": {}, **model}}))
    if trust and model["object"].startswith("evil"):
        return  # that is what the user agreed to
    refused = r"again: (UnkeptError|.* does not belong to firstlight|ValueError: model: expected a)"
    with pytest.raises(ValueError, match=refused if trust else f"{refused}|trust=True"):
        fl.load(trainer.run.path, trust=trust)
    assert not list(tmp_path.glob("ran*"))


@pytest.mark.parametrize("entry", ["model", "calls", "modules", "seed", "cwd"])
def test_a_damaged_record_is_named(entry, line, line_data):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, callbacks=["model_checkpoint"])
    trainer.fit(line(), line_data)
    path = trainer.run.path / "source" / "rebuild.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {entry: "x" if entry != "cwd" else 3}))
    with pytest.raises(ValueError, match=r"rebuild\.json (is damaged in|does not hold)"):
        fl.load(trainer.run.path, trust=True)
    path.write_text("{")
    with pytest.raises(ValueError, match="source: not JSON"):
        fl.load(trainer.run.path, trust=True)


JUNK = [None, 3, "x", [], [None], {"a": 1}, {"object": "a"}, "missing"]


@pytest.fixture(scope="module")
def loadable(tmp_path_factory):
    """The folder of a run with registered data."""
    trainer = fl.Trainer(
        max_epochs=1,
        default_callbacks=False,
        callbacks=["model_checkpoint"],
        runs_dir=tmp_path_factory.mktemp("loadable"),
    )
    trainer.fit(fl.models.Polynomial(2), fl.datasets.load("polynomial", n_train=9))
    return trainer.run.path


@pytest.mark.slow
@pytest.mark.parametrize("value", JUNK, ids=str)
@pytest.mark.parametrize("file", ["config.json", "source/rebuild.json"])
def test_a_damaged_entry_is_a_sentence(file, value, loadable, tmp_path):
    whole = json.loads((loadable / file).read_text())
    run = tmp_path / "runs" / "x" / loadable.name
    shutil.copytree(loadable, run)
    for entry in (*whole, "facts.input_shape"):
        outer, _, inner = entry.partition(".")
        damaged = whole | {outer: whole.get(outer, {}) | {inner: value} if inner else value}
        if value == "missing":
            damaged.pop(entry, None)
        (run / file).write_text(json.dumps(damaged))
        for load in (fl.load, fl.load_data):
            with contextlib.suppress(ValueError):
                load(run, trust=True)


@pytest.mark.slow
def test_missing_files_are_named(loadable, tmp_path):
    run = tmp_path / "runs" / "x" / loadable.name
    shutil.copytree(loadable, run)
    record = json.loads((run / "source" / "rebuild.json").read_text())
    modules = json.dumps(record | {"modules": {"net": "net.py"}})
    (run / "source" / "rebuild.json").write_text(modules)
    with pytest.raises(ValueError, match=r"source: there is no net\.py; restore it"):
        fl.load(run)
    (run / "source" / "rebuild.json").unlink()
    with pytest.raises(ValueError, match="was made by a script and keeps no record of its model"):
        fl.load(run)
    (run / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"is no run: it has no config\.json, nor"):
        fl.load(run)


def test_runs_of_the_command_line_are_loaded_too(say):
    assert say("fit", "--model.hidden", "6", "--trainer.max_steps", "2")[0] == 0
    model, data = fl.load(), fl.load_data("latest")
    assert isinstance(model, fl.models.MLP)
    assert len(data.test) == 359
    kept = fl.Checkpoint.load(latest_run("runs") / "checkpoints" / "best.safetensors").model
    assert all(model.state_dict()[name].tobytes() == kept[name].tobytes() for name in kept)
    with pytest.raises(FileNotFoundError, match="no run nobody in runs"):
        fl.load("nobody")


def test_what_is_not_kept_is_named(tmp_path):
    write(tmp_path, {"train.py": OPEN})
    run = execute(tmp_path)
    assert run.config["model"]["file"].startswith("<_io.TextIOWrapper name='train.py'")
    with pytest.raises(ValueError, match=r"model\.file was <_io.TextIOWrapper .* cannot keep"):
        fl.load(run.path)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ('{"user": "me", "password": "hush"}', r"file\['password'\]"),
        ('[argparse.Namespace(token="hush")]', r"file\[0\]\.token"),
        ('Login(password="hush")', r"file\.password"),
    ],
)
def test_a_secret_inside_of_an_argument_is_named(tmp_path, given, place):
    login = "@dataclasses.dataclass\nclass Login:\n    password: str\n\nclass Net("
    script = OPEN.replace("class Net(", login).replace("Net(file)", f"Net({given})")
    write(tmp_path, {"train.py": "import argparse, dataclasses\n" + script})
    run = execute(tmp_path)
    assert all(b"hush" not in p.read_bytes() for p in run.path.rglob("*.*") if p.is_file())
    with pytest.raises(ValueError, match=rf"model\.{place} was a secret, which"):
        fl.load(run.path)


def test_other_samples_than_those_of_the_training_are_refused(tmp_path, say):
    write(tmp_path, {"train.py": OPEN.replace("Net(file)", "Net(3)")})
    run = execute(tmp_path)
    code, _, err = say("validate", run.path)
    assert code == 2
    assert "makes other train samples now than it did" in err
    assert "--data NAME" in err
    assert fl.load(run.path) is not None


@pytest.mark.slow
def test_every_way_to_call_fit(tmp_path, say, monkeypatch):
    write(tmp_path, {"many.py": MANY})
    execute(tmp_path, "one", "two", main="many.py")
    (tmp_path / "many.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    runs = list_runs(tmp_path / "runs")
    assert [run.name for run in runs] == [
        "top", "loop-6", "loop-9", "loader", "method", "named", "csv"
    ]  # fmt: skip
    for run in runs:
        model, data = fl.load(run.path), fl.load_data(run.path)
        kept = json.loads((run.path / "source" / "rebuild.json").read_text())["samples"]
        assert kept == {n: v for n, v in fingerprints(data.parts).items() if n in kept}
        weights = fl.Checkpoint.load(run.path / "checkpoints" / "best.safetensors").model
        assert model.state_dict().keys() == weights.keys()
        code, out, err = say("predict", run.path, "--split", "train")
        assert (code, err) == (0, ""), run.name
    top = runs[0]
    assert fl.load(top.path).scale == 4.0
    assert top.config["optimizer"]["groups"] == [{"lr": 0.02}]
    assert top.config["model"]["settings"]["class_path"] == "__main__.Settings"
    assert runs[1].config["model"]["settings"]["init_args"]["samples"] == 6
    assert "noise" not in out


@pytest.mark.slow
@pytest.mark.parametrize("script", ["digits_module.py", "digits_picture.py"])
def test_runs_of_the_examples(script, tmp_path, say):
    shutil.copy(EXAMPLES / script, tmp_path / script)
    text = (tmp_path / script).read_text().replace("max_epochs=30", "max_epochs=2")
    (tmp_path / script).write_text(text)
    run = execute(tmp_path, main=script)
    (tmp_path / script).unlink()
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    code, out, err = say("test", run.path)
    assert (code, err) == (0, "")
    assert f"{run.metrics['test_acc']:.4f}" in out
    model = fl.load(run.path)
    kept = fl.Checkpoint.load(run.path / "checkpoints" / "best.safetensors").model
    assert all(model.state_dict()[name].tobytes() == kept[name].tobytes() for name in kept)
    assert json.loads((run.path / "config.json").read_text())["data"]["name"] == "digits"
