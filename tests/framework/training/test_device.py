"""Where a training runs: devices by name, data on a device, checkpoints from one to another."""

import re

import nets
import numpy as np
import philox
import pytest

import firstlight as fl
from firstlight import Trainer, models, nn, optim
from firstlight.callbacks import ModelCheckpoint
from firstlight.checkpoints.format import Checkpoint
from firstlight.data.transforms import Scale
from firstlight.support.backend import load_cupy, resolve_device, to_device, using

pytestmark = pytest.mark.gpu


def test_a_training_waits_for_what_was_launched_before():
    cupy = load_cupy()
    pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(16), "float32", 4)
    pinned[...] = 3
    array = cupy.empty(4, "float32")
    array.set(pinned, stream=cupy.cuda.get_current_stream())
    with using("cuda:0"):
        assert (array.get() == 3).all()


def test_what_was_launched_is_complete_after_an_exception():
    cupy = load_cupy()
    pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(16), "float32", 4)
    pinned[...] = 3
    array = cupy.empty(4, "float32")

    def interrupted():
        with using("cuda:0"):
            array.set(pinned, stream=cupy.cuda.get_current_stream())
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    pinned[...] = 4  # free to be written again
    assert (array.get() == 3).all()


def data(count=30):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 6), "uint8"), rng.integers(0, 3, count)


class Net(nets.Net):
    def __init__(self, dropout=0.0):
        super().__init__(
            nn.Linear(6, 8, bias=False),  # its gradient would be rounding alone, which Adam follows
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8, 3),
            optimizer=lambda p: optim.Adam(p, lr=0.01),
        )


def loader(transform=None, **options):
    transform = transform or Scale(255)
    return fl.DataLoader(data(), batch_size=8, shuffle=True, transform=transform, **options)


def fit(module, source, *, resume=None, **settings):
    settings = {"max_epochs": 3, "runs_dir": None, "default_callbacks": False} | settings
    trainer = Trainer(**settings)
    history = trainer.fit(module, source, source, resume=resume)
    return trainer, history


