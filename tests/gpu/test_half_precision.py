"""Activations in half precision: layers beside their lessons on the same numbers, and trainings."""

import copy
import sys

import form_pairs
import numpy as np
import pytest
from campaigns import slow_but
from layer_table import CASES

import firstlight as fl
from firstlight import Trainer, callbacks, models, nn, optim
from firstlight.fast.cuda import gemm
from firstlight.fast.cuda.convolution import CudaConv2d, CudaConvTranspose2d
from firstlight.support import backend, forms, half

pytestmark = pytest.mark.gpu
PRECISIONS = "bf16", "16"
LAST = {"bf16": 2.0**-8, "16": 2.0**-11}  # what a number of 1 may be off when it is rounded
CHANGES = {
    "plain": np.asarray,
    "strided": form_pairs.strided,
    "nan and inf": lambda x: form_pairs.infinities(form_pairs.nans(x)),
}
# Small variances divide: a rounded one changes the loss by more than its own last digit.
CONDITIONED = [case for case in CASES if not case.name.startswith("GaussianNLLLoss")]
CONVOLUTIONS = [case for case in CASES if case.name.startswith("Conv")]


@pytest.fixture(params=PRECISIONS)
def precision(request):
    return request.param


def rounded(x, dtype):
    return x.astype(dtype).astype("float32") if x.dtype.kind == "f" else x


def there(x, dtype="float32"):
    x = backend.to_device(x, "cuda:0")
    return x.astype(dtype) if x.dtype.kind == "f" else x


def without_dropout(layer):
    for part in layer.modules():
        for name in {"dropout", "p"} & {*vars(part)}:
            if isinstance(getattr(part, name), float) and not isinstance(
                part, nn.TripletMarginLoss
            ):
                setattr(part, name, 0.0)  # a device draws other numbers
    return layer


def compare_with_lesson(case, precision, change="plain"):
    """Compare a layer on half precision with its lesson in float32, on the same rounded numbers."""
    dtype, rng = half.dtype_of(precision), np.random.default_rng(7)
    layer = without_dropout(case.make())
    for parameter in layer.parameters():
        noise = 0.3 * rng.standard_normal(parameter.shape).astype("float32")
        parameter.data[...] = rounded(parameter.data + noise, dtype)
    first, *others = [rounded(x, dtype) for x in case.inputs(rng)]
    first, dy = CHANGES[change](first), 1.5
    as_given = form_pairs.strided if change == "strided" else lambda x, place: place(x)
    with forms.only(), np.errstate(all="ignore"):
        y = copy.deepcopy(layer)(first, *others)
        if np.ndim(y):
            dy = rounded(rng.standard_normal(y.shape).astype("float32"), dtype)
        expected = form_pairs.passes(copy.deepcopy(layer), [first, *others], dy)
    layer.to(device="cuda:0")
    with gemm.precision(precision):
        given = [as_given(x, lambda x: there(x, dtype)) for x in (first, dy) if np.ndim(x)]
        results = form_pairs.passes(layer, [given[0], *map(there, others)], [*given, dy][1])
        found = [None if part is None else backend.to_host(part) for part in results]
    steps = 2 if len(list(layer.modules())) == 1 else 8
    for parameter in layer.parameters():
        assert parameter.grad.dtype == "float32"
    for one, other in zip(found, expected, strict=True):
        if other is None:
            assert one is None
            continue
        assert one.shape == other.shape
        finite = np.isfinite(other)
        size = max(1, np.abs(other[finite]).max(initial=0))
        allowed = steps * LAST[precision] * size
        assert np.abs(one[finite] - other[finite]).max(initial=0) <= allowed
        assert not np.isfinite(one[np.isnan(other)]).any()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("case", CONDITIONED, ids=lambda case: case.name)
def test_a_layer_is_its_lesson_of_rounded_numbers(case, precision, change):
    compare_with_lesson(case, precision, change)


@pytest.mark.parametrize("change", ["plain", "strided"])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda case: case.name)
def test_a_convolution_by_patches_is_its_lesson(case, precision, change):
    with forms.only(CudaConv2d, CudaConvTranspose2d):
        compare_with_lesson(case, precision, change)


KEPT = {  # layers that read and write half precision
    "Linear": lambda: nn.Linear(8, 8),
    "FeedForward": lambda: nn.FeedForward(8),
    "MultiHeadAttention": lambda: nn.MultiHeadAttention(8, 2),
    "GELU": nn.GELU,
    "LayerNorm": lambda: nn.LayerNorm(8),
    "BatchNorm1d": lambda: nn.BatchNorm1d(8),
    "Dropout": lambda: nn.Dropout(0.5),
    "Reshape": lambda: nn.Reshape(-1),
    "Residual": lambda: nn.Residual(nn.Linear(8, 8)),
    "SwiGLU": lambda: nn.SwiGLU(8),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, norm_first=True),
}
KEPT_IMAGES = {
    "Conv2d": lambda: nn.Conv2d(8, 4, 3),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(8, 4, 3),
    "MaxPool2d": lambda: nn.MaxPool2d(2),
    "Flatten": nn.Flatten,
    "PatchEmbedding": lambda: nn.PatchEmbedding(8, 8, 2),
}


