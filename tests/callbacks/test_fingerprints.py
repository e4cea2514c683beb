"""Fingerprints in the run folder, and `firstlight runs diverge`."""

import json
from pathlib import Path

import numpy as np
import pytest

import firstlight as fl
from firstlight.callbacks import Fingerprints, ModelCheckpoint
from firstlight.checkpoints.fingerprints import fingerprint, first_difference, read_fingerprints
from firstlight.runs.find import latest_run
from firstlight.testing import TinyNet, tiny_data
from firstlight.tools.cli.main import main


class Nudge(fl.Callback):
    """Changes one parameter, by the least possible, after a step."""

    role = fl.Role.WRITER

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, module):
        if trainer.step == self.step:
            weight = module.body[3].bias.data
            weight[0] = np.nextafter(weight[0], np.float32(9))


def fit(name, *callbacks, every=1, resume=None, seed=0, **settings):
    callbacks = [*callbacks, Fingerprints(every), ModelCheckpoint()]
    settings = {"max_epochs": 3, "default_callbacks": False} | settings
    trainer = fl.Trainer(callbacks=callbacks, name=name, seed=seed, **settings)
    trainer.fit(TinyNet(), tiny_data(), resume=resume)
    return trainer


def test_one_a_step_and_one_before_the_first():
    trainer = fit("a", every=4)
    found = read_fingerprints(trainer.run.path)
    assert list(found) == [0, 4, 8]
    last = fit("b", every=9).module
    assert read_fingerprints(latest_run("runs"))[9] == fingerprint(last)


def test_a_resumed_run_has_each_step_once():
    fit("whole")
    fit("parts", max_steps=4)
    path = latest_run("runs") / "fingerprints.jsonl"
    with path.open("a") as file:
        # Of a process that was killed, and had come further than its last checkpoint.
        file.write('{"step": 5, "hashes": {}}\n{"step": 99, "hashes": {}}\n{"step": 6, "ha')
    resumed = fit("parts", seed=3, resume="last")
    whole, parts = (read_fingerprints(folder) for folder in sorted_runs("whole", "parts"))
    assert parts == whole
    assert len(path.read_text().splitlines()) == len(whole)
    assert resumed.run.id == sorted_runs("parts")[0].name


def sorted_runs(*names):
    return [max(path for path in (Path("runs") / name).iterdir()) for name in names]


def test_the_first_difference():
    one = {0: {"w": "a", "b": "a"}, 5: {"w": "b", "b": "b"}, 10: {"w": "c", "b": "c"}}
    assert first_difference(one, dict(one)) is None
    assert first_difference(one, {0: one[0], 7: {}, 10: {"w": "x", "b": "c"}}) == (10, ["w"])
    assert first_difference(one, {5: {"w": "b", "v": "a"}}) == (5, ["b", "v"])


def test_the_command_names_step_and_parameter(capsys):
    fit("a")
    fit("b", Nudge(5))
    assert main(["runs", "diverge", "a", "b"]) == 1
    out = capsys.readouterr().out
    assert "the runs differ first at step 5; they still agree at step 4\n" in out
    assert "1 of 4 parameters and buffers differ: body.3.bias\n" in out
    assert main(["runs", "diverge", "a", "b", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["diverges_at"], told["parameters"]) == (5, ["body.3.bias"])
    assert main(["runs", "diverge", "a", "a"]) == 0
    assert "agree at all 10 steps they share, the last is step 9" in capsys.readouterr().out
    fit("c", Nudge(0), every=3, seed=1)  # another order of the batches
    path = latest_run("runs") / "fingerprints.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert main(["runs", "diverge", "a", "c"]) == 1
    assert "differ first at step 3; they never agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["diverge", "a"], "the following arguments are required: RUN"),
        (["diverge"], "the following arguments are required: RUN"),
        (["diverge", "a", "zebra"], "no run zebra in runs; the newest are: "),
        (["diverge", "a", "plain"], "does not exist; train with --callback fingerprints"),
        (["diverge", "a", "later"], "the two runs have no step in common"),
    ],
)
def test_wrong_use(words, message, capsys):
    fit("a")
    plain = fl.Trainer(max_epochs=1, default_callbacks=False, name="plain")
    plain.fit(TinyNet(), tiny_data())
    later = fit("later")
    (later.run.path / "fingerprints.jsonl").write_text('{"step": 77, "hashes": {}}\n')
    assert main(["runs", *words]) == 2
    assert message in capsys.readouterr().err


def test_bad_interval():
    with pytest.raises(ValueError, match="every_n_steps: expected 1 or more, got 0"):
        Fingerprints(0)