def test_names_of_devices():
    assert [resolve_device(n) for n in ("cpu", "cuda", "cuda:1", "auto")] == [
        "cpu",
        "cuda:0",
        "cuda:1",
        "cuda:0",
    ]
    with pytest.raises(RuntimeError, match="'cuda:2' is not usable: there are 2 GPUs, numbered"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("where", ["cuda", "cuda:1", "auto"])
def test_the_same_script_learns_the_same_there(where):
    _, expected = fit(Net(), loader(), device="cpu")
    fl.seed_everything(0)
    module = Net()
    trainer, history = fit(module, loader(), device=where)
    assert module.body[0].weight.data.device.id == (1 if where == "cuda:1" else 0)
    for name in ("train_loss", "train_acc", "val_loss", "val_acc"):
        np.testing.assert_allclose(history[name], expected[name], rtol=2e-4, err_msg=name)
    predictions = trainer.predict(module, loader())
    assert isinstance(predictions, np.ndarray)
    assert trainer.validate(module, loader())["val_loss"] == pytest.approx(
        history["val_loss"][-1], rel=1e-6
    )


@pytest.mark.parametrize("transform", [Scale(255), Scale(255, 0.5, 0.25), Scale(1, np.zeros(6))])
def test_data_on_the_device_and_batches_from_the_host_train_the_same(
    transform, counts, monkeypatch
):
    uploads = []
    results = []
    for share in (0.25, 0.0):
        monkeypatch.setattr("firstlight.data._resident.SHARE", share)
        fl.seed_everything(0)
        module, source = Net(), loader(transform, prefetch=2)
        before = counts["uploads"]
        fit(module, source, device="cuda", max_epochs=6)
        uploads.append(counts["uploads"] - before)
        results.append(module.state_dict())
        assert (source._resident is not None) == bool(share)
    for name, array in results[0].items():
        np.testing.assert_allclose(array, results[1][name], rtol=1e-6, atol=1e-7, err_msg=name)
    if transform.factor is not None:
        assert uploads[0] < uploads[1] / 2


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
def test_splits_are_scaled_on_the_device_as_on_the_host(dtype):
    x = (1000 + np.arange(40).reshape(20, 2) % 7).astype(dtype)
    splits = fl.DataSplits((x, np.arange(20) % 2), transform=Scale(1, x.mean(axis=0), 2.0))
    there = splits.loader("train", training=False)
    there.keep_on("cuda:0")
    assert there._resident is not None
    for (mine, _), (theirs, _) in zip(splits.loader("train", training=False), there, strict=True):
        assert theirs.dtype == "float32"
        np.testing.assert_allclose(theirs.get(), mine, rtol=1e-6)


def test_random_transforms_and_other_data_sets_stay_on_the_host():
    class Noisy:
        def __call__(self, batch, rng):
            return (batch[0].astype("float32") + rng.random(), batch[1])

    source = loader(Noisy())
    source.keep_on("cuda:0")
    assert source._resident is None


def test_resuming_in_the_middle_of_an_epoch_is_exact_on_a_device(tmp_path):
    def run(folder, resume=None, **settings):
        fl.seed_everything(0)
        module = Net(dropout=0.4)
        settings |= {"runs_dir": tmp_path / folder, "callbacks": [ModelCheckpoint()]}
        trainer, _ = fit(module, loader(), device="cuda", resume=resume, **settings)
        return trainer, module.state_dict()

    _, whole = run("whole")
    run("parts", max_steps=6)
    trainer, resumed = run("parts", resume="last")
    assert trainer.step == 12
    for name, array in whole.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    saved = Checkpoint.load(trainer.run.checkpoints / "last.safetensors")
    on_cpu = Net()
    on_cpu.load_state_dict(saved.model)
    np.testing.assert_array_equal(on_cpu.state_dict()["body.0.weight"], whole["body.0.weight"])


IMAGE = (12, 12, 1)
MODELS = {
    "mlp": lambda: models.MLP(144, 10, hidden=(16,)),
    "cnn": lambda: models.CNN(IMAGE, 10),
    "resnet": lambda: models.ResNet(IMAGE, 10, depth=8, width=4),
    "vit": lambda: models.ViT(IMAGE, 10, embed_dim=8, depth=1, num_heads=2),
    "rnn": lambda: models.RNN(IMAGE, 10, hidden=8),
    "gpt": lambda: models.GPT(9, 5, n_layer=1, n_head=2, n_embd=8),
}


@pytest.mark.forms
@pytest.mark.parametrize("name", MODELS)
def test_our_models_train_on_a_device_as_graphs(name):
    rng = np.random.default_rng(0)
    source = rng.random((12, *IMAGE), "float32"), rng.integers(0, 10, 12)
    if name == "gpt":
        source = rng.integers(0, 9, (8, 5)), rng.integers(0, 9, (8, 5))
    trainer, history = fit(MODELS[name](), source, device="cuda", max_epochs=3)
    assert np.isfinite(history["train_loss"]).all()
    assert trainer.loop.step.reason is None
    assert trainer.loop.step.graphs


def test_precisions_are_named_and_need_a_gpu():
    with pytest.raises(
        ValueError, match='precision: expected one of "32", "tf32", "bf16", "16", got'
    ):
        Trainer(precision="64", device="cuda")
    with pytest.raises(ValueError, match=re.escape("precision 'tf32' needs a GPU's tensor")):
        Trainer(precision="tf32", device="cpu")


@pytest.mark.forms
def test_a_gpu_trains_in_a_precision():
    trainer, _ = fit(Net(), loader(), device="cuda", precision="tf32", max_epochs=1)
    assert trainer.precision == "tf32"


def test_without_our_products_there_is_one_precision(monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_FAST", "0")
    with pytest.raises(ValueError, match='disabled by FIRSTLIGHT_FAST=0 or not .*precision="32"'):
        Trainer(precision="tf32", device="cuda")
    Trainer(precision="32", device="cuda")


@pytest.mark.forms
def test_masks_are_those_of_the_twin():
    fl.seed_everything(2**40 + 7)
    for _ in range(3):
        fl.rng.begin_pass()
    x = to_device(np.ones((5, 7), "float32"), "cuda:0")
    nn.Dropout(0.3)(x)
    found = nn.Dropout(0.3)(x).get()
    expected = philox.uniform(35, step=3, call=2, seed=2**40 + 7).reshape(5, 7) >= 0.3
    np.testing.assert_array_equal(found > 0, expected)


def test_uniform_numbers_are_uniform():
    numbers = philox.uniform(200_000, step=1, call=1, seed=0)
    assert 0 <= numbers.min() < numbers.max() < 1
    counts, _ = np.histogram(numbers, 20, (0, 1))
    assert np.abs(counts - 10_000).max() < 5 * 10_000**0.5
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
