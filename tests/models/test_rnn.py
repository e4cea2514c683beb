import numpy as np
import pytest
from campaigns import slow_but

import firstlight as fl
from firstlight.models import RNN
from firstlight.support.gradcheck import check_gradients

every_kind = pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])


@every_kind
def test_gradients(kind):
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 2))
    check_gradients(RNN((4, 5, 2), 3, kind=kind, hidden=6, num_layers=2), x)


@every_kind
def test_rows_are_the_steps_and_the_last_decides(kind):
    rng = np.random.default_rng(0)
    net = RNN((4, 5, 2), 3, kind=kind, hidden=6)
    x = rng.standard_normal((3, 4, 5, 2)).astype("float32")
    h = net.recurrent(x.reshape(3, 4, 10))
    np.testing.assert_array_equal(net(x), net.head(h[:, -1]))


@pytest.mark.parametrize("kind", slow_but(["rnn", "gru", "lstm"], "gru"))
def test_learns_digits(kind):
    digits = fl.datasets.load("digits")
    trainer = fl.Trainer(max_epochs=6, seed=0, runs_dir=None, default_callbacks=False)
    trainer.fit(RNN((8, 8, 1), 10, kind=kind, hidden=64, lr=5e-3), digits)
    assert trainer.test(trainer.module, digits)["test_acc"] >= 0.9


def test_registered():
    registries, _ = fl.plugins.discover()
    assert registries["model"].get("rnn") is RNN


def test_errors():
    with pytest.raises(ValueError, match="kind: expected one of rnn, gru, lstm, got 'tcn'"):
        RNN((4, 5), 3, kind="tcn")
    with pytest.raises(ValueError, match=r"RNN: expected input_shape \(T, I\) or .* got \(64,\)"):
        RNN((64,), 3)
    with pytest.raises(ValueError, match=r"RNN: expected x of shape \(N, 4, 5\), got \(2, 5, 4\)"):
        RNN((4, 5), 3)(np.ones((2, 5, 4), "float32"))
