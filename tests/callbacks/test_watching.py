"""What only watches a training leaves its bytes alone, all of it together too."""

import hashlib
import warnings

import nets
import numpy as np
import pytest

import firstlight as fl
from firstlight import callbacks, nn, optim
from firstlight.support import rng
from firstlight.support.backend import to_host
from firstlight.testing import tiny_data

pytestmark = pytest.mark.curves

WATCHERS = {
    "progress_bar": callbacks.ProgressBar,
    "tensorboard": lambda: callbacks.TensorBoard(
        histograms=True,
        gradients=True,
        activations=True,
        images=True,
        pr_curves=True,
        embeddings=True,
    ),
    "plots": callbacks.Plots,
    "profiler": lambda: callbacks.Profiler(warm_up=1, steps=2),
    "layer_monitor": callbacks.LayerMonitor,
    "model_checkpoint": lambda: callbacks.ModelCheckpoint(top_k=2, every_n_steps=2),
    "throughput": callbacks.Throughput,
    "lr_monitor": lambda: callbacks.LRMonitor(True, True),
    "lr_finder": lambda: callbacks.LRFinder(num_training=20, update=False),
    "loss_spike": lambda: callbacks.LossSpike(window=2, threshold=0.1),
    "fingerprints": lambda: callbacks.Fingerprints(1),
    "nan_guard": callbacks.NaNGuard,
    "timer": lambda: callbacks.Timer(3600),
    "early_stopping": lambda: callbacks.EarlyStopping(patience=99),
    "batch_size_finder": lambda: callbacks.BatchSizeFinder(4, 4),  # the size that it has
    "ema": lambda: callbacks.EMA(0.9),
}


class Net(nets.Net):
    """Draws from the dropout stream and from a generator of its own, and tracks statistics."""

    def __init__(self):
        super().__init__(
            nn.Linear(3, 6),
            nn.BatchNorm1d(6),
            nn.Dropout(0.2),
            nn.Dropout(0.2, rng=np.random.default_rng(3)),
            nn.Linear(6, 2),
            optimizer=lambda p: optim.Adam(p, lr=0.02),
        )


class Hash(fl.Callback):
    """Notes a hash of all parameters, moments and random states after each step."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, module):
        arrays = module.state_dict() | trainer.optimizer.state_dict()["arrays"]
        content = b"".join(to_host(array).tobytes() for array in arrays.values())
        self.steps.append(hashlib.sha256(content + repr(rng.state_dict()).encode()).hexdigest())


def noisy(batch, generator):
    x, y = batch
    return x + generator.normal(size=x.shape).astype("float32"), y


def hashes(*names):
    fl.seed_everything(0)
    watch, splits = Hash(), tiny_data()
    splits.transform = noisy
    made = [WATCHERS[name]() for name in names]
    trainer = fl.Trainer(
        max_epochs=4, log_every_n_steps=1, callbacks=[watch, *made], default_callbacks=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LossSpike")
        trainer.fit(Net(), splits)
    assert len(watch.steps) == 12
    return watch.steps


@pytest.mark.slow  # all of them together are tested below
@pytest.mark.parametrize("name", WATCHERS)
def test_one_watcher_changes_nothing(name):
    assert hashes(name) == hashes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Throughput. callback \\w+ takes")
def test_all_watchers_together_change_nothing():
    assert hashes(*WATCHERS) == hashes()


def test_the_hash_would_tell():
    assert hashes() != [hashes()[0]] * 12
    WATCHERS["clip"] = lambda: callbacks.GradientClip(max_norm=0.1)
    try:
        assert hashes("clip") != hashes()
    finally:
        del WATCHERS["clip"]
