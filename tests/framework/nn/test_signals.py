"""What layers of signals, computed weights and Concatenate say of bad input, and of themselves."""

import numpy as np
import pytest

import firstlight as fl
from firstlight import nn


def x(*shape, dtype="float32"):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv1d(4, 6, 3, groups=4), r"Conv1d: .*out_channels=6 to be multiples of"),
        (lambda: nn.Conv1d(1, 1, 0), r"Conv1d: expected kernel_size .* of 1 or more, got 0"),
        (lambda: nn.Conv1d(1, 1, (3, 3)), r"Conv1d: expected kernel_size .*got \(3, 3\)"),
        (lambda: nn.Conv1d(1, 1, 3, 1.5), r"Conv1d: expected stride to be an integer.*1.5"),
        (lambda: nn.Conv1d(1, 1, 3, padding="full"), r"Conv1d: expected padding .*'full'"),
        (lambda: nn.Conv1d(1, 1, 3, 2, "same"), r'Conv1d: .*stride 1 with padding="same", got'),
        (lambda: nn.ConvTranspose1d(1, 1, 3, dilation=0), r"ConvTranspose1d: expected dilation"),
        (
            lambda: nn.ConvTranspose1d(1, 1, 3, 2, output_padding=2),
            r"ConvTranspose1d: .*output_padding=2 with stride=2 and dilation=1",
        ),
        (lambda: nn.MaxPool1d(2, padding=2), r"MaxPool1d: expected a padding of half the kernel"),
        (lambda: nn.MaxPool1d(2, dilation=0), r"MaxPool1d: expected dilation"),
        (lambda: nn.AvgPool1d(0), r"AvgPool1d: expected kernel_size"),
        (lambda: nn.AdaptiveAvgPool1d(0), r"AdaptiveAvgPool1d: expected output_size"),
        (
            lambda: nn.SpectralNorm(nn.Linear(3, 4), -1),
            r"SpectralNorm: expected n_power_iterations",
        ),
        (lambda: nn.WeightNorm(nn.ReLU()), r"WeightNorm: expected a Linear, Conv1d or Conv2d"),
        (lambda: nn.SpectralNorm(nn.ConvTranspose2d(1, 1, 3)), r"SpectralNorm: .*got ConvTransp"),
        (
            lambda: nn.SpectralNorm(nn.WeightNorm(nn.Linear(3, 4)).layer),
            r"SpectralNorm: the weight of Linear\(3, 4, bias=True\) is computed already",
        ),
        (nn.Concatenate, r"Concatenate: expected modules, got None at position 0"),
        (lambda: nn.Concatenate(nn.ReLU(), np.tanh), r"expected modules, got .* at position 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "signals", "message"),
    [
        (nn.Conv1d(1, 2, 3), x(8, 28), r"Conv1d: expected x of shape \(N, L, 1\).*missing axis"),
        (nn.Conv1d(3, 2, 3), x(8, 9, 1), r"Conv1d: .*build it with in_channels=1"),
        (nn.Conv1d(3, 2, 3), x(8, 3, 9), r"from PyTorch's layout: x.transpose\(0, 2, 1\)"),
        (nn.Conv1d(1, 2, 3, dilation=3), x(8, 6, 1), r"Conv1d: .*a length of 7 or more"),
        (nn.Conv1d(1, 2, 3), x(8, 6, 1, dtype="float64"), r"Conv1d: expected x of dtype float32"),
        (nn.ConvTranspose1d(2, 2, 1, padding=1), x(8, 2, 2), r"makes y 0 long; use less padding"),
        (nn.ConvTranspose1d(2, 2, 3), x(8, 9, 1), r"ConvTranspose1d: .*in_channels=1"),
        (nn.MaxPool1d(4), x(8, 3, 1), r"MaxPool1d: expected x with a length of 4 or more"),
        (nn.AvgPool1d(2), x(8, 9, 9, 1), r"AvgPool1d: expected x of shape \(N, L, C\)"),
        (nn.AdaptiveAvgPool1d(2), x(8, 0, 1), r"AdaptiveAvgPool1d: expected x with positions"),
        (
            nn.Concatenate(nn.Identity(), nn.Conv1d(2, 2, 3)),
            x(8, 9, 2),
            r"Concatenate: expected outputs .*\(8, 9, 2\), \(8, 7, 2\).*; use a padding",
        ),
    ],
)
def test_bad_signals(layer, signals, message):
    with pytest.raises((ValueError, TypeError), match=message):
        layer(signals)


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (
            nn.Conv1d(4, 8, 3, 2, 1, 2, 4, False),
            "Conv1d(4, 8, kernel_size=3, stride=2, padding=1, dilation=2, groups=4, bias=False)",
        ),
        (
            nn.ConvTranspose1d(4, 8, 3, 2, 1, 1),
            "ConvTranspose1d(4, 8, kernel_size=3, stride=2, padding=1, output_padding=1)",
        ),
        (nn.MaxPool1d(2), "MaxPool1d(kernel_size=2, stride=2)"),
        (nn.AdaptiveAvgPool1d(2), "AdaptiveAvgPool1d(2)"),
    ],
)
def test_repr(layer, shown):
    assert repr(layer) == shown


def test_the_layer_of_images_counts_and_names_parameters_once():
    layer, signals = nn.Conv1d(4, 6, 3, groups=2), x(2, 8, 4)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    summary = layer.summary(signals)
    assert summary.parameters == 6 * 3 * 2 + 6
    assert summary.flops == 2 * (2 * 6 * 6) * (3 * 2)


def test_from_torch_of_another_length_is_an_error():
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"shapes differ: weight is \(3, 1, 4, 2\) here"):
        nn.Conv1d(2, 3, 4).from_torch(nn.Conv1d(2, 3, 5).to_torch())


@pytest.mark.parametrize("wrap", [nn.WeightNorm, nn.SpectralNorm])
def test_a_computed_weight_is_no_parameter(wrap):
    layer = wrap(nn.Conv1d(2, 3, 3))
    before = [parameter.data.copy() for parameter in layer.parameters()]
    assert not any(name.startswith("layer.") for name in layer.state_dict())
    optimizer = fl.optim.SGD(layer.parameters(), lr=0.1)  # moves them to flat arrays
    signals = np.random.default_rng(0).standard_normal((2, 5, 2)).astype("float32")
    layer.backward(layer(signals))
    optimizer.step()
    for parameter, old in zip(layer.parameters(), before, strict=True):
        assert not np.array_equal(parameter.data, old)


def test_a_normalised_weight_starts_as_it_was_and_has_a_largest_singular_value_of_one():
    signals = np.random.default_rng(0).standard_normal((2, 5, 2)).astype("float32")
    layer = nn.Conv1d(2, 3, 3)
    expected = layer(signals)
    np.testing.assert_allclose(nn.WeightNorm(layer)(signals), expected, rtol=1e-5, atol=1e-6)
    layer = nn.SpectralNorm(nn.Linear(5, 4))
    for _ in range(50):
        layer(x(1, 5))
    assert np.linalg.norm(layer.layer.weight.data, 2) == pytest.approx(1, abs=1e-5)
    u = layer.weight_u.data.copy()
    layer.eval()(x(1, 5))
    np.testing.assert_array_equal(layer.weight_u.data, u)
