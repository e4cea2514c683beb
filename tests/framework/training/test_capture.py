"""Passes captured as graphs: the same bits as launch by launch, and why not."""

import logging

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import Trainer, callbacks, models, nn, optim
from firstlight.support import backend

# A graph takes products of ours and random numbers drawn on the GPU.
pytestmark = [pytest.mark.forms, pytest.mark.gpu]


def images(count=22, size=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, size, size, 1), "float32"), rng.integers(0, 10, count)


def tokens(count=10, length=6):
    rng = np.random.default_rng(1)
    return rng.integers(0, 11, (count, length)), rng.integers(0, 11, (count, length))


class Net(nets.Net):
    """Layers of every kind that has a kernel, dropout among them."""

    def __init__(self, make=lambda p: optim.AdamW(p, lr=1e-2)):
        super().__init__(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(36, 12),
            nn.LayerNorm(12),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(12, 10),
            optimizer=make,
        )


class Signals(nets.Net):
    """Layers of signals, both directions, and weights that are computed."""

    def __init__(self):
        super().__init__(
            nn.Reshape(16, 4),
            nn.SpectralNorm(nn.Conv1d(4, 6, 3, padding=1)),
            nn.MaxPool1d(2),
            nn.Concatenate(nn.Identity(), nn.WeightNorm(nn.Conv1d(6, 4, 3, padding=1))),
            nn.LSTM(10, 5, 2, bidirectional=True),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(10, 10),
            optimizer=lambda p: optim.SGD(p, lr=0.1),
        )


def trained(make, data, **settings):
    fl.seed_everything(3)
    module = make()
    settings = {"max_epochs": 2, "device": "cuda", "log_every_n_steps": 2} | settings
    trainer = Trainer(default_callbacks=False, runs_dir=None, **settings)
    loader = fl.DataLoader(data, batch_size=4, shuffle=True)
    history = trainer.fit(module, loader)
    return trainer, module.state_dict(), history["train_loss"]


CASES = {
    "everything": (Net, images(), {}),
    "accumulation": (Net, images(), {"accumulate_grad_batches": 2}),
    "accumulation by epoch": (Net, images(), {"accumulate_grad_batches": {1: 1, 2: 3}}),
    "sgd": (lambda: Net(lambda p: optim.SGD(p, lr=0.1, momentum=0.9)), images(), {}),
    "rmsprop": (lambda: Net(lambda p: optim.RMSprop(p, lr=1e-3)), images(), {}),
    "signals": (Signals, images(), {}),
    "gpt": (
        lambda: models.GPT(vocab_size=11, block_size=6, n_layer=2, n_head=2, n_embd=8, dropout=0.2),
        tokens(),
        {},
    ),
}


def test_recomputing_draws_the_same_masks_again():
    def make(recompute):
        sizes = {"vocab_size": 11, "block_size": 6, "n_layer": 2, "n_head": 2, "n_embd": 8}
        return lambda: models.GPT(**sizes, dropout=0.3, recompute=recompute)

    states = [trained(make(recompute), tokens())[1] for recompute in (True, False)]
    trainer, _, _ = trained(make(True), tokens())
    assert trainer.loop.step.graphs
    for key, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][key], err_msg=key)


@pytest.mark.parametrize("name", CASES)
def test_a_captured_training_has_the_bits_of_an_uncaptured_one(name):
    make, data, settings = CASES[name]
    trainer, state, losses = trained(make, data, **settings)
    assert trainer.loop.step.reason is None
    assert trainer.loop.step.graphs, "nothing was captured"
    other, expected, expected_losses = trained(make, data, capture=False, **settings)
    assert not other.loop.step.graphs
    assert losses == expected_losses
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


def test_a_schedule_and_clipping_reach_a_captured_step():
    def extras():
        return [
            callbacks.GradientClip(max_norm=0.1),
            callbacks.LRSchedule("cosine", warmup_steps=2),
        ]

    _, state, _ = trained(Net, images(), callbacks=extras())
    _, expected, _ = trained(Net, images(), callbacks=extras(), capture=False)
    _, plain, _ = trained(Net, images())
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)
    assert any((state[key] != plain[key]).any() for key in state)


def test_a_number_of_a_module_that_changes_belongs_to_the_graph():
    class Rising(fl.Callback):
        def on_train_epoch_start(self, trainer, module):
            module.body[8].p = 0.1 * trainer.epoch

    trainer, state, _ = trained(Net, images(), callbacks=[Rising()], max_epochs=3)
    _, expected, _ = trained(Net, images(), callbacks=[Rising()], capture=False, max_epochs=3)
    assert len(trainer.loop.step.graphs) >= 3
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


class Waits(Net):
    """Looks at a value on its way."""

    def forward(self, x):
        y = self.body(x)
        return y if float(y[0, 0]) < 1e9 else 0 * y


class Draws(Net):
    """Draws numbers on the host."""

    def forward(self, x):
        fl.rng.stream("dropout").random()
        return self.body(x)


class Keeps(Net):
    """Has a generator of its own, for masks."""

    def __init__(self):
        super().__init__()
        self.body[8].rng = np.random.default_rng(5)


