"""The Trainer's own tests, and callbacks', run once more with the stand-in as the device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin import kernels

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")
def test_the_suite_of_the_trainer_passes_on_the_stand_in():
    files = (ROOT / "tests" / "gpu" / "suite.txt").read_text().split()
    assert all((ROOT / name).is_file() for name in files)
    done = run(*files)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")
def test_what_will_run_on_a_gpu_runs_on_the_stand_in_but_for_its_rounding():
    done = run("-m", "gpu", "tests/gpu", "-k", "not rounded and not mnist")
    assert done.returncode == 0, done.stdout[-3000:]


def run(*arguments):
    """Run pytest with the stand-in as the device."""
    environment = os.environ | {"FIRSTLIGHT_TEST_DEVICE": "standin", "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *arguments]
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
