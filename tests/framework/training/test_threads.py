"""How many BLAS threads a network gets."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from firstlight import nn
from firstlight.training import threads


@pytest.mark.parametrize(
    ("net", "batch_size", "expected"),
    [
        (lambda: nn.Linear(64, 10), 32, 1),
        (lambda: nn.Linear(1000, 400), 32, 2),
        (lambda: nn.Conv2d(1, 4, 3), 32, 1),
        (lambda: nn.Conv2d(8, 32, 3), 64, 2),  # 2,304 weights, but used at each pixel
    ],
)
def test_small_networks_get_one_thread(net, batch_size, expected, monkeypatch):
    for name in threads.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    with threadpool_limits(2, user_api="blas"), threads.blas_threads(net(), batch_size):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert {pool["num_threads"] for pool in pools} == {expected}
