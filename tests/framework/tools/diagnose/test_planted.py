"""Planted mistakes are found: the right module, and the right kind."""

import pytest
from campaigns import slow_but
from planted_layers import LAYERS
from planted_scripts import SCRIPT, SCRIPTS, planted

import firstlight as fl
from firstlight.tools.diagnose import check
from firstlight.tools.diagnose.script import trainings


def checked(script):
    """Check the first training of a script."""
    first = trainings(script)[0][0]
    return check(first.model, first.data)


FAST_LAYERS = [
    "linear: dx with a minus",
    "linear: db a mean",
    "linear: W transposed in dx",
    "dropout: a new mask",
    "batchnorm: variance's term",
    "embedding: repeated tokens",
]
FAST_SCRIPTS = [
    "labels shifted against the inputs",
    "too few classes",
    "by hand: dy with a minus",
    "written out: w2 replaced",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(LAYERS, *FAST_LAYERS))
def test_a_mistake_in_a_layer_is_named(name, generous_budgets):
    make, where, kind = LAYERS[name]
    report = check(make(), fl.datasets.load("digits"), train=False)
    assert [(one.where, one.kind) for one in report.findings] == [(where, kind)], str(report)


@pytest.mark.parametrize("name", slow_but(SCRIPTS, *FAST_SCRIPTS))
def test_a_mistake_in_a_training_script_is_named(name, tmp_path, generous_budgets):
    script = tmp_path / "train.py"
    script.write_text(planted(name))
    _, where, kind = SCRIPTS[name]
    report = checked(script)
    assert report.findings, str(report)
    assert (report.findings[0].where, report.findings[0].kind) == (where, kind), str(report)


def test_the_script_without_mistakes_is_fine(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    report = checked(script)
    assert report.ok, str(report)
    assert not report.notes


def test_what_was_found_is_told_with_what_to_do(tmp_path):
    make, *_ = LAYERS["linear: db a mean"]
    report = check(make(), fl.datasets.load("digits"))
    (finding,) = report.findings
    assert finding.gradient == "bias"
    assert "a factor is the batch size" in finding.message
    assert finding.at.code.startswith("self.bias.grad += dy_rows.mean(axis=0)")
    assert finding.cure.startswith("self.bias.grad += dy_rows.sum(axis=0)")
    assert finding.next.startswith("where the mean over the batch is taken")
    text = str(report)
    assert "factor of the batch size, body.2 (Linear)" in text
    assert "backward is wrong" in text  # why nothing was trained


def test_what_follows_from_a_finding_is_not_another_one(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(planted("pixels from 0 to 255"))
    report = checked(script)
    assert [one.kind for one in report.findings] == ["input-scale"]
    verdicts = {line.subject: line.verdict for line in report.checks}
    assert verdicts["scale of the inputs"] == "wrong"
    assert verdicts["loss at the start"] == "skipped"


def test_two_wrong_modules_are_both_named():
    make, where, kind = LAYERS["residual: shortcut forgotten"]
    net = make()
    net.body[0].body = LAYERS["linear: db a mean"][0]().body[2].__class__(64, 64)
    report = check(net, fl.datasets.load("digits"), train=False)
    named = {one.where: one.kind for one in report.findings}
    assert named == {"body.0": "term", "body.0.body": "batch-factor"}, str(report)


@pytest.mark.slow
def test_nothing_is_found_in_cnn_and_gpt():
    images = fl.datasets.load("digits")
    assert check(fl.models.CNN((8, 8, 1), 10), images).ok
    text = fl.datasets.load("text", block_size=64)
    assert check(fl.models.GPT(text.tokenizer.vocab_size, 64), text).ok
