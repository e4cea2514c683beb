"""The Trainer's own tests, callbacks', and a GPU's, once more with the stand-in as the device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from standin import kernels

ROOT = Path(__file__).parents[3]
SUITE = (ROOT / "tests" / "gpu" / "suite.txt").read_text().split()
SHORT = ("test_trainer.py", "test_means.py", "test_gradient_clip.py")
# Rounding and MNIST take a real GPU; tests/framework/fast has each layer on the stand-in.
ELSEWHERE = "not rounded and not mnist and not a_layer_is_the_same and not is_captured"

pytestmark = pytest.mark.skipif(kernels.compiler() is None, reason="needs g++ to emulate kernels")


def run(*arguments):
    """Run pytest with the stand-in as the device."""
    environment = os.environ | {"FIRSTLIGHT_TEST_DEVICE": "standin"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *arguments]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_trainer_and_what_will_run_on_a_gpu_pass_on_the_stand_in():
    assert all((ROOT / name).is_file() for name in SUITE)
    short = [name for name in SUITE if name.endswith(SHORT)]
    assert len(short) == len(SHORT)
    run("-m", "not slow", "-k", ELSEWHERE, "tests/gpu", *short)


@pytest.mark.slow
def test_the_whole_suite_of_the_trainer_passes_on_the_stand_in():
    run(*SUITE)
