"""Each layer in JavaScript computes what its lesson computes; Node.js runs it."""

import functools

import numpy as np
import pytest
from layer_table import CASES
from node import NO_NODE, NODE

from firstlight.nn.recurrent import Cell
from firstlight.tools.demo.javascript import layer_files, run_in_node
from firstlight.tools.demo.known_layers import SETTINGS
from firstlight.tools.demo.trace import trace

SHOWN = [case for case in CASES if not case.is_loss and not isinstance(case.make(), Cell)]
BY_NAME = {case.name: case for case in SHOWN}


def sample(case):
    """Return the layer, in evaluation with moments that are not 0 and 1, and x."""
    rng = np.random.default_rng(0)
    layer = case.make().eval()
    for _, buffer in layer.named_buffers():
        buffer.data[...] = rng.uniform(0.5, 1.5, buffer.data.shape)
    return layer, *case.inputs(rng)


@functools.cache
def computed():
    """Return the outputs of all cases by NumPy and by JavaScript; one process runs them all."""
    pairs = [sample(case) for case in SHOWN]
    outputs = run_in_node(*((trace(layer, x, x), x, {}) for layer, x in pairs))
    expected = (layer(x) for layer, x in pairs)
    return {c.name: both for c, *both in zip(SHOWN, expected, outputs, strict=True)}


@pytest.mark.skipif(NODE is None, reason=NO_NODE)
@pytest.mark.parametrize("name", BY_NAME)
def test_a_layer_computes_what_its_lesson_computes(name):
    expected, found = computed()[name]
    np.testing.assert_allclose(found, expected.reshape(len(expected), -1), rtol=1e-5, atol=2e-6)


def test_every_known_layer_has_a_file_and_a_case():
    assert {kind.__name__ for kind in SETTINGS} == set(layer_files())
    tested = {type(part) for case in SHOWN for part in case.make().modules()}
    assert set(SETTINGS) <= tested
