"""Scripts: every training is checked, loops by hand are watched, nothing is written."""

import json
import textwrap
from pathlib import Path

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.diagnose import check
from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.script import trainings

LOOP = """
import numpy as np
import firstlight as fl
from firstlight import nn, optim

x, y = fl.datasets.load("digits").train.arrays
x = x.reshape(len(x), -1).astype("float32") / 16
net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
loss = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=1e-3)
for start in range(0, 320, 32):
    loss(net(x[start : start + 32]), y[start : start + 32])
    net.backward(loss.backward())
    optimizer.step()
    optimizer.zero_grad()
"""
BY_HAND = """
    for p in net.parameters():
        p.data -= 0.1 * p.grad
        p.grad[...] = 0
"""
UPDATE = "    optimizer.step()\n    optimizer.zero_grad()\n"
TWO = """
import sys
import firstlight as fl
from firstlight import nn, optim

class Wrong(nn.Tanh):
    def backward(self, dy):
        return -super().backward(dy)

class Net(fl.Module):
    def __init__(self, activation):
        layers = nn.Linear(64, 16), activation, nn.Linear(16, 10)
        self.body = nn.Sequential(nn.Flatten(), *layers)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)

results = {}
for activation in (nn.Tanh(), Wrong()):
    net, data, trainer = Net(activation), fl.datasets.load("digits"), fl.Trainer(max_epochs=9)
    history = trainer.fit(net, data)
    trainer.test(net, data, checkpoint="best")
    int(sys.argv[2])
    results[activation] = history["val_loss"][-1]
open("results.txt", "w").write(str(results))
raise SystemExit("it went on")
"""
PLAIN = """
class Layer:
    def forward(self, x):
        return 2 * x
    def backward(self, dy):
        return 2 * dy
Layer().forward(3.0)
"""


@pytest.fixture
def write(tmp_path):
    """Write a script where the test runs."""

    def written(text):
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(text))
        return path

    return written


def loop_findings(training):
    (loop,) = [one for one in training.evidence if isinstance(one, TrainingLoop)]
    return ask(loop)


@pytest.fixture
def cli(capsys):
    """Run the command; give back its exit code, output and errors."""

    def run(*words):
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("zeroed", [False, True])
def test_zero_grad_forgotten_in_a_loop_by_hand(write, by_hand, zeroed):
    source = LOOP.replace(UPDATE, BY_HAND) if by_hand else LOOP
    if not zeroed:
        source = source.replace("    optimizer.zero_grad()\n", "").replace("p.grad[...] = 0", "")
    ((training,), ended) = trainings(write(source))
    assert ended == ""
    findings = loop_findings(training)
    assert [one.kind for one in findings] == ([] if zeroed else ["zero-grad"])
    if not zeroed:
        assert findings[0].at.code in ("optimizer.step()", "p.data -= 0.1 * p.grad")


def test_micro_batches_before_an_update_are_no_forgotten_zero_grad(write):
    source = LOOP.replace("    optimizer.step()\n    optimizer.zero_grad()\n", "")
    source += "    if start % 64:\n        optimizer.step()\n        optimizer.zero_grad()\n"
    ((training,), _) = trainings(write(source))
    assert loop_findings(training) == []


@pytest.mark.slow
def test_a_loop_by_hand_gives_its_own_samples_loss_and_optimizer(write):
    ((training,), _) = trainings(write(LOOP.replace("lr=1e-3", "lr=5.0")))
    x, y = training.data
    assert (x.shape, y.shape) == ((320, 64), (320,))
    assert training.place == "the loop that trains net"
    report = check(training.model, training.data)
    assert [one.kind for one in report.findings] == ["lr-high"], str(report)
    fine = check(*[vars(trainings(write(LOOP))[0][0])[name] for name in ("model", "data")])
    assert fine.ok, str(fine)


def test_a_long_loop_is_watched_for_some_steps_only(write):
    source = LOOP.replace("range(0, 320, 32)", "list(range(0, 320, 32)) * 10_000")
    ((training,), ended) = trainings(write(source))
    assert ended == "its loop was observed for its first steps only"
    assert len(training.data[0]) == 320


def test_two_modules_of_one_loop_are_both_found(write):
    source = LOOP.replace(
        "net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))",
        "first, net = nn.Linear(64, 32), nn.Linear(32, 10)",
    )
    source = source.replace("net(x[start : start + 32])", "net(first(x[start : start + 32]))")
    source = source.replace(
        "net.backward(loss.backward())", "first.backward(net.backward(loss.backward()))"
    )
    found, _ = trainings(write(source))
    assert [one.place for one in found] == [
        "the loop that trains first",
        "the loop that trains net",
    ]
    assert [isinstance(one.data, tuple) for one in found] == [False, True]


