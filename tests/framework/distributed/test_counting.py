"""N ranks count what one process does: ignored targets, weights of classes and of samples."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from campaigns import slow_but

PROGRAM = Path(__file__).parent / "programs" / "counting.py"
WORKS = (
    *("ignored", "weights", "soft", "sum", "binary", "own"),
    *("logging", "sampled", "sampled squares", "gpt"),
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    output = tmp_path_factory.mktemp("alone") / "found.json"
    subprocess.run([sys.executable, PROGRAM, output], check=True)
    return json.loads(output.read_text())


# Three share batches of four and two.
@pytest.fixture(scope="module", params=slow_but([2, 3, 5], 3))
def ranks(request, mpirun, tmp_path_factory):
    output = tmp_path_factory.mktemp("ranks") / "found.json"
    mpirun(request.param, "counting.py", output)
    found = json.loads(output.read_text())
    assert found["ranks"] == request.param
    return found


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("work", WORKS)
def test_n_ranks_count_what_one_process_does(alone, ranks, work, accumulate):
    agree(alone[f"{work}-{accumulate}"], ranks[f"{work}-{accumulate}"])


def test_n_ranks_make_a_step_by_hand_together(alone, ranks):
    agree(alone["by hand"], ranks["by hand"])


def agree(expected, found):
    np.testing.assert_allclose(found["weights"], expected["weights"], rtol=0, atol=1e-12)
    assert len(found["logged"]) == len(expected["logged"])
    for one, other in zip(found["logged"], expected["logged"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
