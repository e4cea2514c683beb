"""``firstlight fit`` in this process: what it makes of names, arguments and config files."""

import inspect
import json

import pytest

from firstlight import Trainer
from firstlight.models import MLP
from firstlight.runs.find import latest_run

QUICK = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2)


# --- how values are read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "given", "value"),
    [
        ("model.hidden", "512,256", [512, 256]),
        ("model.hidden", "512", [512]),
        ("model.hidden", "[512, 256]", [512, 256]),
        ("model.hidden", "", []),
        ("model.lr", "1e-2", 0.01),
        ("model.lr", "1", 1.0),
        ("model.norm", "layer", "layer"),
        ("model.norm", "none", None),
        ("trainer.max_time", "00:10:00", "00:10:00"),
        ("trainer.val_every", "500 steps", "500 steps"),
        ("trainer.val_every", "2", 2),
        ("trainer.val_every", "0.25", 0.25),
        ("trainer.val_every", "10 min", "10 min"),
        ("trainer.val_every", "10:00", "10:00"),
        ("trainer.val_every", "00:10:00", "00:10:00"),
        ("trainer.min_epochs", "3", 3),
        ("trainer.limit_val_batches", "0.5", 0.5),
        ("trainer.limit_val_batches", "5", 5),
        ("trainer.fast_dev_run", "3", 3),
        ("trainer.default_callbacks", "false", False),
        ("data.batch_size", "64", 64),
    ],
)
def test_values_become_what_the_argument_wants(printed, flag, given, value):
    head, name = flag.split(".")
    for words in ((f"--{flag}", given), (f"--{flag}={given}",)):
        found = printed(*words)[head][name]
        assert found == value
        assert type(found) is type(value)


def test_a_switch_needs_no_value(printed):
    assert printed("--trainer.fast_dev_run")["trainer"]["fast_dev_run"] is True
    assert printed("--trainer.fast_dev_run", "--seed", 1)["seed"] == 1


def test_dashes_and_underscores_are_one(printed):
    config = printed("--runs-dir", "a", "--trainer.max-epochs", 3)
    assert (config["runs_dir"], config["trainer"]["max_epochs"]) == ("a", 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--model.hidden", "abc"],
            "--model.hidden: expected tuple[int, ...] (such as 512,256), g",
        ),
        (["--model.lr", "fast"], "--model.lr: expected float, got 'fast'"),
        (["--trainer.max_epochs", "1.5"], "--trainer.max_epochs: expected int | None, got '1.5'"),
        (["--trainer.max_epochs"], "--trainer.max_epochs: expected int | None, got nothing"),
        (["--data.batch_size", "big"], "--data.batch_size: expected int, got 'big'"),
        (["--early_stopping.mode", "up", "--callback", "early_stopping"], "got 'up'"),
        (
            ["--lr_schedule.milestones", "3,x"],
            "--lr_schedule.milestones: expected list[int] | None, ",
        ),
        (["--seed", "one"], "--seed: expected int, got 'one'"),
        (["--config"], "argument --config: expected one argument"),
        (["--model"], "argument --model: expected one argument"),
        (["extra"], "unexpected 'extra'; arguments begin with two dashes"),
        (["-m", "mlp"], "unexpected '-m'; arguments begin with two dashes"),
    ],
)
def test_a_wrong_value_is_named_with_its_type(refused, words, message):
    assert message in refused("fit", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "mpl"], "no model is called 'mpl'; did you mean 'mlp'?"),
        (["--data", "digit"], "no dataset is called 'digit'; did you mean 'digits'?"),
        (["--callback", "early_stoping"], "did you mean 'early_stopping'?"),
        (["--model.hiden", 3], "model mlp has no argument --model.hiden; did you mean --model.hid"),
        (["--data.bach_size", 3], "data digits has no argument --data.bach_size; did you mean --d"),
        (["--trainer.max_epoch", 3], "argument --trainer.max_epoch; did you mean --trainer.max_ep"),
        (["--modell", "mlp"], "unknown argument --modell; did you mean --model?"),
        (["--run-dir", "x"], "unknown argument --run_dir; did you mean --runs_dir?"),
        (["--early_stopping.patience", 3], "need --callback early_stopping too"),
        (["--model", "nowhere:Net"], "model 'nowhere:Net' cannot be imported: No module named"),
        (["--model", "json:Net"], "model 'json:Net' cannot be imported: module 'json' has no"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(refused, words, message):
    assert message in refused("fit", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.activation", "foo"], "fit: model mlp: activation: expected one of relu, "),
        (["--trainer.max_epochs", -1], "fit: trainer: max_epochs: expected 0 or more, got -1"),
        (["--name", "a/b"], "fit: trainer: name: expected letters a to z, digits"),
        (["--data", "csv"], "fit: --data.path: expected str, got nothing"),
    ],
)
def test_a_value_that_its_owner_refuses_is_wrong_use(refused, words, message):
    assert message in refused("fit", *words)


# --- what is trained ----------------------------------------------------------------------------


def test_a_callback_named_twice_is_one(cli, mine):
    twice = ("--callback", "mine:Counter") * 2
    code, out, _ = cli("fit", *twice, "--Counter.text", "passed", *QUICK)
    assert code == 0
    assert out.count("passed 1\n") == 1


