"""callbacks.Check, and the fixture check_network."""

import json

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.callbacks import Check
from firstlight.testing import TinyNet, tiny_data, tiny_trainer


class Wrong(TinyNet):
    """Its backward has a minus too many."""

    def backward(self, dy):
        return -self.body.backward(dy)


def test_a_healthy_network_trains_without_a_word():
    check = Check(every_n_steps=1)
    trainer = tiny_trainer([check])
    assert trainer.status == "finished"
    assert check.report.ok


def test_its_table_is_kept_with_the_run():
    trainer = fl.Trainer(max_epochs=1, callbacks=[Check(), "tensorboard"])
    trainer.fit(TinyNet(), tiny_data())
    rows = json.loads((trainer.run.path / "gradients.json").read_text())
    assert {row["verdict"] for row in rows} <= {"ok", "note", "skipped"}
    assert any(row["group"] == "backward" for row in rows)


def test_a_wrong_network_is_told_before_the_first_step(quiet):
    def fit(action):
        trainer = fl.Trainer(max_epochs=1, callbacks=[Check(action)], **quiet)
        trainer.fit(Wrong(), tiny_data())
        return trainer

    with pytest.warns(UserWarning, match="Check: Wrong.backward .* sign"):
        assert fit("warn").step == 3
    with pytest.raises(ValueError, match="Check: Wrong.backward .* sign"):
        fit("raise")


def test_it_watches_the_training(line, line_data, quiet):
    net = line(lr=5.0)
    trainer = fl.Trainer(max_steps=2, callbacks=[Check(train=False, every_n_steps=1)], **quiet)
    with pytest.warns(UserWarning, match="moved body.weight by .* the learning rate is high"):
        trainer.fit(net, line_data)


@pytest.mark.parametrize("options", [{"action": "stop"}, {"every_n_steps": 0}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match="Check: .*: expected"):
        Check(**options)


def test_it_has_a_name():
    assert any(isinstance(c, Check) for c in fl.Trainer(callbacks=["check"]).callbacks)


def test_the_fixture_returns_the_report(check_network):
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    assert check_network(nn.Linear(3, 2), x).ok
    with pytest.raises(pytest.fail.Exception, match="1 finding"):
        check_network(Wrong(), tiny_data())
