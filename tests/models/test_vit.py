"""ViT: gradients, groups of the optimizer, what it can read, messages."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.models import ViT
from firstlight.support.gradcheck import check_gradients


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def small(**options):
    options = {"embed_dim": 8, "depth": 2, "num_heads": 2} | options
    return ViT((4, 8, 3), 5, **options)


@pytest.mark.parametrize("pool", ["mean", "token"])
@pytest.mark.parametrize("recompute", [False, True])
def test_gradients(pool, recompute, rng):
    net = small(pool=pool, recompute=recompute, dropout=0.3, patch_size=2)
    check_gradients(net, rng.standard_normal((3, 4, 8, 3)))
    check_gradients(net.eval(), rng.standard_normal((3, 4, 8, 3)))


@pytest.mark.parametrize(
    ("shape", "patch", "count"),
    [((8, 8, 1), 2, 16), ((28, 28, 1), 7, 16), ((32, 32, 3), 8, 16), ((3, 5, 2), 1, 15)],
)
def test_patches_by_default(shape, patch, count):
    net = ViT(shape, 10, embed_dim=8, depth=1, num_heads=1)
    assert net.patches.patch_size == patch
    assert net.positions.shape == (count, 8)
    assert ViT(shape, 10, embed_dim=8, depth=1, num_heads=1, pool="token").positions.shape == (
        count + 1,
        8,
    )


@pytest.mark.parametrize("pool", ["mean", "token"])
def test_the_order_of_patches_matters_through_the_positions_only(pool, rng):
    net = small(pool=pool, patch_size=4).to(dtype="float64").eval()
    x = rng.standard_normal((3, 4, 8, 3))
    swapped = x[:, :, [4, 5, 6, 7, 0, 1, 2, 3]]  # its two patches
    assert abs(net(x) - net(swapped)).max() > 1e-3
    net.positions.data[-2:] = 0
    np.testing.assert_allclose(net(x), net(swapped), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pool", ["mean", "token"])
def test_only_matrices_decay(pool):
    net = small(pool=pool, weight_decay=0.3)
    groups = net.configure_optimizer().param_groups
    decays = {
        id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]
    }
    expected = {
        name: 0.3 if parameter.data.ndim == 2 and name != "positions" else 0.0
        for name, parameter in net.named_parameters()
    }
    assert {name: decays[id(p)] for name, p in net.named_parameters()} == expected
    assert 0.3 in expected.values()


def test_learns_where_a_dot_is(rng):
    """Images of one bright pixel; its quarter is the class, which only positions tell."""
    place = rng.integers(0, 8, (256, 2))
    x = np.zeros((256, 8, 8, 1), "float32")
    x[np.arange(256), place[:, 0], place[:, 1]] = 3
    y = 2 * (place[:, 0] // 4) + place[:, 1] // 4
    fl.seed_everything(0)
    net = ViT((8, 8, 1), 4, embed_dim=16, depth=1, num_heads=2, dropout=0.0, lr=1e-2)
    trainer = fl.Trainer(max_epochs=60, callbacks=[], runs_dir=None)
    trainer.fit(net, (x[:192], y[:192]), (x[192:], y[192:]))
    assert trainer.metrics["val_acc"] > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (64,)}, r"expected input_shape \(height, width, channels\).*got \(64,\)"),
        ({"input_shape": (8, 8)}, r"of an image, got \(8, 8\); reshape the data"),
        ({"input_shape": (8, 0, 1)}, r"of an image, got \(8, 0, 1\)"),
        ({"patch_size": 3}, "patch_size that divides 8 and 8, got 3; .* may be 1, 2, 4, 8"),
        ({"patch_size": 0}, "patch_size that divides 8 and 8, got 0"),
        ({"input_shape": (8, 7, 1)}, "divides 8 and 7, got 2; with this input_shape it may be 1"),
        ({"num_heads": 5}, "embed_dim to be a multiple of num_heads, got 64 and 5"),
        ({"pool": "max"}, "ViT: expected pool mean or token, got 'max'"),
        ({"depth": 0}, "ViT: expected depth of 1 or more, got 0"),
        ({"dropout": -0.1}, "got -0.1"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ViT(**{"input_shape": (8, 8, 1), "out_features": 10} | arguments)


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 4, 8, 1), (4, 8, 3), (2, 96)])
def test_images_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"ViT: expected images of shape \(N, 4, 8, 3\).*got"):
        small(patch_size=2)(np.ones(shape, "float32"))
