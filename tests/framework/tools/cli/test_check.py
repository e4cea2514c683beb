"""firstlight check and firstlight explain."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def script(tmp_path):
    """A training script whose layer has its own, wrong backward."""
    path = tmp_path / "train.py"
    path.write_text(
        """
import numpy as np
import firstlight as fl
from firstlight import nn, optim

class Wrong(nn.Tanh):
    def backward(self, dy):
        return -super().backward(dy)

class Net(fl.Module):
    def __init__(self, hidden=16):
        first, last = nn.Linear(64, hidden), nn.Linear(hidden, 10)
        self.body = nn.Sequential(nn.Flatten(), first, Wrong(), last)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)

if __name__ == "__main__":
    print("training")
    fl.Trainer(max_epochs=1).fit(Net(), fl.datasets.load("digits"))
    raise SystemExit("it went on to train")
"""
    )
    return path


def test_check_is_quiet_on_a_healthy_network(cli):
    code, out, err = cli("check", "--model", "mlp", "--model.hidden", "16", "--data", "digits")
    assert (code, err) == (0, "")
    assert "MLP on digits: nothing wrong" in out
    assert "WRONG" not in out


def test_check_of_a_script_names_the_module_and_exits_with_1(cli, script):
    code, out, err = cli("check", script)
    assert (code, err) == (1, "")
    assert "wrong sign, body.2 (Wrong)" in out
    assert "training\n" not in out  # what the script prints stays out of the report


def test_check_as_json(cli, script):
    code, out, _ = cli("check", script, "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["data"]) == (1, False, "digits")
    (finding,) = report["findings"]
    assert (finding["kind"], finding["where"], finding["gradient"]) == ("sign", "body.2", "dx")
    assert {line["verdict"] for line in report["checks"]} == {"ok", "wrong", "skipped"}


def test_check_of_a_class_in_a_file(cli, script):
    for words in ([f"{script}:Net"], ["--model", f"{script}:Net"]):
        code, out, _ = cli("check", *words, "--model.hidden", 8, "--json")
        report = json.loads(out)
        assert (code, report["findings"][0]["where"]) == (1, "body.2")


def test_check_of_a_loop_by_hand_takes_the_only_model(cli, tmp_path):
    path = tmp_path / "loop.py"
    path.write_text(
        "import firstlight as fl\nfrom firstlight import nn\n"
        "model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\nloss = nn.CrossEntropyLoss()\n"
        "digits = fl.datasets.load('digits')\n"
    )
    code, out, _ = cli("check", path)
    assert code == 0
    assert "gradient of training_step" in out
    path.write_text(path.read_text() + "other = nn.Sequential(nn.Linear(64, 10))\n")


def test_check_says_what_it_cannot_use(refused, tmp_path):
    assert "no script or run nothing.py" in refused("check", "nothing.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "notes.ipynb").write_text("{}")
    assert "jupyter nbconvert --to script" in refused("check", tmp_path / "notes.ipynb")
    assert "did you mean 'mlp'?" in refused("check", "--model", "mpl")
    assert "cannot be imported" in refused("check", "--model", f"{tmp_path / 'empty.py'}:Net")


def test_explain_prints_forward_and_backward(cli):
    code, out, err = cli("explain", "--model", "mlp", "--model.hidden", "4", "--samples", "2")
    assert (code, err) == (0, "")
    forward, backward = out.split("─ backward ─")
    assert "body.0 (Linear)" in forward
    assert "y = x Wᵀ + b" in forward
    assert backward.index("body.4 (Linear)") < backward.index("body.0 (Linear)")
    assert "dW_oi = Σ_n dy_no x_ni" in backward
    assert "weight.grad" in backward


def test_explain_writes_a_page(cli, refused, script, tmp_path):
    code, out, _ = cli("explain", script, "--output", tmp_path / "step.html")
    assert (code, out) == (0, f"page: {tmp_path / 'step.html'}\n")
    page = (tmp_path / "step.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "body.2 <span>Wrong</span>" in page
    assert "def backward(self, dy):" in page  # a class without a formula shows its code
    assert "expected a name that ends in .html" in refused("explain", "--output", "step.txt")
    assert "expected 1 or more, got 0" in refused("explain", "--samples", "0")


@pytest.mark.slow
def test_a_run_is_examined_with_its_own_model_and_weights(cli, refused):
    fit = ("fit", "--trainer.max_epochs", "8", "--name", "one", "--model.hidden", "7")
    assert cli(*fit)[0] == 0
    (run,) = Path("runs", "one").iterdir()
    code, out, err = cli("explain", str(run), "--samples", "2")
    assert (code, err) == (0, "")
    assert "(2, 7)" in out
    code, out, _ = cli("check", "one", "--json")
    assert code == 0
    start = {line["subject"]: line for line in json.loads(out)["checks"]}["loss at the start"]
    assert float(start["detail"]) < 2, "not that of new weights, log 10"
    assert "leave --model out" in refused("explain", str(run), "--model", "cnn")
    assert "no config.json" in refused("explain", "..")
    assert "arguments of a script" in refused("explain", str(run), "--", "--epochs", "2")