@pytest.mark.parametrize("name", [*KEPT, *KEPT_IMAGES])
def test_outputs_and_gradients_stay_in_half_precision(name, precision):
    make, shape = (KEPT[name], (2, 5, 8)) if name in KEPT else (KEPT_IMAGES[name], (2, 4, 4, 8))
    layer, dtype = make().to(device="cuda:0"), half.dtype_of(precision)
    with gemm.precision(precision):
        x = there(np.ones(shape, "float32"), dtype)
        y = layer(x)
        assert y.dtype == dtype
        assert layer.backward(y).dtype == dtype
        single = x.astype("float32")
        assert layer.backward(layer(single)).dtype == "float32"  # as its x


@pytest.mark.parametrize("layer", [nn.Softmax(), nn.RMSNorm(8), nn.GroupNorm(2, 8)], ids=repr)
def test_other_layers_get_float32(layer, precision):
    layer = copy.deepcopy(layer).to(device="cuda:0")
    with gemm.precision(precision):
        y = layer(there(np.ones((2, 8), "float32"), half.dtype_of(precision)))
        assert y.dtype == "float32"
        assert layer.backward(y.astype(half.dtype_of(precision))).dtype == "float32"


class Square(fl.Module):
    """A layer as a user writes it."""

    def forward(self, x):
        assert x.dtype == "float32"
        self.save(x)
        return x**2

    def backward(self, dy):
        assert dy.dtype == "float32"
        (x,) = self.saved()
        return 2 * x * dy


class Net(fl.Module):
    """A user's layer between ours, and a sum of activations."""

    def __init__(self):
        self.first, self.square, self.last = nn.Linear(4, 6), Square(), nn.Linear(6, 2)
        self.loss, self.seen = nn.MSELoss(), []

    def forward(self, x):
        h = self.first(x)
        self.seen.append(h.dtype)
        return self.last(self.square(h) + h)

    def backward(self, dy):
        dh = self.last.backward(dy)
        return self.first.backward(self.square.backward(dh) + dh)

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=1e-2)


def trained(make, data, precision, steps, **settings):
    fl.seed_everything(3)
    module = make()
    settings = {"default_callbacks": False, "runs_dir": None, "log_every_n_steps": 1} | settings
    trainer = Trainer(max_steps=steps, device="cuda", precision=precision, **settings)
    history = trainer.fit(module, fl.DataLoader(data, batch_size=16, shuffle=True))
    return trainer, module, np.array(history["train_loss_step"])


def test_a_users_layer_gets_float32_and_predictions_are_float32(precision):
    rng, seen = np.random.default_rng(0), []
    data = rng.standard_normal((32, 4), "float32"), rng.standard_normal((32, 2), "float32")

    class Look(fl.Callback):
        def on_train_batch_end(self, output):
            seen.append(output.prediction.dtype)

    trainer, module, losses = trained(Net, data, precision, 6, callbacks=[Look()])
    assert {*module.seen} == {half.dtype_of(precision)}
    assert {*seen} == {np.dtype("float32")}
    assert trainer.predict(module, data[0]).dtype == "float32"
    assert {array.dtype.name for array in module.state_dict().values()} == {"float32"}
    expected = trained(lambda: _plain(Net()), data, "32", 6)[2]
    np.testing.assert_allclose(losses, expected, rtol=4 * LAST[precision])
    assert half.stored() is None


def _plain(net):
    net.seen = []
    return net


def text(rng):
    tokens = (np.arange(13)[None] * rng.integers(1, 5, (48, 1)) + rng.integers(0, 17, (48, 1))) % 17
    return tokens[:, :-1], tokens[:, 1:]


def labelled(rng, *shape):
    x = rng.standard_normal((48, *shape)).astype("float32")
    y = np.arange(48) % 3
    x.reshape(48, -1)[np.arange(48), y] += 3
    return x, y


TRAININGS = {
    "MLP": (lambda: models.MLP(20, 3, hidden=(32, 16)), lambda rng: labelled(rng, 20)),
    "CNN": (
        lambda: models.CNN((8, 8, 1), 3, channels=(8, 16), dropout=0.1),
        lambda rng: labelled(rng, 8, 8, 1),
    ),
    "GPT": (
        lambda: models.GPT(17, 12, n_layer=2, n_head=2, n_embd=32, dropout=0.1, bias=True),
        text,
    ),
}


@pytest.mark.parametrize("name", slow_but(TRAININGS, "MLP"))
def test_a_training_has_the_losses_of_float32(name, precision):
    make, data = TRAININGS[name]
    data = data(np.random.default_rng(0))
    steps = 30 if name == "MLP" else 8
    expected = trained(make, data, "32", steps)[2]
    trainer, _, losses = trained(make, data, precision, steps)
    assert trainer.loop.step.graphs
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(losses, expected, rtol={"bf16": 0.02, "16": 0.005}[precision])


def test_callbacks_look_at_layers_in_half_precision(precision):
    make, data = TRAININGS["MLP"]
    monitor = callbacks.LayerMonitor(every_n_steps=1, show="never")
    watching = [monitor, callbacks.NaNGuard()]
    trained(make, data(np.random.default_rng(0)), precision, 3, callbacks=watching)
    assert monitor.table().count("Linear") == 3
    assert "ReLU" in monitor.table()


def test_nan_guard_names_the_layer():
    net, data = Net(), (np.ones((32, 4), "float32"), np.zeros((32, 2), "float32"))
    net.first.weight.data[...] = 3e38  # four of them are infinite
    with pytest.raises(FloatingPointError, match="the forward of first"):
        trained(lambda: net, data, "bf16", 3, callbacks=[callbacks.NaNGuard("raise")])


def test_bfloat16_tells_which_package_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="ml_dtypes; install it with: pip install 'firstlight"):
        Trainer(device="cuda", precision="bf16", default_callbacks=False, runs_dir=None)
