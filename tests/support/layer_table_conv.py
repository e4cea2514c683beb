"""Convolution and pooling of images and signals, computed weights: cases for `layer_table`."""

from firstlight import nn


def cases(Case, floats):
    return [
        Case("Conv2d", lambda: nn.Conv2d(2, 3, 3), floats(2, 5, 6, 2)),
        Case(
            "Conv2d, needs_dx=False", lambda: nn.Conv2d(1, 3, 3, needs_dx=False), floats(2, 4, 4, 1)
        ),
        Case("Conv2d, 1 × 1", lambda: nn.Conv2d(3, 4, 1), floats(2, 4, 3, 3)),
        Case("Conv2d, same", lambda: nn.Conv2d(2, 2, (2, 4), padding="same"), floats(2, 5, 4, 2)),
        Case(
            "Conv2d, strides, padding, dilation",
            lambda: nn.Conv2d(2, 3, (3, 2), (2, 3), (2, 1), (1, 2), bias=False),
            floats(2, 6, 7, 2),
        ),
        Case("Conv2d, groups", lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), floats(2, 3, 4, 4)),
        Case("Conv2d, depthwise", lambda: nn.Conv2d(3, 3, 3, 2, 1, groups=3), floats(2, 5, 4, 3)),
        Case("ConvTranspose2d", lambda: nn.ConvTranspose2d(2, 3, 3), floats(2, 3, 4, 2)),
        Case(
            "ConvTranspose2d, everything",
            lambda: nn.ConvTranspose2d(4, 2, (3, 2), (2, 3), (1, 2), (1, 2), 2, False, (2, 1)),
            floats(2, 3, 4, 4),
        ),
        Case(
            "ConvTranspose2d, needs_dx=False",
            lambda: nn.ConvTranspose2d(2, 3, 2, 2, needs_dx=False),
            floats(2, 3, 4, 2),
        ),
        Case("MaxPool2d", lambda: nn.MaxPool2d(2), floats(2, 5, 4, 3)),
        Case("MaxPool2d, overlapping", lambda: nn.MaxPool2d(3, 2, 1, (1, 2)), floats(2, 6, 7, 2)),
        Case(
            "MaxPool2d, ceil_mode", lambda: nn.MaxPool2d(3, 2, ceil_mode=True), floats(2, 4, 6, 2)
        ),
        Case("AvgPool2d", lambda: nn.AvgPool2d(2), floats(2, 5, 4, 3)),
        Case("AvgPool2d, overlapping", lambda: nn.AvgPool2d((3, 2), 1, (1, 0)), floats(2, 4, 4, 2)),
        Case(
            "AvgPool2d, ceil_mode, counting no zeros",
            lambda: nn.AvgPool2d(3, 2, 1, True, False),
            floats(2, 4, 5, 2),
        ),
        Case("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d((3, 2)), floats(2, 5, 4, 3)),
        Case("GlobalAvgPool2d", nn.GlobalAvgPool2d, floats(2, 5, 4, 3)),
        Case("Conv1d", lambda: nn.Conv1d(2, 3, 3), floats(2, 6, 2)),
        Case(
            "Conv1d, needs_dx=False, same",
            lambda: nn.Conv1d(2, 3, 4, padding="same", needs_dx=False),
            floats(2, 5, 2),
        ),
        Case("Conv1d, everything", lambda: nn.Conv1d(4, 6, 3, 2, 2, 2, 2, False), floats(3, 7, 4)),
        Case("ConvTranspose1d", lambda: nn.ConvTranspose1d(2, 3, 3), floats(2, 4, 2)),
        Case(
            "ConvTranspose1d, everything",
            lambda: nn.ConvTranspose1d(4, 2, 3, 3, 1, 2, 2, False, 2),
            floats(2, 4, 4),
        ),
        Case("MaxPool1d", lambda: nn.MaxPool1d(2), floats(2, 5, 3)),
        Case(
            "MaxPool1d, overlapping",
            lambda: nn.MaxPool1d(3, 2, 1, 2, ceil_mode=True),
            floats(2, 8, 3),
        ),
        Case("AvgPool1d", lambda: nn.AvgPool1d(2), floats(2, 5, 3)),
        Case(
            "AvgPool1d, ceil_mode, counting no zeros",
            lambda: nn.AvgPool1d(3, 2, 1, True, False),
            floats(2, 6, 3),
        ),
        Case("AdaptiveAvgPool1d", lambda: nn.AdaptiveAvgPool1d(3), floats(2, 5, 3)),
        Case("WeightNorm", lambda: nn.WeightNorm(nn.Linear(3, 4)), floats(5, 3)),
        Case("WeightNorm, Conv1d", lambda: nn.WeightNorm(nn.Conv1d(2, 3, 3)), floats(2, 5, 2)),
        *(
            Case(f"SpectralNorm, {name}", lambda make=make: nn.SpectralNorm(make(), 200), x)
            for name, make, x in [
                ("Linear", lambda: nn.Linear(3, 4), floats(5, 3)),
                ("Conv1d", lambda: nn.Conv1d(2, 3, 3, bias=False), floats(2, 5, 2)),
                ("Conv2d", lambda: nn.Conv2d(1, 3, 2, needs_dx=False), floats(2, 4, 3, 1)),
            ]
        ),
    ]
