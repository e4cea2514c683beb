"""``firstlight profile``: the table of a model by names, and of a run."""

import json

import pytest

import firstlight as fl

FEW = ("--warm-up", 1, "--steps", 2)


def test_a_model_by_names(cli, tmp_path):
    words = ("--model", "mlp", "--model.hidden", "16", "--data", "digits", "--seed", 3)
    code, out, err = cli("profile", *words, *FEW, "--output", "trace.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["layer", "class", "forward", "ms"]
    assert any(line.startswith("body.0 ") and " Linear " in line for line in lines)
    for part in ("loss", "data (next batch)", "optimizer", "zeroing gradients", "rest", "sum"):
        assert any(line.startswith(part) for line in lines), part
    assert lines[-1] == "trace for https://ui.perfetto.dev: trace.json"
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert len([event for event in trace["traceEvents"] if event.get("cat") == "step"]) == 2
    assert not (tmp_path / "runs").exists()


def test_as_json(cli):
    code, out, _ = cli("profile", *FEW, "--json", "--callback", "nan_guard")
    found = json.loads(out)
    assert code == 0
    assert found["layers"][2]["name"] == "body.0"
    assert found["layers"][2]["flops"] > 0
    assert "callback NaNGuard" in found["parts"]
    total = sum(layer["forward_ms"] + layer["backward_ms"] for layer in found["layers"])
    assert total + sum(found["parts"].values()) == pytest.approx(found["step_ms"])


def test_the_model_of_a_run(cli, trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    code, out, err = cli("profile", "latest", *FEW)
    assert (code, err) == (0, "")
    assert "BatchNorm1d" in out
    config = next((trained[0] / "runs").glob("*/*")) / "config.json"
    assert json.loads(config.read_text())["model"]["hidden"] == [32, 16]
    assert cli("profile", "--config", config.parent, *FEW)[0] == 0


def test_a_run_keeps_its_schedule_of_accumulation(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = fl.Trainer(max_epochs=1, accumulate_grad_batches={1: 2, 3: 4}, name="windows")
    trainer.fit(fl.models.MLP(64, 10, hidden=(4,)), fl.datasets.load("digits"))
    assert cli("profile", "windows", *FEW)[0] == 0


def test_help_and_refusals(cli, refused):
    assert "--warm-up N" in cli("profile", "--help")[1]
    assert "did you mean --model?" in refused("profile", "--modle", "mlp")
    assert "leave out RUN, or the names" in refused("profile", "latest", "--model", "mlp")
    assert "expected 1 or more, got 0" in refused("profile", "--steps", 0)
    assert "expected 0 or more, got -1" in refused("profile", "--warm-up", -1)
    assert ".json" in refused("profile", "--output", "trace.txt")
    assert "trainer.max_epochs" in refused("profile", "--trainer.max_epochs", 3)
    assert "no run" in refused("profile", "nowhere")
