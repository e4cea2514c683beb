import numpy as np
import pytest

from firstlight import nn


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.mark.parametrize(
    ("make", "shape"),
    [(nn.BatchNorm1d, (64, 3)), (nn.BatchNorm1d, (8, 10, 3)), (nn.BatchNorm2d, (8, 4, 5, 3))],
)
def test_batchnorm_standardises_channels(rng, make, shape):
    x = 5 + 2 * rng.standard_normal(shape)
    y = make(3).to(dtype="float64")(x)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=axes), 1, rtol=1e-4)


def test_batchnorm_running_statistics(rng):
    x = (5 + 2 * rng.standard_normal((64, 3))).astype("float32")
    norm = nn.BatchNorm1d(3, momentum=0.25)
    norm(x)
    np.testing.assert_allclose(norm.running_mean.data, 0.25 * x.mean(0), rtol=1e-5)
    unbiased = x.var(0, ddof=1)
    np.testing.assert_allclose(norm.running_var.data, 0.75 + 0.25 * unbiased, rtol=1e-5)
    before = norm.state_dict()
    norm.eval()(x)
    for name, array in norm.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_batchnorm_evaluates_with_running_statistics_one_sample_at_a_time(rng):
    norm = nn.BatchNorm1d(3, eps=0.0).eval()
    norm.running_mean.data[...] = [1, 2, 3]
    norm.running_var.data[...] = [1, 4, 9]
    y = norm(np.array([[2, 4, 6]], "float32"))
    np.testing.assert_allclose(y, [[1, 1, 1]])


def test_batchnorm_backward_in_evaluation_takes_statistics_as_constants(rng):
    norm = nn.BatchNorm1d(3, eps=0.0).eval(keep_backward=True)
    norm.running_var.data[...] = [1, 4, 16]
    norm.weight.data[...] = [1, 2, 8]
    x, dy = rng.standard_normal((2, 5, 3)).astype("float32")
    norm(x)
    np.testing.assert_allclose(norm.backward(dy), dy * [1, 1, 2], rtol=1e-6)


def test_untracked_batchnorm_uses_the_batch_in_evaluation_too(rng):
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    assert norm.running_mean is norm.running_var is None
    assert list(norm.state_dict()) == ["weight", "bias"]
    x = rng.standard_normal((5, 3)).astype("float32")
    y = norm(x)
    np.testing.assert_array_equal(norm.eval()(x), y)


def test_batchnorm_of_a_constant_channel():
    norm = nn.BatchNorm1d(2)
    y = norm(np.full((4, 2), 3.0, "float32"))
    assert (y == 0).all()
    assert np.isfinite(norm.backward(np.eye(4, 2, dtype="float32"))).all()


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (0, 3)])
def test_one_value_per_channel_cannot_be_trained_on(shape):
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="expected more than 1 value per channel when training"):
        norm(np.ones(shape, "float32"))
    norm.eval()(np.ones(shape, "float32"))


@pytest.mark.parametrize("shape", [(5, 4), (3,), (2, 3, 4, 3), (5, 3, 4)])
def test_batchnorm_shape_error(shape):
    with pytest.raises(ValueError, match=r"BatchNorm1d: expected x of shape \(N, 3\) or \(N, L, 3"):
        nn.BatchNorm1d(3)(np.ones(shape, "float32"))


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (2, 3, 4, 4), (2, 2, 3, 4, 3)])
def test_batchnorm2d_shape_error(shape):
    with pytest.raises(ValueError, match=r"BatchNorm2d: expected x of shape \(N, H, W, 3\), chan"):
        nn.BatchNorm2d(3)(np.ones(shape, "float32"))


def test_an_image_of_one_pixel_cannot_be_trained_on():
    norm, x = nn.BatchNorm2d(3), np.ones((1, 1, 1, 3), "float32")
    with pytest.raises(ValueError, match="BatchNorm2d: expected more than 1 value per channel"):
        norm(x)
    norm.eval()(x)


@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_batchnorm_argument_errors(make):
    name = make.__name__
    with pytest.raises(ValueError, match=f"{name}: expected num_features of 1 or more, got 0"):
        make(0)
    with pytest.raises(ValueError, match=f"{name}: expected a momentum from 0 to 1, got None"):
        make(3, momentum=None)


def test_batchnorm_of_no_samples():
    norm, x = nn.BatchNorm2d(3).eval(keep_backward=True), np.zeros((0, 2, 2, 3), "float32")
    assert norm(x).shape == norm.backward(x).shape == x.shape
    assert (norm.weight.grad == 0).all()


@pytest.mark.parametrize("norm", [nn.LayerNorm((2, 3)), nn.LayerNorm((2, 3), bias=False)])
def test_layernorm_standardises_each_row(rng, norm):
    x = (5 + 2 * rng.standard_normal((7, 2, 3))).astype("float32")
    y = norm(x)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=(1, 2)), 1, rtol=1e-4)
    np.testing.assert_allclose(norm(x[3:4]), y[3:4], rtol=1e-6)


def test_rmsnorm_keeps_the_mean_and_sets_the_size(rng):
    x = (5 + 2 * rng.standard_normal((7, 6))).astype("float32")
    y = nn.RMSNorm(6)(x)
    np.testing.assert_allclose(np.square(y).mean(axis=1), 1, rtol=1e-5)
    assert (y.mean(axis=1) > 0.5).all()


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
def test_rows_of_zeros_and_large_rows(make):
    norm = make(3)
    x = np.array([[0, 0, 0], [1e4, 1e4, -1e4]], "float32")
    y = norm(x)
    assert (y[0] == 0).all()
    assert np.abs(y[1]).max() < 2
    assert np.isfinite(norm.backward(np.ones_like(x))).all()


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
def test_layernorm_errors(make):
    name = make.__name__
    message = rf"{name}: expected x whose last axes are \(3,\) \(normalized_shape\), got shape"
    with pytest.raises(ValueError, match=message):
        make(3)(np.ones((5, 4), "float32"))
    with pytest.raises(ValueError, match=r"last axes are \(2, 3\)"):
        make((2, 3))(np.ones(3, "float32"))


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(3), nn.LayerNorm(3), nn.RMSNorm(3)])
def test_dtype_error(norm):
    name = type(norm).__name__
    message = rf"{name}: expected x of dtype float32 .* got float64; cast it with x\.astype\('fl"
    with pytest.raises(TypeError, match=message):
        norm(np.ones((5, 3)))


def test_parameters_and_repr():
    assert [n for n, _ in nn.LayerNorm(3).named_parameters()] == ["weight", "bias"]
    assert [n for n, _ in nn.LayerNorm(3, bias=False).named_parameters()] == ["weight"]
    assert nn.LayerNorm(3, elementwise_affine=False).parameters() == []
    assert repr(nn.LayerNorm(3)) == (
        "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)"
    )
    assert repr(nn.RMSNorm((2, 3))) == "RMSNorm((2, 3), eps=None, elementwise_affine=True)"
    assert repr(nn.BatchNorm1d(3)) == (
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )
