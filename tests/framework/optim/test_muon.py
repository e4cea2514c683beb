"""Muon: singular values, matrices alone, and a state to resume from; tests/oracle has PyTorch's."""

import numpy as np
import pytest

from firstlight import Parameter, optim
from firstlight.optim.muon import orthogonalized

SHAPES = (5, 3), (2, 7), (4, 4)
USUAL = (3.4445, -4.7750, 2.0315), 5, 1e-7


def matrices(dtype="float64"):
    rng = np.random.default_rng(1)
    return [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in SHAPES]


def train(optimizer, params, steps):
    for _ in range(steps):
        rng = np.random.default_rng(optimizer.steps)
        for p in params:
            p.grad[...] = rng.standard_normal(p.shape)
        optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_one_and_their_directions_stay(shape):
    u = np.random.default_rng(2).standard_normal(shape)
    left, s, right = np.linalg.svd(u, full_matrices=False)
    found = left.T @ orthogonalized(u, *USUAL) @ right.T
    assert np.abs(found - np.diag(np.diag(found))).max() < 1e-12
    assert 0.6 < np.diag(found).min() <= np.diag(found).max() < 1.25
    np.testing.assert_allclose(
        orthogonalized(1e4 * u, (2.0, -1.5, 0.5), 40, 1e-7), left @ right, atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_of_zero_moves_nothing(dtype):
    p = Parameter(np.ones((3, 2), dtype))
    optim.Muon([p], weight_decay=0.0).step()
    np.testing.assert_array_equal(p.data, np.ones((3, 2)))


def test_state_resumes_bit_for_bit_with_a_matrix_frozen():
    straight, resumed = matrices("float32"), matrices("float32")
    optimizer = optim.Muon(straight)
    straight[1].requires_grad = False
    train(optimizer, straight, 3)
    np.testing.assert_array_equal(straight[1].data, matrices("float32")[1].data)
    twin = optim.Muon(resumed)
    twin.load_state_dict(optimizer.state_dict())
    for p, q in zip(straight, resumed, strict=True):
        q.data[...] = p.data
    straight[1].requires_grad = True
    train(optimizer, straight, 3)
    train(twin, resumed, 3)
    for p, q in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        (
            (3,),
            {},
            r"parameters with two axes, got one of shape \(3,\); give biases, norms .* AdamW",
        ),
        ((2, 3, 3, 1), {}, r"got one of shape \(2, 3, 3, 1\)"),
        ((3, 2), {"momentum": 1.0}, r"momentum in \[0, 1\), got 1.0"),
        ((3, 2), {"ns_coefficients": (1.0, 2.0)}, "three ns_coefficients, got"),
        ((3, 2), {"adjust_lr_fn": "best"}, '"original" or "match_rms_adamw", got \'best\''),
        ((3, 2), {"ns_steps": -1}, "ns_steps of 0 or more, got -1"),
    ],
)
def test_mistakes_are_told(shape, settings, message):
    with pytest.raises(ValueError, match="Muon: expected .*" + message.removeprefix("expected ")):
        optim.Muon([Parameter(np.zeros(shape))], **settings)
