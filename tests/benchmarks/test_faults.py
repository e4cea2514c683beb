"""Trainings broken off at random, of which a smaller number runs here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, stops and takes over processes")
def test_broken_off_at_random_trainings_end_as_undisturbed(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FAULTS), "40", "16"],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("0 ended otherwise than their undisturbed twin") == 2