def test_a_model_and_data_of_ones_own(cli, mine):
    code, out, err = cli(
        "fit", "--model", "mine:Net", "--data", "mine:blobs", "--model.rate", 0.5,
        "--callback", "mine:Counter", "--Counter.text", "passed", "--trainer.max_epochs", 2,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "mine:Net on mine:blobs: 6 parameters, 20 train + 20 val samples" in out
    assert "passed 1\n" in out
    assert "run: runs/Net-blobs/" in out.replace("\\", "/")
    code, out, _ = cli("validate")
    assert code == 0
    assert "val accuracy  1.0000" in out


def test_data_tell_the_model_its_sizes_unless_the_user_does(cli, printed, mine):
    flags = ("--model", "mine:Net", "--data", "mine:blobs")
    assert "in_features" not in printed(*flags)["model"]
    assert printed(*flags, "--model.in_features", 3)["model"]["in_features"] == 3
    assert "in_features" not in printed(*flags, "--model.in_features", "none")["model"]
    code, _, err = cli("fit", *flags, "--model.in_features", 3, *QUICK)
    assert code == 1
    assert "last axis 3" in err


def test_a_model_is_given_the_data_of_its_name(printed):
    assert printed("--model", "polynomial")["data"]["name"] == "polynomial"
    assert printed("--data", "polynomial")["model"]["name"] == "polynomial"
    assert printed()["model"]["name"] == "mlp"


def test_defaults_are_those_of_the_library(printed):
    found = printed()
    model, trainer = (inspect.signature(c).parameters for c in (MLP, Trainer))
    for name, value in found["model"].items():
        default = model[name].default if name != "name" else "mlp"
        assert value == (list(default) if isinstance(default, tuple) else default)
    assert found["trainer"] == {name: trainer[name].default for name in found["trainer"]}


def test_data_that_cannot_be_made_fail(cli):
    code, _, err = cli("fit", "--data", "polynomial", "--data.n_train", 0)
    assert code == 1
    assert err.startswith("firstlight fit failed: polynomial: ")


def test_a_file_of_data_is_data(cli, tmp_path):
    rows = "\n".join(f"{i % 7},{i % 3},{(i % 7) / 7}" for i in range(60))
    (tmp_path / "my.csv").write_text(f"a,b,target\n{rows}\n")
    code, out, err = cli("fit", "--data", "my.csv", "--data.target", "target", *QUICK)
    assert (code, err) == (0, "")
    config = json.loads((latest_run(tmp_path / "runs") / "config.json").read_text())
    assert config["data"]["name"] == "csv"
    assert config["data"]["path"] == "my.csv"


def test_the_seed_chooses_the_weights(cli, tmp_path):
    def loss(seed, name):
        assert cli("fit", *QUICK, "--seed", seed, "--name", name)[0] == 0
        summary = latest_run(tmp_path / "runs") / "summary.json"
        return json.loads(summary.read_text())["metrics"]["train_loss"]

    assert loss(1, "a") == loss(1, "b") != loss(2, "c")


def test_workers_change_nothing_but_the_time(cli, tmp_path):
    def loss(*words):
        assert cli("fit", *QUICK, "--data.augment", "crop", *words)[0] == 0
        summary = latest_run(tmp_path / "runs") / "summary.json"
        return json.loads(summary.read_text())["metrics"]["train_loss"]

    assert loss() == loss("--num_workers", 2, "--workers", "threads")


def test_a_run_need_not_be_kept(cli, tmp_path):
    code, out, _ = cli("fit", *QUICK, "--runs-dir", "none")
    assert code == 0
    assert out.endswith("run: not kept\n")
    assert "test accuracy" in out
    assert not (tmp_path / "runs").exists()


def test_a_callback_that_raises_fails_the_run_and_is_named(cli, mine, tmp_path):
    code, _, err = cli("fit", "--callback", "mine:Broken", *QUICK)
    assert code == 1
    assert err.startswith("firstlight fit failed: ArithmeticError: no more\n")
    assert "raised by callback Broken (mine) in on_train_epoch_end" in err
    assert "Traceback" not in err
    assert "run: runs" in err
    summary = json.loads((latest_run(tmp_path / "runs") / "summary.json").read_text())
    assert summary["status"] == "failed"


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_debug_shows_the_traceback(cli, mine, monkeypatch, how):
    if how == "environment":
        monkeypatch.setenv("FIRSTLIGHT_DEBUG", "1")
    words = ["--debug"] if how == "flag" else []
    code, _, err = cli("fit", "--callback", "mine:Broken", *QUICK, *words)
    assert code == 1
    assert "Traceback" in err
    assert "ArithmeticError: no more" in err


def test_a_model_may_take_parts_and_arguments_without_types(cli, refused, mine):
    words = ("fit", "--model", "mine:Parts", "--data", "mine:blobs", *QUICK)
    assert cli(*words, "--model.width", 3)[0] == 0
    assert cli(*words, "--model.width", 3, "--model.loss", "CrossEntropyLoss")[0] == 0
    message = refused(*words)
    assert "model mine:Parts: Parts.__init__() missing 1 required positional argument: 'width'" in (
        message
    )


def test_what_is_not_data_or_model_is_refused(refused, mine):
    message = refused("fit", "--data", "mine:nothing")
    assert "expected a function that returns firstlight.DataSplits, got int" in message
    message = refused("fit", "--model", "mine:blobs", "--data", "digits")
    assert "expected a firstlight.Module, got DataSplits" in message
    message = refused("fit", "--callback", "mine:blobs")
    assert "implements no hook" in message