class Scales(Net):
    """Draws one number on the host, which a graph would keep for ever."""

    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(5)

    def forward(self, x):
        return self.body(x * float(self.rng.random()))


class Counts(Net):
    """Does other work each time."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.body(x)


class Own(Net):
    """Has a training step of its own."""

    def training_step(self, batch):
        return super().training_step(batch)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Waits, "return y if float(y[0, 0]) < 1e9 else 0 * y)"),
        (Draws, "numbers of the 'dropout' stream"),
        (Keeps, "(in Dropout.draw, dropout.py line"),
        (Scales, "draws from a generator of its own"),
        (Counts, "more than 16 kinds of steps: the attribute calls was 15, then 16"),
        (Own, "Own overrides training_step"),
    ],
)
def test_what_cannot_be_captured_is_told_and_trained_all_the_same(make, reason, caplog):
    with caplog.at_level(logging.WARNING, "firstlight"):
        trainer, state, losses = trained(make, images(40), max_epochs=2)
    assert reason in trainer.loop.step.reason
    assert sum(reason in record.getMessage() for record in caplog.records) == 1
    _, expected, expected_losses = trained(make, images(40), max_epochs=2, capture=False)
    assert losses == expected_losses
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


def test_a_hook_between_forward_and_backward_turns_capture_off(caplog):
    calls, hook = [], "on_before_backward"
    callback = type("Watches", (fl.Callback,), {hook: lambda self: calls.append(1)})()
    with caplog.at_level(logging.WARNING, "firstlight"):
        trainer, state, _ = trained(Net, images(), callbacks=[callback])
    (record,) = caplog.records
    assert f"Watches (tests) has {hook}, which cannot run inside a graph" in record.getMessage()
    assert len(calls) == trainer.step
    _, expected, _ = trained(Net, images())
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_before_zero_grad"])
def test_the_other_hooks_of_a_step_leave_it_on(hook):
    calls = []
    callback = type("Watches", (fl.Callback,), {hook: lambda self: calls.append(1)})()
    trainer, _, _ = trained(Net, images(), callbacks=[callback])
    assert trainer.loop.step.graphs
    assert len(calls) == trainer.step


@pytest.mark.parametrize("precision", ["32", "16"])
def test_a_hook_after_backward_sees_the_gradients_of_uncaptured_steps(precision):
    class Sees(fl.Callback):
        def __init__(self):
            self.seen = []

        def on_after_backward(self, trainer):
            self.seen.append(trainer.optimizer.flat.grad.get())

    found = []
    for capture in (True, False):
        settings = {"callbacks": [Sees()], "precision": precision, "accumulate_grad_batches": 2}
        trainer, _, _ = trained(Net, images(), capture=capture, **settings)
        assert bool(trainer.loop.step.graphs) == capture
        found.append(settings["callbacks"][0].seen)
    assert len(found[0]) == 12
    np.testing.assert_array_equal(*found)


def test_a_capture_that_is_broken_off_is_ended():
    calls, streams = [], []

    class Stops(Net):
        def forward(self, x):
            streams.append(backend.load_cupy().cuda.get_current_stream())
            calls.append(streams[-1].is_capturing())
            if calls[-1]:
                raise KeyboardInterrupt
            return self.body(x)

    with pytest.raises(KeyboardInterrupt):
        trained(Stops, images())
    assert calls == [False, True]
    assert not streams[-1].is_capturing()


def test_without_our_products_there_are_no_graphs(monkeypatch, caplog):
    from firstlight.fast.cuda import gemm

    monkeypatch.setattr(gemm, "load_library", lambda: 1 / 0)
    monkeypatch.setitem(gemm._state, "library", None)
    trainer, _, _ = trained(Net, images())
    assert "cuBLAS" in trainer.loop.step.reason


class Watch(fl.Callback):
    """Notes how often the host has waited at each step's end."""

    def __init__(self, counts):
        self.counts, self.waits = counts, []

    def on_train_batch_end(self, trainer):
        self.waits.append(self.counts["waits"])


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("name", ["everything", "gpt"])
def test_the_host_waits_at_log_points_only(name, capture, counts):
    make, data, settings = CASES[name]
    watch = Watch(counts)
    settings = {"max_epochs": 4, "log_every_n_steps": 5, "callbacks": [watch]} | settings
    trained(make, data, capture=capture, **settings)
    steps = len(watch.waits)
    epoch = steps // 4
    waited = {s for s in range(2, steps + 1) if watch.waits[s - 1] > watch.waits[s - 2]}
    logs = {s for s in range(1, steps + 1) if s % 5 == 0}
    ends = {s for s in range(2, steps + 1) if (s - 1) % epoch == 0}  # the epoch's record
    assert waited <= logs | ends
    assert waited & logs


def test_dropout_differs_from_step_to_step_and_from_layer_to_layer():
    layer, other = nn.Dropout(0.5), nn.Dropout(0.5)
    x = backend.to_device(np.ones((4, 64), "float32"), "cuda:0")
    fl.rng.begin_pass()
    first, second = layer(x).get(), other(x).get()
    fl.rng.begin_pass()
    third = layer(x).get()
    assert (first != second).any()
    assert (first != third).any()
    assert set(np.unique(first)) == {0.0, 2.0}
