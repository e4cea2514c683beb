"""benchmarks/scaling.py: its model, its plot, and one measurement."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "scaling.py"


@pytest.fixture
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_model_is_rabenseifners(scaling):
    alpha, beta, gamma = network = 1e-5, 1e9, 1e10
    assert scaling.sum_time(1, 1e6, network) == 0
    assert scaling.sum_time(2, 1e6, network) == pytest.approx(2 * alpha + 1e-3 + 0.5e-4)
    assert scaling.sum_time(8, 0, network) == pytest.approx(6 * alpha)
    assert scaling.sum_time(512, 1e6, network) < 18 * alpha + 2e6 / beta + 1e6 / gamma
    assert scaling.efficiency(1.0, 1, 1e6, network) == 1
    shares = [scaling.efficiency(0.01, p, 1e7, network) for p in (1, 2, 4, 64, 512)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.slow
def test_it_measures_and_draws(tmp_path, mpi_words, scaling):
    found = scaling.started(2, "mlp", steps=6)
    assert found["ranks"] == 2
    assert found["bytes"] > 4 * 535_000
    assert found["sum"] > 0
    assert found["step"] > 0
    alone = {**found, "ranks": 1}
    figures = {"mlp": {f"ranks {n}": alone for n in (1, 2, 4)}}
    (tmp_path / "found.json").write_text(json.dumps(figures))
    command = [sys.executable, SCRIPT, "--from", "found.json", "--plot", "plot.png"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    done = subprocess.run(
        [sys.executable, SCRIPT, "--works", "rnn"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "expected some of mlp, cnn, gpt, got rnn" in done.stderr
