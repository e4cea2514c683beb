"""`check(torch=True)`: a forward that is not what its name says, which differences cannot see."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import models, nn
from firstlight.tools.diagnose import check

pytest.importorskip("torch")


IMAGES, SEQUENCES = (4, 6, 5, 4), (3, 5, 4)
LAYERS = [
    (lambda: nn.Linear(4, 3, bias=False), (4, 4)),
    (lambda: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2), IMAGES),
    (lambda: nn.Conv2d(4, 3, 2, padding="same", dilation=2, bias=False), IMAGES),
    (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), IMAGES),
    (lambda: nn.MaxPool2d(2, padding=1), IMAGES),
    (lambda: nn.AvgPool2d((3, 2), stride=1), IMAGES),
    (lambda: nn.AdaptiveAvgPool2d((2, 3)), IMAGES),
    (lambda: nn.GlobalAvgPool2d(), IMAGES),
    (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    (lambda: nn.ZeroPad2d((1, 2, 0, 1)), IMAGES),
    (lambda: nn.BatchNorm1d(4), (6, 4)),
    (lambda: nn.BatchNorm1d(4, eps=0.1), SEQUENCES),
    (lambda: nn.BatchNorm2d(4, momentum=0.3), IMAGES),
    (lambda: nn.InstanceNorm2d(4, affine=True), IMAGES),
    (lambda: nn.GroupNorm(2, 4), IMAGES),
    (lambda: nn.BatchNorm2d(4, bias=False), IMAGES),
    (lambda: nn.GroupNorm(2, 4, bias=False), IMAGES),
    (lambda: nn.MaxPool2d(2, ceil_mode=True), IMAGES),
    (lambda: nn.AvgPool2d(2, padding=1, ceil_mode=True, count_include_pad=False), IMAGES),
    (lambda: nn.LayerNorm(4), SEQUENCES),
    (lambda: nn.RMSNorm(4, eps=1e-3), SEQUENCES),
    (lambda: nn.MultiHeadAttention(4, 2, dropout=0.5), SEQUENCES),
    (lambda: nn.MultiHeadAttention(4, 2, bias=False, is_causal=True), SEQUENCES),
    *[(lambda kind=kind: getattr(nn, kind)(4, 3, 2), SEQUENCES) for kind in ("RNN", "GRU", "LSTM")],
    (lambda: nn.GRU(4, 3, bias=False), SEQUENCES),
    (lambda: nn.LSTMCell(4, 3), (5, 4)),
    (lambda: nn.GRUCell(4, 3, bias=False), (5, 4)),
    *[(kind, (4, 7)) for kind in (nn.ReLU, nn.GELU, nn.SiLU, nn.Softplus, nn.ELU, nn.LeakyReLU)],
    *[(kind, (4, 7)) for kind in (nn.Tanh, nn.Sigmoid, nn.Softmax, nn.LogSoftmax, nn.Flatten)],
]


def torch_lines(report):
    return [line for line in report.checks if line.group == "torch"]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_a_layer_agrees_with_its_twin(make, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    report = check(nn.Sequential(make()), x, torch=True)
    assert report.ok, str(report)
    assert [(line.verdict, line.subject[:3]) for line in torch_lines(report)] == [("ok", "0 (")]


def test_an_embedding_agrees_with_its_twin():
    net = nn.Sequential(nn.Embedding(9, 4, padding_idx=2), nn.LSTM(4, 3))
    report = check(net, np.arange(15).reshape(3, 5) % 9, torch=True)
    assert [line.verdict for line in torch_lines(report)] == ["ok", "ok"], str(report)


def test_attention_with_a_context_and_a_mask_agrees_with_its_twin():
    class Net(fl.Module):
        def __init__(self, mask):
            self.attention, self.mask = nn.MultiHeadAttention(4, 2), mask

        def forward(self, x):
            return self.attention(x, x[:, :3], self.mask)

        def backward(self, dy):
            dx, dcontext = self.attention.backward(dy)
            dx[:, :3] += dcontext
            return dx

    x = np.random.default_rng(0).standard_normal(SEQUENCES).astype("float32")
    for mask in (np.tri(5, 3, dtype=bool), np.ones((3, 5, 3)), None):
        report = check(Net(mask), x, torch=True)
        assert [line.verdict for line in torch_lines(report)] == ["ok"], str(report)


def test_every_layer_of_a_network_is_compared_or_listed():
    digits = fl.datasets.load("digits")
    report = check(models.CNN((8, 8, 1), 10), digits, torch=True, train=False)
    compared = [line.subject for line in torch_lines(report) if line.verdict == "ok"]
    assert "features.0 (Conv2d)" in compared
    assert "features.4 (MaxPool2d)" in compared
    (rest,) = [line for line in torch_lines(report) if line.verdict == "skipped"]
    assert rest.subject == "features.5, head.2"
    assert rest.detail == "not compared, Dropout: drawn at random"


def test_a_class_of_ones_own_that_only_shares_the_name_is_listed():
    class Linear(fl.Module):
        def __init__(self):
            self.w = fl.Parameter(np.ones((3, 3), "float32"))

        def forward(self, x):
            self.save(x)
            return x @ self.w.data

        def backward(self, dy):
            (x,) = self.saved()
            self.w.grad += x.T @ dy
            return dy @ self.w.data.T

    report = check(Linear(), np.eye(3, dtype="float32"), torch=True)
    (line,) = torch_lines(report)
    assert line.verdict == "skipped"
    assert line.detail.startswith("not compared, Linear: not built as torch.nn.Linear is (")


@pytest.mark.parametrize(
    ("make", "shape", "change"),
    [
        (lambda: nn.Conv2d(4, 3, 3), IMAGES, lambda x: np.flip(x, 1)),
        (lambda: nn.MaxPool2d(2), IMAGES, lambda x: x + 1e-3),
        (lambda: nn.LayerNorm(4), SEQUENCES, lambda x: x[..., ::-1]),
        (lambda: nn.GRU(4, 3), SEQUENCES, lambda x: x * 1.01),
        (lambda: nn.MultiHeadAttention(4, 2), SEQUENCES, lambda x: x * 1.01),
    ],
)
def test_a_forward_that_is_a_little_different_is_named(make, shape, change):
    layer = make()
    layer.__class__ = type(
        type(layer).__name__,
        (type(layer),),
        {"forward": lambda self, x: super(type(self), self).forward(change(x))},
    )
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    kinds = {one.kind for one in check(nn.Sequential(layer), x, torch=True).findings}
    assert "forward" in kinds


def test_a_wrong_forward_is_named():
    class Linear(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dy):
            return super().backward(2 * dy)

    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    net = nn.Sequential(nn.Linear(3, 5), Linear(5, 2))
    assert check(net, x).ok
    (finding,) = check(net, x, torch=True).findings
    assert (finding.kind, finding.where) == ("forward", "1")
    assert "forward differs from torch.nn.Linear" in finding.message
