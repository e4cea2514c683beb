"""Several steps in one graph, on the stand-in: the bits of single steps, and when there is none."""

import numpy as np
import pytest
from standin import installed, kernels

import firstlight as fl
from firstlight import Trainer, callbacks, nn, optim
from firstlight.data.transforms import Scale
from firstlight.training import bundles

pytestmark = pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")


@pytest.fixture
def device(monkeypatch):
    with installed(monkeypatch) as counts:
        yield counts


class Net(fl.Module):
    def __init__(self, make=lambda p: optim.AdamW(p, lr=1e-2)):
        self.body = nn.Sequential(
            *(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        )
        self.loss, self.make = nn.CrossEntropyLoss(), make

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return self.make(self.parameters())


def samples(count=90):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 6), "uint8"), rng.integers(0, 3, count)


def trained(bundled, make=Net, *, resume=None, val=False, **settings):
    """Train; returns the trainer, what it learned and logged, and how many steps were bundled."""
    fl.seed_everything(5)
    module = make()
    settings = {"max_epochs": 3, "log_every_n_steps": 20, "runs_dir": None} | settings
    trainer = Trainer(device="cuda", default_callbacks=False, **settings)
    loader = fl.DataLoader(samples(), batch_size=4, shuffle=True, transform=Scale(255))
    launches = []
    with pytest.MonkeyPatch.context() as patch:
        if not bundled:
            patch.setattr(bundles, "SMALL", 0)
        real = bundles.Bundle.launch
        patch.setattr(
            bundles.Bundle, "launch", lambda self: launches.append(trainer.step) or real(self)
        )
        val_loader = fl.DataLoader(samples(8), transform=Scale(255), batch_size=4) if val else None
        history = trainer.fit(module, loader, val_loader, resume=resume)
    timeless = [
        {key: value for key, value in record.items() if key not in ("time", "epoch_seconds")}
        for record in history.records
    ]
    return trainer, module.state_dict(), timeless, launches


def groups(p):
    p = list(p)
    return optim.Adam([{"params": p[:3]}, {"params": p[3:], "lr": 0.1, "betas": (0.5, 0.9)}])


class Frozen(fl.Callback):
    """Freezes a layer for the second epoch."""

    def on_train_epoch_start(self, trainer, module):
        module.body[0].weight.requires_grad = trainer.epoch != 2


class Larger(fl.Callback):
    """Makes the second epoch's batches larger."""

    def on_train_epoch_start(self, trainer):
        trainer.train_loader.batch_size = 5 if trainer.epoch == 2 else 4


BUNDLED = {
    "adamw": {},
    "adam in groups": {"make": lambda: Net(groups)},
    "sgd": {"make": lambda: Net(lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.2))},
    "fewer steps than an epoch": {"max_steps": 28},
    "fewer batches": {"limit_train_batches": 19},
    "validation by steps": {"val": True, "val_every": "13 steps"},
    "validation by epochs": {"val": True},
    "logs off the steps of bundles": {"log_every_n_steps": 11},
    "a schedule by epochs": {
        "callbacks": lambda: [callbacks.LRSchedule("cosine", interval="epoch")],
    },
    "early stopping": {
        "val": True,
        "max_epochs": 9,
        "callbacks": lambda: [callbacks.EarlyStopping("val_loss", patience=1, min_delta=0.5)],
    },
    "larger batches for a time": {"callbacks": lambda: [Larger()]},
    "a layer frozen for a time": {"callbacks": lambda: [Frozen()]},
    "callbacks that need not see each step": {
        "callbacks": lambda: [callbacks.LRMonitor(), callbacks.Timer(3600)],
    },
    "accumulation in some epochs": {"accumulate_grad_batches": {2: 2, 3: 1}},
}


def fresh(settings):
    return {k: v() if k == "callbacks" else v for k, v in settings.items()}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_steps_have_the_bits_of_single_ones(name, device):
    trainer, state, records, launches = trained(True, **fresh(BUNDLED[name]))
    assert len(launches) >= 2, "nothing was bundled"
    other, expected, expected_records, none = trained(False, **fresh(BUNDLED[name]))
    assert none == []
    assert records == expected_records
    assert (trainer.step, trainer.stop_reason) == (other.step, other.stop_reason)
    assert trainer.optimizer.state_dict()["groups"] == other.optimizer.state_dict()["groups"]
    for key, array in state.items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


def test_a_bundle_is_one_launch_and_the_host_does_not_wait(device):
    seen = []
    real = bundles.Bundle.launch

    def launch(self):
        before = device.synchronisations, device.uploads, device.launches
        real(self)
        seen.append((device.synchronisations, device.uploads, device.launches))
        seen[-1] = tuple(now - then for now, then in zip(seen[-1], before, strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles.Bundle, "launch", launch)
        trained(True)
    assert set(seen) == {(0, 0, 3)}, "places and t are set, and the graph is launched"


def test_resuming_between_bundles_is_exact(device, tmp_path):
    def run(folder, bundled, **settings):
        options = {"callbacks": [callbacks.ModelCheckpoint()], "runs_dir": tmp_path / folder}
        return trained(bundled, **options, **settings)

    _, expected, _, _ = run("single", False)
    _, whole, _, launches = run("whole", True)
    run("parts", True, max_steps=30)
    trainer, found, _, after = run("parts", True, resume="last")
    assert launches[-1] == after[-1]
    assert trainer.step == 69
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)
        np.testing.assert_array_equal(whole[key], array, err_msg=key)


class EachStep(fl.Callback):
    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer):
        self.steps.append(trainer.step)


SINGLE = {
    "a callback at each step": {"callbacks": lambda: [EachStep()]},
    "clipping": {"callbacks": lambda: [callbacks.GradientClip(max_norm=0.1)]},
    "a schedule by steps": {"callbacks": lambda: [callbacks.LRSchedule("cosine")]},
    "checkpoints by steps": {"callbacks": lambda: [callbacks.ModelCheckpoint(every_n_steps=3)]},
    "measuring": {"callbacks": lambda: [callbacks.Throughput()]},
    "accumulation": {"accumulate_grad_batches": 2},
    "half precision": {"precision": "16"},
    "no capture": {"capture": False},
    "an optimizer without a kernel": {"make": lambda: Net(lambda p: optim.RMSprop(p, lr=1e-3))},
    "logs at short intervals": {"log_every_n_steps": 5},
}


@pytest.mark.parametrize("name", SINGLE)
def test_steps_that_somebody_looks_at_are_single(name, device, capsys):
    _, _, _, launches = trained(True, **fresh(SINGLE[name]))
    assert launches == []


def test_logged_steps_and_the_last_of_an_epoch_are_single(device):
    class Sees(EachStep):
        every_step = False

    sees = Sees()
    trainer, _, _, launches = trained(True, callbacks=[sees])
    bundled = {step + k for step in launches for k in range(1, bundles.STEPS + 1)}
    assert sorted(bundled | set(sees.steps)) == list(range(1, 70))
    assert not bundled & set(sees.steps)
    assert {20, 40, 60, 23, 46, 69} <= set(sees.steps)
    assert len(bundled) >= 40


def test_ctrl_c_ends_after_a_bundle(device):
    real = bundles.Bundle.launch
    steps = []

    def launch(self):
        real(self)
        steps.append(self.trainer.step)
        if len(steps) == 2:
            self.trainer.interrupt.requested = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles.Bundle, "launch", launch)
        trainer, _, _, _ = trained(True)
    assert trainer.interrupted
    assert trainer.step == steps[-1] + 1
