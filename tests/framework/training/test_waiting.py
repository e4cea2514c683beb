"""BLAS' threads sleep soon after a product where firstlight is imported before NumPy."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

SETTING = "OPENBLAS_THREAD_TIMEOUT"
SEEN = """
import os, sys

class Looks:
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))

sys.meta_path.insert(0, Looks())
import {first}
import firstlight, numpy
print(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
"""
USED = """
import time
import firstlight.nn
import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

blas = ThreadpoolController().select(user_api="blas").lib_controllers[0]
with threadpool_limits(2, user_api="blas"):
    assert blas.num_threads == 2
    x = np.ones((512, 512), "float32")
    for _ in range(3):
        assert (x @ x == 512).all()
before = time.process_time()
time.sleep(0.1)
print(1e3 * (time.process_time() - before))
"""


def told(code, **setting):
    environment = {k: v for k, v in os.environ.items() if "_NUM_THREADS" not in k}
    environment = {k: v for k, v in environment.items() if k != SETTING}
    environment |= {"OPENBLAS_NUM_THREADS": "2", **setting}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("first", "setting", "seen"),
    [
        ("firstlight", {}, ["20", "None"]),
        ("firstlight.tools.cli.main", {}, ["20", "None"]),
        ("numpy", {}, ["None", "None"]),
        ("firstlight", {SETTING: "27"}, ["27", "27"]),
    ],
)
def test_numpy_is_imported_with_the_setting_which_is_then_taken_back(first, setting, seen):
    assert told(SEEN.format(first=first), **setting) == seen


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two threads")
@pytest.mark.skipif(
    all(library["internal_api"] != "openblas" for library in threadpool_info()),
    reason="NumPy does not use OpenBLAS here",
)
def test_threads_sleep_soon():
    """Processor time, which other processes do not add to: some 30 ms without the setting."""
    assert min(float(told(USED)[0]) for _ in range(3)) < 6