@pytest.mark.slow
def test_every_fit_is_checked_and_nothing_is_written(write, cli, tmp_path):
    path = write(TWO)
    code, out, _ = cli("check", path, "--", "--epochs", "3")
    assert code == 1
    assert "2 trainings: Trainer.fit in line 28; Trainer.fit in line 28" in out
    assert "it ran until it would write results.txt" in out
    assert out.count("Net on digits") == 2
    assert "wrong sign, body.2 (Wrong)" in out
    assert [one.name for one in tmp_path.iterdir()] == ["train.py"]


def test_several_trainings_as_json(write, cli):
    code, out, _ = cli("check", write(TWO), "--json", "--", "x", "1")
    found = json.loads(out)
    assert (code, found["ok"]) == (1, False)
    assert [one["ok"] for one in found["reports"]] == [True, False]


def test_a_script_that_fails_after_a_fit_says_where(write):
    found, ended = trainings(
        write(TWO.replace("results[activation]", "results[nothing]")), ["x", "1"]
    )
    assert len(found) == 1
    assert ended.startswith("it ran to line 31, which raises NameError")


def test_classes_of_plain_numpy_are_told_what_they_need(write, cli):
    code, message, _ = cli("check", write(PLAIN))
    assert code == 3
    assert "no loop of the script trains Layer; derived from firstlight.Module" in " ".join(
        message.split()
    )
    with pytest.raises(TypeError, match=r"check: expected a firstlight.Module object, got float"):
        check(3.0, None)


UNTRAINED = {
    "x = 1": "no training was found: no Trainer.fit",
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('rate')\np.parse_args()": (
        "train.py: error: the following arguments are required: rate"
    ),
    "raise SystemExit('no data')": "it ends itself: no data",
    "w = 0.0\nfor step in range(9):\n    w -= 0.2 * (w - 3)": "the loop changes w, but computes no",
}


@pytest.mark.parametrize("source", UNTRAINED)
def test_a_script_without_a_training_is_not_judged(source, write, cli):
    code, out, _ = cli("check", write(source))
    assert code == 3
    assert UNTRAINED[source] in " ".join(out.split())
    assert ": not judged, " in " ".join(out.split())
    assert "WRONG" not in out


EACH = LOOP.replace("nn.CrossEntropyLoss()", 'nn.CrossEntropyLoss(reduction="none")').replace(
    "loss.backward()", "loss.backward(np.full(32, 1 / 32, 'float32'))"
)
TWO_OPTIMIZERS = LOOP.replace(
    "optimizer = optim.Adam(net.parameters(), lr=1e-3)",
    "optimizer = optim.Adam(net[0].parameters(), lr=1e-3)\n"
    "other = optim.SGD(net[2].parameters(), lr=0.1)",
).replace("optimizer.step()\n", "optimizer.step()\n    other.step()\n    other.zero_grad()\n")


@pytest.mark.parametrize("source", [EACH, TWO_OPTIMIZERS], ids=["each loss", "two optimizers"])
def test_loops_that_a_trainer_would_write_otherwise_are_right(source, write, cli):
    code, out, _ = cli("check", write(source))
    assert code == 0, out


def test_a_check_that_fails_says_so_and_the_others_go_on(write, cli, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("of the check")

    monkeypatch.setattr("firstlight.tools.diagnose.script.step_evidence", broken)
    monkeypatch.setattr("firstlight.tools.diagnose.script.sample_flow", broken)
    code, out, _ = cli("check", write(LOOP), "--json")
    assert code == 0
    failed = [one for one in json.loads(out)["checks"] if one["verdict"] == "unjudged"]
    assert [one["detail"] for one in failed] == ["ZeroDivisionError: of the check"] * 2
    words = " ".join(cli("check", write(LOOP))[1].split())
    assert "nothing wrong in what could be judged" in words


def test_a_script_may_change_the_folder(write, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = cli("check", write("import os\nos.chdir('/')\nw = undefined").name)
    assert code == 1
    assert "train.py:3: w = undefined" in out
    assert Path.cwd() == tmp_path


def test_all_of_a_report_is_german(write, cli):
    _, out, _ = cli("check", write("w = undefined"), "--language", "de")
    assert "geprüft" in out
    assert "FALSCH" in out
    assert "löst eine Ausnahme aus, Skript" in out


def test_arguments_need_a_script(cli):
    code, _, message = cli("check", "--model", "mlp", "--", "3")
    assert code == 2
    assert "are arguments of a script, but none is named" in message
