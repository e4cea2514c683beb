"""The loss scale against PyTorch's GradScaler: the same scales, step by step."""

import numpy as np
import pytest

from firstlight import Parameter, optim
from firstlight.optim.loss_scale import LossScale

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_the_scale_is_gradscalers(share):
    rng, interval = np.random.default_rng(4), 6
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=interval)
    weight = torch.nn.Parameter(torch.zeros(8))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    mine, steps = LossScale(optim.SGD([Parameter(np.zeros(8, "float32"))])), 0
    mine.growth_interval = interval
    for _ in range(120):
        gradient = rng.standard_normal(8).astype("float32")
        if rng.random() < share:
            gradient[rng.integers(8)] = rng.choice([np.inf, -np.inf, np.nan])
        optimizer.zero_grad()
        scaler.scale((weight * torch.from_numpy(gradient)).sum()).backward()
        scaler.unscale_(optimizer)
        g = gradient * mine.scale
        mine.unscale(g)
        np.testing.assert_array_equal(g, weight.grad.numpy())
        before = weight.detach().clone()
        scaler.step(optimizer)
        scaler.update()
        assert bool(mine.counts[0]) == bool((weight.detach() == before).all())
        steps += 1 - int(mine.counts[0])
        mine.update()
        assert float(mine.scale) == scaler.get_scale()
    assert mine.counts[2] == 120 - steps
