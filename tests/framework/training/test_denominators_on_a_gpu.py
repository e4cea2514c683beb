"""What counts, on a GPU: captured and not, without waiting for the device."""

import numpy as np
import pytest
from nets import FloatNet

import firstlight as fl
from firstlight import Trainer, callbacks, nn

pytestmark = pytest.mark.gpu

COUNT = 24
WEIGHT = [1.0, 0.2, 5.0]


def net(loss):
    return FloatNet(loss, lr=0.1)


def labels():
    """Labels of which many are ignored: all of the first four, and of others some."""
    y = np.random.default_rng(0).integers(0, 3, COUNT)
    y[[0, 1, 2, 3, 9, 10, 11, 17]] = -100
    return y


def numbers(*shape, seed=2):
    return np.random.default_rng(seed).standard_normal((COUNT, *shape))


def splits(y):
    return fl.ArrayDataset(numbers(5, seed=1), y, dtype="float64")


CASES = {
    "ignored": (lambda: net(nn.CrossEntropyLoss()), labels),
    "weights and ignored": (lambda: net(nn.CrossEntropyLoss(WEIGHT)), labels),
    "smoothing": (lambda: net(nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2)), labels),
    "sum": (lambda: net(nn.CrossEntropyLoss(WEIGHT, reduction="sum")), labels),
    "regression": (lambda: net(nn.HuberLoss()), lambda: numbers(3)),
}


def trained(make, y, batch_size, accumulate, device="cpu"):
    module = make()
    trainer = Trainer(
        max_epochs=1,
        accumulate_grad_batches=accumulate,
        default_callbacks=False,
        runs_dir=None,
        log_every_n_steps=1,
        device=device,
    )
    history = trainer.fit(module, fl.DataLoader(splits(y), batch_size))
    return module.state_dict(), {n: v for n, v in history.last().items() if n[:5] == "train"}


@pytest.mark.parametrize("name", ["weights and ignored", "smoothing", "sum"])
def test_a_gpu_counts_alike(name):
    make, target = CASES[name]
    expected, logged = trained(make, target(), COUNT, 1)
    found, also_logged = trained(make, target(), 4, 99, device="cuda")
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, err_msg=key, rtol=1e-9, atol=1e-9)
    assert also_logged == pytest.approx(logged, rel=1e-9)


@pytest.mark.forms
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", ["weights and ignored", "sum", "regression"])
def test_captured_steps_count_as_others_and_do_not_wait(name, accumulate, counts):
    make, target = CASES[name]

    def run(capture):
        waits = []
        see = callbacks.LambdaCallback(on_train_batch_end=lambda: waits.append(counts["waits"]))
        trainer = Trainer(
            max_epochs=3,
            accumulate_grad_batches=accumulate,
            default_callbacks=False,
            runs_dir=None,
            callbacks=[see],
            device="cuda",
            capture=capture,
        )
        module = make()
        history = trainer.fit(module, fl.DataLoader(splits(target()), 4))
        assert bool(trainer.loop.step.graphs) == capture
        steps = len(waits) // 3
        assert [len(set(waits[i * steps : (i + 1) * steps])) for i in range(3)] == [1, 1, 1]
        return module.state_dict(), history["train_loss"]

    state, losses = run(True)
    expected, expected_losses = run(False)
    assert losses == expected_losses
    for key, array in expected.items():
        np.testing.assert_array_equal(state[key], array, err_msg=key)


@pytest.mark.parametrize("capture", [True, False])
def test_on_a_gpu_too_a_step_in_which_nothing_counts_has_no_gradient(capture):
    y, norms = np.zeros(COUNT, int), []
    y[4:] = -100
    see = callbacks.LambdaCallback(
        on_before_optimizer_step=lambda optimizer: norms.append(float(optimizer.grad_norm()))
    )
    trainer = Trainer(
        max_epochs=1,
        accumulate_grad_batches=2,
        default_callbacks=False,
        runs_dir=None,
        callbacks=[see],
        device="cuda",
        capture=capture,
    )
    trainer.fit(CASES["ignored"][0](), fl.DataLoader(splits(y), 4))
    assert norms[0] > 0
    assert norms[1:] == [0, 0]
