"""The convolutional models: gradients, shapes, what they refuse, and that they learn."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.models import CNN, LeNet5, ResNet
from firstlight.models.resnet import Block
from firstlight.testing import check_gradients

SMALL = {
    "cnn": lambda shape: CNN(shape, 3, channels=(3, 4), padding=0, hidden=(5,), norm=None),
    "cnn with batch norm": lambda shape: CNN(
        shape, 3, channels=(2, 3, 4), pool_every=2, hidden=(), activation="silu"
    ),
    "lenet5": lambda shape: LeNet5(shape, 3),
    "resnet": lambda shape: ResNet(shape, 3, depth=8, width=2),
}


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_gradients(make):
    x = np.random.default_rng(0).normal(size=(4, 12, 13, 2)).astype("float32")
    check_gradients(make(x.shape[1:]), x)


@pytest.mark.parametrize("stride", [1, 2])
def test_block_gradients(stride):
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype("float32")
    check_gradients(Block(2, 4 if stride == 2 else 2, stride), x)


def test_pytorchs_example_is_one_of_its_networks():
    net = CNN((28, 28, 1), 10, channels=(32, 64), padding=0, pool_every=2, norm=None)
    assert sum(parameter.size for parameter in net.parameters()) == 1_199_882
    assert net(np.zeros((2, 28, 28, 1), "float32")).shape == (2, 10)


@pytest.mark.parametrize(("depth", "size"), [(20, 269_722), (32, 464_154), (56, 853_018)])
def test_resnets_have_the_papers_sizes(depth, size):
    assert sum(p.size for p in ResNet((32, 32, 3), 10, depth=depth).parameters()) == size


def test_a_resnet_with_momentum_has_the_papers_optimizer():
    net = ResNet((8, 8, 3), 10, depth=8, lr=0.1, momentum=0.9)
    (group,) = net.configure_optimizer().param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 1e-4)
    assert "momentum" not in ResNet((8, 8, 3), 10, depth=8).configure_optimizer().param_groups[0]


@pytest.mark.parametrize("name", ["cnn", "lenet5", "resnet"])
def test_they_learn_digits_by_name(name):
    x, y = (array[:640] for array in fl.datasets.load("digits").train.arrays)
    x = np.pad(x / 16, [(0, 0), (2, 2), (2, 2), (0, 0)]).astype("float32")  # (640, 12, 12, 1)
    kind = fl.plugins.registry("model").get(name)
    options = {"resnet": {"depth": 8, "width": 4}, "cnn": {"channels": (16, 32)}}.get(name, {})
    trainer = fl.Trainer(
        max_epochs=12 if name == "lenet5" else 8, default_callbacks=False, runs_dir=None
    )
    history = trainer.fit(kind((12, 12, 1), 10, lr=3e-3, **options), (x, y))
    assert history["train_acc"][-1] > 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: CNN((64,), 10),
            r"CNN: expected images, input_shape \(H, W, C\), got \(64,\); add",
        ),
        (lambda: CNN((4, 4, 1), 10), "CNN: images of 4 x 4 are too small for these convol"),
        (lambda: CNN((8, 8, 1), 10, norm="layer"), "norm: expected one of batch, got 'layer'"),
        (lambda: CNN((8, 8, 1), 10, activation="step"), "activation: expected one of relu"),
        (lambda: LeNet5((8, 8, 1), 10), "LeNet5: images of 8 x 8 are too small"),
        (lambda: ResNet((8, 8, 1), 10, depth=18), "expected a depth of 6 n \\+ 2 .*got 18"),
        (lambda: ResNet((8, 8, 1), 10, depth=2), "expected a depth of 6 n \\+ 2 .*got 2"),
        (lambda: ResNet((3, 8, 1), 10, depth=8), "expected images of 4 x 4 or more"),
    ],
)
def test_what_they_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dropout_and_label_smoothing_reach_their_layers():
    net = CNN((8, 8, 1), 10, dropout=0.1, hidden_dropout=0.2, label_smoothing=0.3)
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.1, 0.1, 0.1, 0.2]
    assert net.loss.label_smoothing == 0.3
    plain = CNN((8, 8, 1), 10, dropout=0, hidden_dropout=0)
    assert not any(isinstance(m, nn.Dropout) for m in plain.modules())
