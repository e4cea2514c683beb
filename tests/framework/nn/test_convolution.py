"""What convolution and pooling say of bad input, and of themselves."""

import numpy as np
import pytest

from firstlight import nn


def x(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 4, 3), r"Conv2d: expected in_channels, .* of 1 or more, got 0, 4"),
        (lambda: nn.Conv2d(4, 4, 3, groups=3), r"Conv2d: .*in_channels=4.*multiples of groups=3"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), r"out_channels=6 to be multiples of groups=4"),
        (lambda: nn.Conv2d(1, 1, 0), r"Conv2d: expected kernel_size .* of 1 or more.*got 0"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), r"a pair of them .*, got \(3, 3, 3\)"),
        (lambda: nn.Conv2d(1, 1, 2.5), r"expected kernel_size to be an integer.*got 2.5"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), r"expected stride to be an integer of 1 or more"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), r"expected padding to be an integer of 0 or more"),
        (lambda: nn.Conv2d(1, 1, 3, dilation=0), r"expected dilation to be an integer of 1"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), r'"same" or "valid", got \'full\''),
        (lambda: nn.Conv2d(1, 1, 3, 2, "same"), r'stride 1 with padding="same", got stride=\(2'),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, 2, output_padding=2),
            r"ConvTranspose2d: expected output_padding below stride or dilation, got .*\(2, 2\)",
        ),
        (lambda: nn.ConvTranspose2d(4, 6, 3, groups=4), r"ConvTranspose2d: .*groups=4"),
        (lambda: nn.MaxPool2d(0), r"MaxPool2d: expected kernel_size"),
        (lambda: nn.MaxPool2d(2, padding=2), r"MaxPool2d: expected a padding of half the kernel"),
        (lambda: nn.AvgPool2d(3, padding=(1, 2)), r"AvgPool2d: .*got padding=\(1, 2\) with"),
        (lambda: nn.AdaptiveAvgPool2d(0), r"AdaptiveAvgPool2d: expected output_size"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "images", "message"),
    [
        (nn.Conv2d(1, 2, 3), x(8, 28, 28), r"Conv2d: .*got \(8, 28, 28\); add the missing axis"),
        (nn.Conv2d(3, 2, 3), x(8, 9, 9, 1), r"\(N, H, W, 3\).*build it with in_channels=1"),
        (nn.Conv2d(3, 2, 3), x(8, 3, 9, 9), r"from PyTorch's layout: x.transpose\(0, 2, 3, 1\)"),
        (nn.Conv2d(1, 2, 5), x(8, 9, 4, 1), r"Conv2d: expected x with a width of 5 or more"),
        (nn.Conv2d(1, 2, 3, dilation=3), x(8, 6, 9, 1), r"a height of 7 or more.*smaller kernel"),
        (nn.ConvTranspose2d(2, 2, 3), x(8, 9, 9, 1), r"ConvTranspose2d: .*in_channels=1"),
        (nn.ConvTranspose2d(2, 2, 1, padding=1), x(8, 2, 9, 2), r"makes y 0 × 7; use less padding"),
        (nn.MaxPool2d(2), x(8, 9), r"MaxPool2d: expected x of shape \(N, H, W, C\)"),
        (nn.MaxPool2d(4), x(8, 9, 3, 1), r"MaxPool2d: expected x with a width of 4 or more"),
        (nn.AvgPool2d(4), x(8, 3, 9, 1), r"AvgPool2d: expected x with a height of 4 or more"),
        (nn.AdaptiveAvgPool2d(2), x(8, 0, 9, 1), r"AdaptiveAvgPool2d: expected x with pixels"),
        (nn.GlobalAvgPool2d(), x(8, 9, 0, 1), r"GlobalAvgPool2d: expected x with pixels"),
        (nn.GlobalAvgPool2d(), x(8, 9), r"GlobalAvgPool2d: expected x of shape"),
    ],
)
def test_bad_images(layer, images, message):
    with pytest.raises(ValueError, match=message):
        layer(images)


@pytest.mark.parametrize("layer", [nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(1, 1, 3)])
def test_another_dtype(layer):
    with pytest.raises(TypeError, match=r"expected x of dtype float32 .*, got float64; cast it"):
        layer(x(2, 5, 5, 1, dtype="float64"))


def test_initial_weights_of_ones_choice():
    layer = nn.Conv2d(4, 6, 3, groups=2, init_weight=nn.init.ones)
    assert layer.weight.shape == (6, 3, 3, 2)
    assert (layer.weight.data == 1).all()


def test_same_keeps_height_and_width():
    for kernel in (1, 2, 3, 4, (5, 2)):
        assert nn.Conv2d(1, 1, kernel, padding="same")(x(1, 7, 6, 1)).shape == (1, 7, 6, 1)


def test_transposed_undoes_the_shape_of_a_convolution():
    for height in (9, 10):
        small = nn.Conv2d(1, 1, 3, 2, 1)(x(1, height, height, 1))
        back = nn.ConvTranspose2d(1, 1, 3, 2, 1, output_padding=1 - height % 2)(small)
        assert back.shape == (1, height, height, 1)


def test_the_first_of_equal_values_gets_the_gradient():
    layer = nn.MaxPool2d(2)
    layer(x(1, 2, 2, 1))
    assert layer.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 0, 0, 0]


def test_not_a_number_is_not_hidden():
    images = x(1, 2, 2, 1)
    images[0, 1, 0, 0] = np.nan
    assert np.isnan(nn.MaxPool2d(2)(images)).all()


def test_flops_are_those_of_the_products():
    layer, images = nn.Conv2d(4, 6, 3, groups=2), x(2, 8, 8, 4)
    assert layer.flops(images, layer(images)) == 2 * (2 * 6 * 6 * 6) * (9 * 2)
    layer, images = nn.ConvTranspose2d(4, 6, 3), x(2, 8, 8, 4)
    assert layer.flops(images, layer(images)) == 2 * (2 * 8 * 8 * 4) * (9 * 6)


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (nn.Conv2d(1, 8, 3), "Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1))"),
        (
            nn.Conv2d(4, 8, 3, 1, "same", 2, 4, False),
            "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding='same', dilation=(2, 2), "
            "groups=4, bias=False)",
        ),
        (
            nn.ConvTranspose2d(4, 8, 3, 2, 1, 1),
            "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "output_padding=(1, 1))",
        ),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=(2, 2), stride=(2, 2))"),
        (nn.AdaptiveAvgPool2d(2), "AdaptiveAvgPool2d((2, 2))"),
    ],
)
def test_repr(layer, shown):
    assert repr(layer) == shown
