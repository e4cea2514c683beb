"""The harness in benchmarks/: does it measure what it says?"""

import json
import math
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = ROOT / "benchmarks" / "step.py"


def step(*arguments):
    return subprocess.run(
        [sys.executable, str(STEP), "--batch=8", *arguments], capture_output=True, text=True
    )


@pytest.mark.slow
def test_step_has_its_peers_make_the_same_steps(tmp_path):
    file = tmp_path / "figures.json"
    peers = "--peers=gemms,adam,ours,trainer-bare,torch-channels-last"
    done = step(peers, "--rounds=2", "--steps=3", "--threads=1", f"--json={file}")
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert (found["batch"], found["rounds"], found["steps"]) == (8, 2, 3)
    gemms, *adam, ours, trainer = found["peers"]
    assert {len(peer["seconds"]) for peer in found["peers"]} == {2}
    assert ours["loss"] == trainer["loss"]  # the same start, batches and number of steps
    assert ours["ratio"] == 1
    assert 0 < gemms["median_ms"] < ours["median_ms"]
    assert min(peer["peak_mb"] for peer in found["peers"]) > 20
    assert "trainer-bare" in done.stdout
    assert "torch-channels-last: left out" in done.stdout  # an mlp has no images
    if adam:  # numba is installed
        assert found["floor"]["median_ms"] >= gemms["min_ms"] + adam[0]["min_ms"]
        assert found["floor"]["multiples"]["ours"] > 1
        assert "Adam" in done.stdout


@pytest.mark.parametrize("work", ["mlp", "cnn"])
def test_both_networks_of_a_work_have_the_same_layers(work):
    pytest.importorskip("torch")
    module = runpy.run_path(ROOT / "benchmarks" / "works" / f"{work}.py")

    kinds = ("Conv2d", "Linear", "ReLU", "MaxPool2d", "Dropout")

    def layers(net):
        """Return name, dropout rate and number of weights of each layer."""
        return [
            (
                kind,
                getattr(part, "p", 0),
                sum(math.prod(weight.shape) for weight in part.parameters()),
            )
            for part in net.modules()
            if (kind := type(part).__name__) in kinds
        ]

    assert layers(module["ours"](8)) == layers(module["torch"](8)[0])


def test_step_names_what_it_does_not_know():
    done = step("--peers=ours,caffe")
    assert done.returncode == 2
    assert "expected some of gemms, adam, ours" in done.stderr
    assert "got caffe" in done.stderr
    done = step("--size=huge")
    assert done.returncode == 2
    assert "mlp has the sizes none" in done.stderr


def chart(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "chart.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_chart_of_the_benchmarks_page_is_that_of_its_figures(tmp_path):
    figures = sorted((ROOT / "docs" / "benchmarks").glob("*.json"))
    done = chart(*figures, tmp_path / "chart.svg")
    assert done.returncode == 0, done.stderr
    drawn, shown = (
        set(re.findall(r"[\d.]+ ms(?=<)|\w+, batch \d+", path.read_text()))
        for path in (tmp_path / "chart.svg", ROOT / "docs" / "benchmarks.svg")
    )
    assert drawn == shown
    for path in figures:
        times = [row["median_ms"] for row in json.loads(path.read_text())["peers"]]
        assert any({f"{time:.3g} ms", f"{time:.0f} ms"} & drawn for time in times)
