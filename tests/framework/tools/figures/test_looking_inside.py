"""What figures are made from: gradients at the input, occlusion, weights, outputs of layers."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn
from firstlight.models import MLP
from firstlight.tools import figures


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((3, 4, 4, 1), dtype="float32")


@pytest.fixture
def net():
    return MLP(16, 3, hidden=(8,), dropout=0.5)  # BatchNorm, dropout, a first layer without dx


def test_input_gradient_is_the_slope_of_the_score(net, x):
    y, step = np.array([0, 2, 1]), 1e-4
    net.to(dtype="float64")
    x = x.astype("float64")
    dx = figures.input_gradient(net, x, y)
    direction = np.random.default_rng(1).standard_normal(x.shape)
    net.eval()
    there, back = net(x + step * direction), net(x - step * direction)
    slope = (there - back)[range(3), y] / (2 * step)
    np.testing.assert_allclose((dx * direction).sum(axis=(1, 2, 3)), slope, rtol=1e-6)


def test_input_gradient_leaves_the_module_as_it_was(net, x):
    first = net.body.layers[0]
    for parameter in net.parameters():
        parameter.grad[...] = 3
    buffers = {name: buffer.data.copy() for name, buffer in net.named_buffers()}
    figures.input_gradient(net, x, np.array([0, 1, 2]))
    assert first.needs_dx is False
    assert "needs_dx" not in net.__dict__
    assert net.training
    assert all((parameter.grad == 3).all() for parameter in net.parameters())
    for name, buffer in net.named_buffers():
        np.testing.assert_array_equal(buffer.data, buffers[name])
    net(x)
    net.backward(np.ones((3, 3), "float32"))  # trains on as before
    assert not net.eval().training
    figures.input_gradient(net, x, np.array([0, 1, 2]))
    assert not net.training


class Silent(fl.Module):
    def forward(self, x):
        return x.reshape(len(x), -1)

    def backward(self, dy):
        return None


def test_input_gradient_explains_what_it_needs(x):
    with pytest.raises(ValueError, match="Silent.backward returned None; it must give dL/dx"):
        figures.input_gradient(Silent(), x, np.array([0, 0, 0]))
    with pytest.raises(ValueError, match=r"expected scores \(N, C\) from Identity, got \(3, 4, 4"):
        figures.input_gradient(nn.Identity(), x, np.array([0, 0, 0]))


class Corner(fl.Module):
    """Sure of class 1 where the pixel (1, 2) is bright, of class 0 where it is dark."""

    def forward(self, x):
        s = 20 * x[:, 1, 2, 0]
        return np.stack([-s, s], axis=1)


def test_occlusion_finds_the_one_pixel_that_counts():
    x = np.ones((2, 4, 4, 1), "float32")
    maps = figures.occlusion_map(Corner(), x, np.array([1, 1]), size=1, value=-1.0)
    expected = np.zeros((2, 4, 4))
    expected[:, 1, 2] = 1
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    assert (x == 1).all()
    wider = figures.occlusion_map(Corner(), x, np.array([1, 1]), size=2, stride=1, value=-1.0)[0]
    assert wider[1, 2] == pytest.approx(1)  # every patch over it covers it
    assert wider[2, 3] == pytest.approx(0.5)  # 1 of the 2 patches over this pixel does
    assert wider[3, 0] == 0


def test_occlusion_covers_every_pixel_whatever_the_stride():
    maps = figures.occlusion_map(Corner(), np.ones((1, 7, 5, 1), "float32"), [1], size=3, stride=3)
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("settings", [{"size": 5}, {"size": 0}, {"size": 2, "stride": 3}])
def test_occlusion_refuses_patches_that_do_not_fit(settings, x):
    with pytest.raises(ValueError, match="occlusion_map: expected a size from 1 to 4 and a stride"):
        figures.occlusion_map(Corner(), x, np.array([0, 0, 0]), **settings)
    with pytest.raises(ValueError, match=r"expected images \(N, H, W, C\), got \(3, 16\)"):
        figures.occlusion_map(Corner(), x.reshape(3, 16), np.array([0, 0, 0]))


def test_first_weights_of_a_flat_layer_are_shaped_like_the_image(net):
    weights = figures.first_weights(net, (4, 4, 1))
    np.testing.assert_array_equal(weights[5].ravel(), net.body.layers[0].weight.data[5])
    with pytest.raises(ValueError, match=r"one weight for each value of an image .* \(8, 16\) for"):
        figures.first_weights(net, (5, 5, 1))
    with pytest.raises(ValueError, match="expected a layer with weights .* ReLU has none"):
        figures.first_weights(nn.ReLU(), (4, 4, 1))


class Twice(fl.Module):
    def forward(self, x):
        return 2 * x


def test_image_outputs_are_those_of_the_layers(x):
    net = nn.Sequential(Twice(), nn.ReLU(), nn.Flatten())
    found = figures.image_outputs(net, x)
    assert len(found) == 2  # Flatten gives no images
    first, second = found.values()
    np.testing.assert_array_equal(first, 2 * x)
    np.testing.assert_array_equal(second, np.maximum(2 * x, 0))
    assert net.training
    assert "forward" not in net.layers[0].__dict__


def test_an_album_of_undefined_scores_is_empty(net, x):
    data = fl.DataSplits((x, np.array([0, 1, 2])), val=(x, np.array([0, 1, 2])), classes="abc")
    scores = np.eye(3)
    names = [name for name, _ in figures.album(net, data.val, scores, "abc")]
    assert {"confusion_matrix", "saliency", "occlusion"} <= set(names)
    scores[1, 1] = np.nan
    with pytest.warns(UserWarning, match="nothing is drawn, as scores of 1 of 3 samples are NaN"):
        assert list(figures.album(net, data.val, scores, "abc")) == []
    with pytest.raises(
        ValueError, match=r"scores of shape \(N, 3\), one for each class, got \(3, 1"
    ):
        list(figures.album(net, data.val, scores[:, :1], "abc"))
    with pytest.raises(TypeError, match=r"data of one split, e.g. splits.test, got a DataSplits"):
        list(figures.album(net, data, scores, "abc"))


def test_save_makes_the_folder(tmp_path, x):
    figures.save(figures.image_grid(x), tmp_path / "new folder" / "grid.svg")
    assert (tmp_path / "new folder" / "grid.svg").read_text("utf-8").startswith("<?xml")
