"""The hand-written step of examples/course/4_cupy.py on CuPy, also by layers.

docs/course/4-cupy.md states the counts.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.gpu

COURSE = Path(__file__).parents[2] / "examples" / "course"


def function_of(script, name):
    tree = ast.parse((COURSE / script).read_text())
    tree.body = [part for part in tree.body if getattr(part, "name", "") == name]
    names = {"np": np}
    exec(compile(tree, script, "exec"), names)
    return names[name]


def arrays(xp):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(50, 64)), np.eye(10)[rng.integers(10, size=50)]
    parameters = rng.normal(0, 0.1, (128, 64)), np.zeros(128), rng.normal(0, 0.1, (10, 128))
    rows = rng.permutation(50)[:32]
    floats = [xp.asarray(a, dtype="float32") for a in (x, t, *parameters, np.zeros(10))]
    return xp.asarray(rows), *floats


def test_a_step_has_35_launches_and_waits_for_nothing(counts):
    step = function_of("4_cupy.py", "step")
    rows, x, t, *parameters = arrays(np)
    expected = step(x[rows], t[rows], *parameters, lr=0.2)
    import cupy

    rows, x, t, *on_device = arrays(cupy)
    counts.clear()
    loss = step(x[rows], t[rows], *on_device, lr=0.2)
    assert (counts["launches"], counts["uploads"], counts["waits"]) == (35, 0, 0)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert counts["waits"] == 1
    for mine, same in zip(on_device, parameters, strict=True):
        np.testing.assert_allclose(mine.get(), same, rtol=1e-5, atol=1e-7)


def test_the_layers_of_the_roofline_have_the_launches_that_they_state(counts):
    layers = function_of("4_roofline.py", "layers")
    import cupy

    found = {}
    for name, (function, launches, _, _) in layers(cupy, 32, 64, 128, 10).items():
        counts.clear()
        function()
        found[name] = launches, counts["launches"]
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {}
    assert sum(launches for launches, _ in found.values()) == 33  # a step less x[rows], t[rows]
