"""N ranks compute what one process does: losses, metrics, predictions, parameters."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from campaigns import slow_but

PROGRAM = Path(__file__).parent / "programs" / "equality.py"
WORKS = [f"{name}-{dtype}" for dtype in ("float64", "float32") for name in ("mlp", "cnn", "gpt")]
# A run's validation uses running statistics, and parameters that 40 steps have led apart.
TOLERANCES = {"float64": (1e-12, 1e-10), "float32": (1e-5, 1e-4)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    output = tmp_path_factory.mktemp("alone") / "found.json"
    subprocess.run([sys.executable, PROGRAM, output], check=True)
    return json.loads(output.read_text())


@pytest.fixture(scope="module", params=slow_but([1, 2, 4], 2))
def ranks(request, mpirun, tmp_path_factory):
    output = tmp_path_factory.mktemp("ranks") / "found.json"
    mpirun(request.param, "equality.py", output)
    return json.loads(output.read_text())


@pytest.mark.parametrize("work", WORKS)
def test_n_ranks_compute_what_one_process_does(alone, ranks, work):
    expected, found = alone[work], ranks[work]
    losses, afterwards = TOLERANCES[work[-7:]]
    if ranks["ranks"] == 1:
        losses = afterwards = 0
    assert len(found["losses"]) == 40
    np.testing.assert_allclose(found["losses"], expected["losses"], rtol=0, atol=losses)
    for name in ("val_loss", "predicted", "norm"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=afterwards)
    assert found["shape"] == expected["shape"]
    assert found["tested"].keys() == expected["tested"].keys()
    for name, value in expected["tested"].items():
        exact = 1e-14 if name == "test_acc" else afterwards
        if name in ("test_f1", "test_auc") and work.endswith("float32"):
            exact = 1e-2  # two scores that are nearly equal may change places
        assert found["tested"][name] == pytest.approx(value, rel=0, abs=exact), name


@pytest.mark.slow
def test_every_rank_tests_the_best_weights_which_the_first_has_kept(mpirun, tmp_path):
    program = [sys.executable, PROGRAM.with_name("best.py"), tmp_path / "alone"]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    expected = done.stdout.splitlines()[-1]
    out = mpirun(2, "best.py", tmp_path / "ranks").splitlines()
    assert [line for line in out if line.startswith("last ")] == [expected] * 2
    last, best, counted = expected.split()[1::2]
    assert counted == "20"  # by a callback that sums over ranks
    assert float(last) > 2 * float(best)
