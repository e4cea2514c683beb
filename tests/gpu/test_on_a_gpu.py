"""Layers, products, graphs and trainings on a GPU, and what only a real one can tell."""

import os
from pathlib import Path

import half_precision
import numpy as np
import philox
import pytest
from device_comparisons import (
    CAPTURE_CASES,
    compare_captured,
    compare_devices,
    upload_batches,
)
from layer_table import CASES

import firstlight as fl
from firstlight import Trainer, models, nn
from firstlight.fast.cuda import dropout, gemm, kernel
from firstlight.support.backend import load_cupy, to_device, using
from firstlight.tools.diagnose.parity import check_parity
from firstlight.training.uploads import uploading

pytestmark = pytest.mark.gpu
TESTS = Path(__file__).parents[1] / "framework"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_as_on_the_cpu(case, dtype):
    compare_devices(case, dtype)


@pytest.fixture
def no_kernels(monkeypatch):
    """Let kernels fail to compile, as where there is no NVRTC."""
    monkeypatch.setattr(kernel, "_function", lambda *arguments: 1 / 0)
    kernel.forget()
    yield
    monkeypatch.undo()
    kernel.forget()


@pytest.mark.filterwarnings("ignore:firstlight's CUDA kernels cannot be compiled:RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_the_same_in_array_expressions(case, no_kernels):
    compare_devices(case, "float32")


def test_a_compiler_that_fails_is_told(no_kernels):
    with pytest.warns(RuntimeWarning, match="kernels cannot be compiled"):
        kernel.usable(to_device(np.zeros(1, "float32"), "cuda:0"))


def test_every_layer_but_those_with_masks_from_the_host_is_captured():
    failed = {}
    for case in CAPTURE_CASES:
        try:
            compare_captured(case)
        except Exception as error:
            failed[case.name] = repr(error)
    assert not failed


def test_batches_arrive_while_the_gpu_is_busy():
    with using("cuda:0"), uploading("cuda:0", "float32") as upload:
        busy = to_device(np.ones((1024, 1024), "float32"), "cuda:0")
        found = []
        for batch in upload_batches(12):
            x, extra = upload(batch)
            for _ in range(5):
                gemm.matmul(busy, busy)
            found.append((x.sum(), extra["label"].sum()))
        sums = [(float(one), int(other)) for one, other in found]
    for (one, other), (x, extra) in zip(sums, upload_batches(12), strict=True):
        assert one == pytest.approx(x.astype("float32").sum(), rel=1e-4, abs=1e-4)
        assert other == extra["label"].sum()


def test_our_kernels_and_our_products_are_in_use():
    x = to_device(np.ones((2, 2), "float32"), "cuda:0")
    assert kernel.usable(x)
    assert gemm._library() is not None, gemm._state.get("problem")


def test_masks_are_those_of_the_twin():
    fl.seed_everything(5)
    fl.rng.begin_pass()
    x = to_device(np.ones((100, 70), "float32"), "cuda:0")
    found = dropout.keep_mask(x, 0.3, x.shape).get()
    expected = philox.uniform(x.size, step=1, call=1, seed=5).reshape(x.shape) >= np.float32(0.3)
    np.testing.assert_array_equal(found, expected)


def test_a_product_is_captured_and_replayed_without_allocations():
    with using("cuda:0"):
        cupy = load_cupy()
        a = to_device(np.arange(6, dtype="float32").reshape(2, 3), "cuda:0")
        b, out = a.T.copy(), a[:, :2].copy()
        gemm.matmul(a, b, out=out)
        stream = cupy.cuda.get_current_stream()
        stream.begin_capture()
        gemm.matmul(a, b, out=out)
        graph = stream.end_capture()
        a *= 2
        graph.launch(stream)
        np.testing.assert_allclose(out.get(), 2 * np.arange(6).reshape(2, 3) @ b.get())
        assert "MEM_ALLOC" not in graph.debug_dot_str().upper()


@pytest.mark.parametrize("precision", ["tf32", "bf16", "16"])
def test_a_rounded_product_is_nearly_the_same(precision):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((256, 256)).astype("float32")
    x = to_device(a, "cuda:0")
    with gemm.precision(precision):
        error = np.abs(gemm.matmul(x, x).get() - a @ a).max() / np.abs(a @ a).max()
    assert 1e-7 < error < {"tf32": 2e-3, "bf16": 2e-2, "16": 2e-3}[precision]


def test_half_precision_overflows_to_infinity():
    large = to_device(np.full((16, 16), 70_000, "float32"), "cuda:0")
    with gemm.precision("16"):
        assert np.isinf(gemm.matmul(large, large).get()).all()


def test_steps_that_overflow_are_left_out_and_captured_as_uncaptured():
    half_precision.compare_captured({})


def test_a_model_is_the_same_layer_by_layer():
    rng = np.random.default_rng(0)
    batch = rng.random((3, 12, 12, 1), "float32"), rng.integers(0, 10, 3)
    assert check_parity(models.CNN((12, 12, 1), 10), batch).first is None


@pytest.mark.skipif("FIRSTLIGHT_DATA" not in os.environ, reason="needs MNIST in FIRSTLIGHT_DATA")
@pytest.mark.parametrize("precision", ["32", "tf32", "bf16", "16"])
def test_mnist_is_learned_as_on_the_cpu(precision):
    splits = fl.datasets.load("mnist")
    trainer = Trainer(
        max_epochs=3, device="cuda", precision=precision, default_callbacks=False, runs_dir=None
    )
    model = models.MLP(784, 10)
    trainer.fit(model, splits)
    assert trainer.loop.step.reason is None
    assert trainer.loop.step.graphs
    assert trainer.test(model, splits)["test_acc"] > 0.97


def test_dropout_in_a_captured_training_is_new_each_step():
    x = np.ones((64, 32), "float32")
    outputs = []

    class Keep(fl.Callback):
        def on_train_batch_end(self, output):
            outputs.append(output.prediction.get())

    class Net(fl.Module):
        def __init__(self):
            self.body, self.loss = nn.Sequential(nn.Linear(32, 8), nn.Dropout(0.5)), nn.MSELoss()

        def forward(self, x):
            return self.body(x)

        def backward(self, dy):
            return self.body.backward(dy)

        def configure_optimizer(self):
            return fl.optim.SGD(self.parameters(), lr=0.0)

    loader = fl.DataLoader((x, np.zeros((64, 8), "float32")), batch_size=16)
    settings = {"default_callbacks": False, "runs_dir": None, "device": "cuda"}
    Trainer(max_epochs=2, callbacks=[Keep()], **settings).fit(Net(), loader)
    kept = {(output != 0).tobytes() for output in outputs}
    assert len(kept) == len(outputs) == 8
