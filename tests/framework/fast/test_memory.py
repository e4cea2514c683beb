"""Freed memory is kept: arrays made again cost no page faults."""

import os
import subprocess
import sys

import pytest

CODE = """
import resource
import numpy as np
import firstlight.fast

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def make():
    arrays = [np.ones(2**19, "float32") for _ in range(8)]  # 2 MB each

make()
before = faults()
for _ in range(5):
    make()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
@pytest.mark.parametrize(
    ("setting", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "1"}, False)]
)
def test_arrays_made_again_cost_no_page_faults(setting, kept):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | setting
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment
    )
    assert (int(done.stdout) < 500) == kept  # 20,000 pages otherwise
