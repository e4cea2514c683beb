"""Normalisation of images: cases for `layer_table`."""

from firstlight import nn


def cases(Case, floats):
    return [
        Case("BatchNorm2d", lambda: nn.BatchNorm2d(3), floats(2, 4, 5, 3)),
        Case("BatchNorm2d, plain", lambda: nn.BatchNorm2d(3, affine=False), floats(3, 2, 1, 3)),
        Case(
            "BatchNorm2d, untracked",
            lambda: nn.BatchNorm2d(2, eps=1e-2, track_running_stats=False),
            floats(2, 3, 4, 2),
        ),
    ]
