"""The Trainer's own tests, and callbacks', run once more with the stand-in as the device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin import kernels

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")
def test_the_suite_of_the_trainer_passes_on_the_stand_in():
    files = (ROOT / "tests" / "gpu" / "suite.txt").read_text().split()
    assert all((ROOT / name).is_file() for name in files)
    environment = os.environ | {"FIRSTLIGHT_TEST_DEVICE": "standin", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *files]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
