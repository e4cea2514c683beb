import numpy as np
import pytest

import firstlight as fl
from firstlight import nn


def image(*shape):
    return np.random.default_rng(2).standard_normal(shape).astype("float32")


# --- GroupNorm, InstanceNorm2d ----------------------------------------------------------------


def test_groupnorm_standardises_groups_of_neighbouring_channels():
    y = nn.GroupNorm(2, 6)(5 + 2 * image(3, 8, 9, 6)).reshape(3, -1, 2, 3)
    np.testing.assert_allclose(y.mean(axis=(1, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=(1, 3)), 1, rtol=1e-4)


def test_one_group_is_layernorm_and_a_group_each_is_instancenorm():
    x = image(3, 4, 5, 6)
    np.testing.assert_allclose(nn.GroupNorm(1, 6)(x), nn.LayerNorm((4, 5, 6))(x), atol=1e-6)
    np.testing.assert_array_equal(nn.GroupNorm(6, 6)(x), nn.InstanceNorm2d(6)(x))


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)])
def test_samples_do_not_see_each_other(norm):
    x = image(40, 24, 24, 4)  # several blocks
    np.testing.assert_allclose(norm(x)[17:18], norm(x[17:18]), atol=1e-6)


def test_instancenorm_running_statistics():
    x = 5 + 2 * image(3, 8, 9, 2)
    norm = nn.InstanceNorm2d(2, momentum=0.25, track_running_stats=True)
    norm(x)
    np.testing.assert_allclose(norm.running_mean.data, 0.25 * x.mean((0, 1, 2)), rtol=1e-5)
    unbiased = x.reshape(3, 72, 2).var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(norm.running_var.data, 0.75 + 0.25 * unbiased, rtol=1e-5)
    before = norm.state_dict()
    norm.eval()(x[:1, :1, :1])  # one pixel will do
    assert all((array == before[name]).all() for name, array in norm.state_dict().items())


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 2), nn.InstanceNorm2d(2)])
def test_constant_images_and_no_images(norm):
    x = np.full((4, 2, 3, 2), 3.0, "float32")
    assert (norm(x) == 0).all()
    assert np.isfinite(norm.backward(image(4, 2, 3, 2))).all()
    empty = x[:0]
    assert norm(empty).shape == norm.backward(empty).shape == empty.shape


def test_groupnorm_errors():
    for groups, channels in [(0, 4), (3, 4), (2, 0), (8, 4)]:
        message = f"GroupNorm: expected num_groups .* got {groups} groups of {channels} channels"
        with pytest.raises(ValueError, match=message):
            nn.GroupNorm(groups, channels)
    for shape in [(2, 3, 3, 5), (4,)]:
        with pytest.raises(ValueError, match=r"GroupNorm: expected x of shape \(N, \.\.\., 4\)"):
            nn.GroupNorm(2, 4)(np.ones(shape, "float32"))
    with pytest.raises(TypeError, match="GroupNorm: expected x of dtype float32 .* got float64"):
        nn.GroupNorm(2, 4)(np.ones((2, 4)))


def test_instancenorm_errors():
    with pytest.raises(ValueError, match="InstanceNorm2d: expected num_features of 1 or more"):
        nn.InstanceNorm2d(0)
    with pytest.raises(ValueError, match="InstanceNorm2d: expected a momentum from 0 to 1, got 2"):
        nn.InstanceNorm2d(3, momentum=2)
    for shape in [(2, 3, 3, 4), (3, 3, 3)]:
        with pytest.raises(ValueError, match=r"InstanceNorm2d: expected x of shape \(N, H, W, 3\)"):
            nn.InstanceNorm2d(3)(np.ones(shape, "float32"))
    with pytest.raises(ValueError, match="InstanceNorm2d: expected images of more than 1 pixel"):
        nn.InstanceNorm2d(3)(np.ones((5, 1, 1, 3), "float32"))
    with pytest.raises(TypeError, match="InstanceNorm2d: expected x of dtype float32"):
        nn.InstanceNorm2d(3, affine=True)(np.ones((2, 2, 2, 3)))


# --- Dropout2d --------------------------------------------------------------------------------


