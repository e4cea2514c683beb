"""What a training sets in its process: BLAS threads, and glibc's thresholds."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from firstlight import nn
from firstlight.training import process

FAULTS = """
import resource
import numpy as np
import firstlight as fl

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def make():
    arrays = [np.ones(2**19, "float32") for _ in range(40)]  # 2 MB each

def cost():
    make()
    before = faults()
    for _ in range(3):
        make()
    return faults() - before

class Net(fl.Module):
    def __init__(self):
        self.body = fl.nn.Linear(1, 1)
        self.loss = fl.nn.MSELoss()
    def forward(self, x):
        inside.append(cost())
        return self.body(x)
    def backward(self, dy):
        return self.body.backward(dy)
    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=0.1)

data = np.ones((4, 1), "float32"), np.ones((4, 1), "float32")
inside, before = [], cost()
net = Net()
if BY_HAND:
    for _ in range(2):
        net(data[0])
else:
    fl.Trainer(max_epochs=3, default_callbacks=False, runs_dir=None).fit(net, data)
print(before, max(inside[1:]), min(inside[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
@pytest.mark.parametrize("by_hand", [pytest.param(True, marks=pytest.mark.forms), False])
@pytest.mark.parametrize(
    ("setting", "kept"),
    [({}, True), pytest.param({"MALLOC_TRIM_THRESHOLD_": "1"}, False, marks=pytest.mark.slow)],
)
def test_arrays_made_again_cost_no_page_faults_once_a_layer_has_run(setting, kept, by_hand):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | setting
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.replace("BY_HAND", str(by_hand))],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    before, most, least = map(int, done.stdout.split())  # of 60,000 pages
    assert before > 5000
    assert most < 500 if kept else least > 5000


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
    for name in process.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with threadpool_limits(2, user_api="blas"), process.blas_threads(net(), batch_size):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert {pool["num_threads"] for pool in pools} == {expected}
