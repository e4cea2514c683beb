"""Normalisation, dropout and resizing of images: cases for `layer_table`."""

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
        Case("BatchNorm2d, no bias", lambda: nn.BatchNorm2d(3, bias=False), floats(3, 2, 1, 3)),
        Case("GroupNorm, no bias", lambda: nn.GroupNorm(2, 4, bias=False), floats(2, 3, 2, 4)),
        Case(
            "InstanceNorm2d, no bias",
            lambda: nn.InstanceNorm2d(3, affine=True, bias=False),
            floats(3, 2, 2, 3),
        ),
        Case("GroupNorm", lambda: nn.GroupNorm(2, 6), floats(2, 3, 4, 6)),
        Case("GroupNorm, one group", lambda: nn.GroupNorm(1, 3, affine=False), floats(3, 5, 3)),
        Case("GroupNorm, features", lambda: nn.GroupNorm(2, 8, eps=1e-2), floats(5, 8)),
        Case("InstanceNorm2d", lambda: nn.InstanceNorm2d(3), floats(2, 4, 5, 3)),
        Case(
            "InstanceNorm2d, affine", lambda: nn.InstanceNorm2d(3, affine=True), floats(3, 2, 2, 3)
        ),
        Case(
            "InstanceNorm2d, tracked",
            lambda: nn.InstanceNorm2d(2, eps=1e-2, track_running_stats=True),
            floats(2, 3, 4, 2),
        ),
        Case("Dropout2d", nn.Dropout2d, floats(4, 2, 3, 8)),
        Case("Dropout2d, p=1", lambda: nn.Dropout2d(1.0), floats(4, 2, 3, 8)),
        Case("ZeroPad2d", lambda: nn.ZeroPad2d(1), floats(2, 3, 4, 2)),
        Case("ZeroPad2d, four sides", lambda: nn.ZeroPad2d((0, 1, 2, 3)), floats(2, 3, 4, 2)),
        Case("Upsample", lambda: nn.Upsample(scale_factor=2), floats(2, 3, 4, 2)),
        Case("Upsample, smaller", lambda: nn.Upsample((2, 7)), floats(2, 3, 4, 2)),
        Case(
            "Upsample, bilinear",
            lambda: nn.Upsample(scale_factor=(2.5, 1.3), mode="bilinear"),
            floats(2, 3, 4, 2),
        ),
        Case(
            "Upsample, bilinear, corners",
            lambda: nn.Upsample((5, 7), mode="bilinear", align_corners=True),
            floats(2, 3, 4, 2),
        ),
    ]
