"""benchmarks/gpu.py from end to end, on a GPU."""

import json
import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def narrow(work):
    """Return a work whose network is small."""
    work.WIDTHS = (784, 8, 10)
    return work


@pytest.mark.forms
@pytest.mark.gpu
def test_figures_and_tables_are_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    gpu = runpy.run_path(str(BENCHMARKS / "gpu.py"))
    scope = gpu["main"].__globals__
    load = scope["load_work"]
    scope["load_work"] = lambda path: narrow(load(path))
    scope["WORKS"] = [("mlp", 4, {}, "32"), ("mlp", 4, {}, "tf32"), ("mlp", 4, {}, "16")]
    small = gpu["kernels"]
    scope["kernels"] = lambda device, rounds: small(device, 1, rows=16, width=128, length=8)
    whole = gpu["loop"]
    scope["loop"] = lambda device, rounds: whole(device, rounds, batch=4, steps=4)
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text(f"before\n{gpu['MARKERS'][0]}\nold\n{gpu['MARKERS'][1]}\nafter\n")
    gpu["main"](["--rounds=1", "--steps=3", f"--json={figures}", f"--page={page}"])
    found = json.loads(figures.read_text())
    assert [row["precision"] for row in found["steps"]] == ["32", "tf32", "16"]
    assert all(row["captured_us"] > 0 and row["tflops"] > 0 for row in found["steps"])
    assert {row["kernel"] for row in found["kernels"]} == {
        "layer_norm",
        "gelu",
        "adamw",
        "attention",
    }
    assert found["loop"]["us"] > 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert f"Measured on {found['device']}" in text
    assert "old" not in text
    assert text.count("| mlp | 4 |") == 4
