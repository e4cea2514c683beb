"""Networks that PyTorch has exported as ONNX, loaded by from_onnx."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("onnx", reason="needs onnx")

from torch import nn as tn  # noqa: E402

from firstlight.onnx import from_onnx  # noqa: E402

pytestmark = pytest.mark.slow


class Skip(tn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.norm = tn.Conv2d(3, 8, 3, padding=1), tn.BatchNorm2d(8)
        self.two, self.head = tn.Conv2d(8, 8, 3, padding=1), tn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.one(x)))
        x = torch.cat([x, torch.relu(x + self.two(x))], 1)
        return self.head(tn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Viewed(tn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = tn.Conv2d(1, 4, 3, stride=2, padding=1), tn.Linear(64, 3)

    def forward(self, x):
        x = torch.max_pool2d(torch.tanh(self.conv(x)), 2)
        return torch.softmax(self.head(x.view(x.size(0), -1)), 1)


class Last(tn.Module):
    def __init__(self, kind):
        super().__init__()
        self.recurrent, self.head = kind(3, 4, 2, batch_first=True), tn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


NETWORKS = {
    "mlp": (
        lambda: tn.Sequential(
            *(tn.Linear(8, 16), tn.BatchNorm1d(16), tn.ReLU(), tn.Dropout(0.5)),
            *(tn.Linear(16, 16, bias=False), tn.GELU(), tn.LayerNorm(16), tn.Linear(16, 3)),
            tn.LogSoftmax(-1),
        ),
        (4, 8),
    ),
    "cnn": (
        lambda: tn.Sequential(
            *(tn.Conv2d(3, 8, 3, padding=1), tn.BatchNorm2d(8), tn.ReLU(), tn.MaxPool2d(2)),
            *(tn.Conv2d(8, 16, (3, 5), (1, 2), (0, 1), groups=2), tn.LeakyReLU(0.2)),
            *(tn.AvgPool2d(2), tn.Flatten(), tn.Linear(48, 10)),
        ),
        (4, 3, 16, 12),
    ),
    "skip": (Skip, (4, 3, 8, 8)),
    "view": (Viewed, (4, 1, 16, 16)),
    "images": (
        lambda: tn.Sequential(
            *(tn.ConvTranspose2d(3, 4, 3, 2, 1, 1), tn.ELU(), tn.ZeroPad2d((1, 2, 0, 1))),
            *(tn.InstanceNorm2d(4, affine=True), tn.Upsample(scale_factor=2), tn.Sigmoid()),
        ),
        (4, 3, 5, 6),
    ),
    "lstm": (lambda: Last(tn.LSTM), (4, 5, 3)),
    "gru": (lambda: Last(tn.GRU), (4, 5, 3)),
}


def exported(net, x, path, dynamo):
    """Write a network by the new exporter, which needs onnxscript, or the old one."""
    options = {"dynamo": False, "dynamic_axes": {"x": {0: "N"}}}
    if dynamo:
        pytest.importorskip("onnxscript", reason="needs onnxscript")
        sizes = ({0: torch.export.Dim("batch")},)
        options = {"dynamo": True, "dynamic_shapes": sizes, "external_data": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters
        torch.onnx.export(net, (x,), str(path), input_names=["x"], verbose=False, **options)


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_pytorch(name, dynamo, tmp_path):
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    net, x = make().eval(), torch.randn(shape)
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    exported(net, x, tmp_path / "net.onnx", dynamo)
    again = from_onnx(tmp_path / "net.onnx")
    more = torch.cat([x, -x, x])
    expected = net(more).detach().numpy()
    assert np.abs(again(more.numpy()) - expected).max() <= 1e-5 * np.abs(expected).max()
