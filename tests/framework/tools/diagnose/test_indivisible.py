"""Layers that contain the layer that computes them are checked as one."""

import nets
import numpy as np

from firstlight import nn
from firstlight.support.gradcheck import check_gradients
from firstlight.tools.diagnose import check


def test_layers_of_signals_and_computed_weights():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((40, 8, 1)).astype("float32"), rng.integers(0, 3, 40)
    net = nets.Net(
        nn.SpectralNorm(nn.Conv1d(1, 4, 3)),  # u and v have not converged
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.WeightNorm(nn.Linear(12, 3)),
    )
    report = check(net, data, train=False)
    assert not report.findings
    shown = str(report)
    for name in ("SpectralNorm", "MaxPool1d", "WeightNorm"):
        assert f"({name})" in shown
    assert "Conv" not in shown
    check_gradients(net.body, data[0])
    assert net.body[0].n_power_iterations == 1
