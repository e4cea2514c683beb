"""``firstlight fit --config``: settings from files."""

import json

import pytest
import yaml


def test_a_file_may_say_it_as_a_flag_does(printed, tmp_path):
    (tmp_path / "x.yaml").write_text("model: {hidden: '5,6', norm: none, lr: 1e-2}\ntrainer:\n")
    model = printed("--config", "x.yaml")["model"]
    assert (model["hidden"], model["norm"], model["lr"]) == ([5, 6], None, 0.01)


def test_dashes_in_a_file_are_underscores(printed, tmp_path):
    (tmp_path / "x.yaml").write_text("runs-dir: elsewhere\n")
    assert printed("--config", "x.yaml")["runs_dir"] == "elsewhere"


def test_configs_compose_and_flags_win(printed, tmp_path):
    (tmp_path / "base.yaml").write_text(
        "model: {name: mlp, hidden: [8, 8], lr: 1e-2}\n"
        "trainer: {max_epochs: 7, val_every: 500 steps}\n"
        "callbacks: [early_stopping]\nseed: 5\n"
    )
    (tmp_path / "more.json").write_text(
        json.dumps({"trainer": {"max_epochs": 8}, "callbacks": {"early_stopping": {"patience": 9}}})
    )
    found = printed("--seed", 6, "--config", "base.yaml", "--config", "more.json")
    assert found["model"]["hidden"] == [8, 8]
    assert found["model"]["lr"] == 0.01
    assert found["trainer"]["max_epochs"] == 8
    assert found["trainer"]["val_every"] == "500 steps"
    assert found["callbacks"]["early_stopping"]["patience"] == 9
    assert found["seed"] == 6


@pytest.mark.parametrize("every", ["10:00", "1:30:00", "10 min", "0.25"])
def test_an_interval_in_a_file_is_read_as_on_the_command_line(printed, tmp_path, every):
    (tmp_path / "one.yaml").write_text(f"trainer: {{val_every: {every}, max_time: {every}}}")
    in_file = printed("--config", "one.yaml")["trainer"]
    given = printed("--trainer.val_every", every, "--trainer.max_time", every)["trainer"]
    assert in_file == given
    assert str(in_file["val_every"]) == every


def test_the_printed_config_is_a_config(printed, tmp_path):
    flags = ["--model.hidden", "5,6", "--callback", "early_stopping", "--early_stopping.patience"]
    config = printed(*flags, 4, "--name", "x", "--data.seed", 3)
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(config))
    assert printed("--config", "all.yaml") == config


def test_another_model_drops_what_was_said_of_the_first(printed, tmp_path):
    (tmp_path / "mlp.yaml").write_text("model: {name: mlp, hidden: [8]}\ndata: digits\n")
    found = printed("--config", "mlp.yaml", "--model", "polynomial", "--model.degree", 2)
    assert found["model"] == {"name": "polynomial", "degree": 2, "lr": 0.03, "weight_decay": 0.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {hiden: 3}", "x.yaml: model mlp has no argument model.hiden; did you mean model"),
        ("trainr: {max_epochs: 3}", "x.yaml: unknown argument trainr.max_epochs; did you mean tr"),
        ("trainer: {max_epochs: many}", "x.yaml: trainer.max_epochs: expected int | None, got '"),
        ("trainer: 3", "x.yaml: trainer: expected its arguments by name, got 3"),
        ("model: {hidden: {a: 3}}", "x.yaml: model.hidden: expected tuple[int, ...] (such as 512,"),
        ("sed: 3", "x.yaml: unknown argument sed; did you mean seed?"),
        ("model: [mlp]", "x.yaml: model: expected a name, got ['mlp']"),
        ("callbacks: [3]", "x.yaml: callback: expected a name, got 3"),
        ("callbacks: {early_stopping: 3}", "x.yaml: callbacks.early_stopping: expected its argum"),
        ("- a", "--config x.yaml: expected settings by name, got ['a']"),
        ("a: [1", "--config x.yaml: not YAML or JSON: while parsing"),
        (None, "--config x.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_name(refused, tmp_path, text, message):
    if text is not None:
        (tmp_path / "x.yaml").write_text(text)
    assert message in refused("fit", "--config", "x.yaml")


def test_a_folder_without_settings_is_told_by_the_missing_file(refused, tmp_path):
    (tmp_path / "runs").mkdir()
    assert "--config runs/config.json: cannot be read" in refused("fit", "--config", "runs")


def test_an_unknown_name_in_a_file_is_told_with_the_file(refused, tmp_path):
    (tmp_path / "settings.yaml").write_text("data: mnst\n")
    said = refused("fit", "--config", "settings.yaml")
    assert "settings.yaml: no dataset is called 'mnst'; did you mean 'mnist'?" in said