def test_dropout2d_drops_whole_channels_and_keeps_the_mean():
    layer, x = nn.Dropout2d(0.3), np.ones((400, 2, 3, 100), "float32")
    y = layer(x)
    assert (y == y[:, :1, :1]).all()
    assert abs((y == 0).mean() - 0.3) < 0.01
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    np.testing.assert_array_equal(layer.backward(x), y)


def test_dropout2d_in_evaluation_and_with_its_own_generator():
    x = image(20, 2, 2, 5)
    np.testing.assert_array_equal(nn.Dropout2d(0.9).eval()(x), x)
    before = fl.rng.state_dict()
    y = nn.Dropout2d(rng=np.random.default_rng(7))(x)
    np.testing.assert_array_equal(y, nn.Dropout2d(rng=np.random.default_rng(7))(x))
    assert fl.rng.state_dict() == before
    first = nn.Dropout2d()(x)
    assert (first != nn.Dropout2d()(x)).any()


def test_dropout2d_errors():
    for p in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"Dropout2d: expected a probability p .* got {p}"):
            nn.Dropout2d(p)
    with pytest.raises(
        ValueError, match=r"Dropout2d: expected x of shape \(N, H, W, C\), got \(2,"
    ):
        nn.Dropout2d()(np.ones((2, 3), "float32"))


# --- Upsample, ZeroPad2d ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_same_size_changes_nothing(mode):
    x = image(2, 5, 4, 3)
    np.testing.assert_allclose(nn.Upsample((5, 4), mode=mode)(x), x, rtol=1e-6)


@pytest.mark.parametrize("layer", [nn.Upsample(scale_factor=2), nn.ZeroPad2d(1)])
def test_a_skipped_gradient_passes_through(layer):
    layer(image(1, 2, 2, 1))
    assert layer.backward(None) is None
    with pytest.raises(RuntimeError, match="no forward left to undo"):
        layer.backward(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected one of size and scale_factor, got size=None and scale_factor=None"),
        ({"size": 2, "scale_factor": 2}, "expected one of size and scale_factor"),
        ({"size": 0}, "expected a size above 0, for rows and columns alike or for each, got 0"),
        ({"scale_factor": (1, 2, 3)}, r"expected a scale_factor above 0.* got \(1, 2, 3\)"),
        ({"size": 2, "mode": "bicubic"}, 'expected mode "nearest" or "bilinear", got \'bicubic\''),
        ({"size": 2, "align_corners": True}, 'align_corners is for mode="bilinear"; leave it out'),
    ],
)
def test_upsample_argument_errors(options, message):
    with pytest.raises(ValueError, match=f"Upsample: {message}"):
        nn.Upsample(**options)


def test_upsample_input_errors():
    with pytest.raises(ValueError, match=r"Upsample: expected x of shape \(N, H, W, C\), chan.*2,"):
        nn.Upsample(2)(np.ones((2, 3, 4), "float32"))
    with pytest.raises(ValueError, match=r"Upsample: expected x with pixels, got shape \(2, 0, 3,"):
        nn.Upsample(2)(np.ones((2, 0, 3, 1), "float32"))
    with pytest.raises(ValueError, match="expected a scale_factor that leaves a pixel, got"):
        nn.Upsample(scale_factor=0.1)(image(1, 4, 4, 1))


def test_zeropad_errors():
    for padding in (-1, (1, 2), (0, 0, 0, -1)):
        with pytest.raises(ValueError, match=r"ZeroPad2d: expected a padding of 0 or more, or \(l"):
            nn.ZeroPad2d(padding)
    with pytest.raises(
        ValueError, match=r"ZeroPad2d: expected x of shape \(N, H, W, C\), chan.* \(2"
    ):
        nn.ZeroPad2d(1)(np.ones((2, 3, 4), "float32"))


def test_repr():
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=True)"
    without = "GroupNorm(2, 4, eps=1e-05, affine=True, bias=False)"
    assert repr(nn.GroupNorm(2, 4, bias=False)) == without
    assert repr(nn.Dropout2d(0.2)) == "Dropout2d(p=0.2)"
    assert repr(nn.ZeroPad2d(1)) == "ZeroPad2d((1, 1, 1, 1))"
    assert repr(nn.Upsample(scale_factor=2)) == (
        "Upsample(scale_factor=(2, 2), mode='nearest', align_corners=None)"
    )
