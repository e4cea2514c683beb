"""`check(torch=True)`: a forward that is not what its name says, which differences cannot see."""

import numpy as np
import pytest

from firstlight import models, nn
from firstlight.diagnose import check

pytest.importorskip("torch")


def test_layers_agree_with_their_twins():
    x = np.random.default_rng(0).standard_normal((4, 8, 8, 1)).astype("float32")
    report = check(models.MLP(64, 10), x, torch=True)
    assert report.ok, str(report)
    assert len([line for line in report.checks if line.group == "torch"]) == 7


def test_a_wrong_forward_is_named():
    class Linear(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, dy):
            return super().backward(2 * dy)

    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    net = nn.Sequential(nn.Linear(3, 5), Linear(5, 2))
    assert check(net, x).ok
    (finding,) = check(net, x, torch=True).findings
    assert (finding.kind, finding.where) == ("forward", "1")
    assert "forward differs from torch.nn.Linear" in finding.message
