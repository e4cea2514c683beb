"""What a training sets in its process, and sets back: BLAS threads, and glibc's thresholds."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from firstlight import nn
from firstlight.training import process

FAULTS = """
import contextlib, resource
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

class Nested(fl.Callback):
    def on_fit_start(self, trainer):
        fl.Trainer(default_callbacks=False, runs_dir=None).validate(Net(), data)
        inside.append(cost())  # the end of an inner one sets nothing back

class Fails(fl.Callback):
    def on_train_batch_end(self):
        raise KeyError

data = np.ones((4, 1), "float32"), np.ones((4, 1), "float32")
inside, outside = [], [cost()]
for callback in (Nested(), Fails()):
    trainer = fl.Trainer(
        max_epochs=1, callbacks=[callback], default_callbacks=False, runs_dir=None
    )
    with contextlib.suppress(KeyError):
        trainer.fit(Net(), data)
    outside.append(cost())
trainer.predict(Net(), data)
outside.append(cost())
print(max(inside), min(inside), min(outside))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
@pytest.mark.parametrize(
    ("setting", "kept"),
    [({}, True), pytest.param({"MALLOC_TRIM_THRESHOLD_": "1"}, False, marks=pytest.mark.slow)],
)
def test_arrays_made_again_cost_no_page_faults_within_a_training_only(setting, kept):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | setting
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, env=environment
    )
    most, least, outside = map(int, done.stdout.split())  # of 60,000 pages
    assert most < 500 if kept else least > 5000
    assert outside > 5000


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


def test_of_trainings_in_threads_the_last_to_end_sets_memory_back(monkeypatch):
    class Recorder:
        def __init__(self):
            self.calls = []

        def mallopt(self, *setting):
            self.calls.append(setting)

        def malloc_trim(self, _):
            self.calls.append("trim")

    recorder = Recorder()
    monkeypatch.setattr(process, "_glibc", lambda: recorder)
    first, second = process.kept_memory(), process.kept_memory()
    first.__enter__()
    set_by_first = list(recorder.calls)
    second.__enter__()
    first.__exit__(None, None, None)
    assert recorder.calls == set_by_first
    second.__exit__(None, None, None)
    assert recorder.calls[-1] == "trim"
