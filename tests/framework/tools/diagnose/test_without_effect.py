"""Statements that change arrays in vain: a gradient that is limited only after its update."""

import pytest

from firstlight.tools.diagnose.kind import ask
from firstlight.tools.diagnose.probes.script.recorder import Recorder
from firstlight.tools.diagnose.probes.script.single_lines import without_effect
from firstlight.tools.diagnose.probes.script.trace import trace

SCRIPT = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 3))
y = x @ np.array([1.0, -2.0, 0.5])
w = np.zeros(3)
for step in range(60):
    error = x @ w - y
    loss = (error**2).mean()
    dw = 2 * x.T @ error / len(x)
    np.clip(dw, -0.5, 0.5, out=dw)
    w -= 0.1 * dw
"""
CLIP, UPDATE = "    np.clip(dw, -0.5, 0.5, out=dw)\n", "    w -= 0.1 * dw\n"


@pytest.mark.parametrize("late", [False, True])
def test_clipping_before_and_after_the_update(late, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace(CLIP + UPDATE, UPDATE + CLIP) if late else SCRIPT)
    evidence = without_effect(script, (), trace(script, recorder=Recorder(script)))
    found = [finding for one in evidence for finding in ask(one)]
    assert [one.at.code for one in found] == ([CLIP.strip()] if late else [])
