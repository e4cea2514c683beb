"""GPT: start, generation with the cache, recomputation, optimizer groups, bad input."""

import numpy as np
import pytest

import firstlight as fl
from firstlight.models import GPT
from firstlight.models.gpt_weights import to_gpt2
from firstlight.models.sampling import sample
from firstlight.support.gradcheck import check_gradients

SMALL = {"n_layer": 2, "n_head": 2, "n_embd": 16}


@pytest.fixture
def tokens():
    return np.random.default_rng(0).integers(0, 11, (3, 6))


def test_gradients(tokens):
    check_gradients(GPT(11, 8, **SMALL, bias=True, dropout=0.2), tokens)


def test_the_start_is_nanogpts():
    net = GPT(65, 64)
    state = net.state_dict()
    assert state["wte.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert state["h.0.attn.in_proj_weight"].std() == pytest.approx(0.02, rel=0.05)
    assert state["h.3.mlp.linear2.weight"].std() == pytest.approx(0.02 / 8**0.5, rel=0.05)
    # nanoGPT's count of this size is 0.80M, without positions
    assert sum(p.size for p in net.parameters()) - net.wpe.weight.size == 795_904
    x, y = np.random.default_rng(1).integers(0, 65, (2, 12, 64))
    assert net.loss(net(x), y) == pytest.approx(np.log(65), abs=0.1)


@pytest.mark.parametrize(
    ("size", "millions"), [("baby", 10.6), ("gpt2", 124.4), ("gpt2-medium", 354.8)]
)
def test_sizes_have_the_parameters_they_are_known_for(size, millions):
    from firstlight.models.gpt import SIZES

    layers, heads, c = SIZES[size]
    vocabulary, block, bias = (65, 256, 0) if size == "baby" else (50257, 1024, 1)
    one = GPT(7, 4, size=size, n_layer=1, bias=bool(bias))
    fixed = 7 * c + 4 * c + c + bias * c
    per_layer = sum(p.size for p in one.parameters()) - fixed
    total = vocabulary * c + (block * c if bias else 0) + layers * per_layer + c + bias * c
    assert total / 1e6 == pytest.approx(millions, abs=0.06)
    assert c % heads == 0


def test_decay_is_for_matrices_only():
    net = GPT(11, 8, **SMALL, bias=True)
    matrices, vectors = net.configure_optimizer().param_groups
    assert all(p.data.ndim > 1 for p in matrices["params"])
    assert all(p.data.ndim == 1 for p in vectors["params"])
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert len(matrices["params"]) + len(vectors["params"]) == len(net.parameters())


def test_cached_logits_equal_a_forward(tokens):
    net = GPT(11, 8, **SMALL).eval()
    caches = net.make_caches()
    whole = net(tokens)
    np.testing.assert_allclose(net.extend(tokens[:, :3], caches), whole[:, 2], atol=1e-5)
    for place in range(3, 6):
        logits = net.extend(tokens[:, place : place + 1], caches)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5, "top_k": 4}, {"top_p": 0.7}])
def test_generate_draws_as_without_a_cache_and_past_the_block(tokens, settings):
    net = GPT(11, 8, **SMALL)
    for p in net.parameters():
        p.data[...] *= 8  # logits far apart
    made = net.generate(tokens, 7, seed=4, **settings)
    assert net.training
    net.eval()
    rng, expected = np.random.default_rng(4), tokens
    for _ in range(7):
        drawn = sample(net(expected[:, -8:])[:, -1], rng, **settings)
        expected = np.concatenate([expected, drawn[:, None]], axis=1)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("settings", [{}, {"top_k": 2}, {"top_p": 0.9}, {"temperature": 0}])
def test_sampling_of_infinite_logits(settings):
    rng, inf = np.random.default_rng(0), np.inf
    logits = np.array([[1.0, inf, -inf, inf], [-inf, -inf, 3.0, -inf]] * 200, "float32")
    drawn = sample(logits, rng, **settings)
    assert set(drawn[::2]) == ({1} if settings == {"temperature": 0} else {1, 3})
    assert set(drawn[1::2]) == {2}


@pytest.mark.parametrize("temperature", [1e-310, 1e-3, 1e300])
def test_sampling_at_extreme_temperatures(temperature):
    logits = np.array([[1e300, 2e300, -1e300]] * 300)
    drawn = sample(logits, np.random.default_rng(0), temperature=temperature)
    counts = np.bincount(drawn, minlength=3)
    assert (counts > 0).tolist() == (
        [False, True, False] if temperature < 1 else [True, True, True]
    )


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_sampling_of_what_is_no_number(temperature):
    for bad, message in (
        ([np.nan, 1.0], "logits with NaN"),
        ([-np.inf] * 2, "a row of -inf alone"),
    ):
        with pytest.raises(ValueError, match=f"sample: no token can be drawn from .*{message}"):
            sample(np.array([[1.0, 2.0], bad]), np.random.default_rng(0), temperature=temperature)
    with pytest.raises(ValueError, match="expected temperature of 0 or more, got inf"):
        sample(np.ones((1, 2)), np.random.default_rng(0), temperature=np.inf)


def test_sampling():
    rng = np.random.default_rng(0)
    logits = np.log(np.tile([[0.5, 0.3, 0.15, 0.05]], (20_000, 1)))
    shares = [
        np.bincount(sample(logits, rng, **settings), minlength=4) / len(logits)
        for settings in ({}, {"top_k": 2}, {"top_p": 0.6}, {"temperature": 0.5})
    ]
    squares = np.array([0.25, 0.09, 0.0225, 0.0025])
    expected = [[0.5, 0.3, 0.15, 0.05], [0.625, 0.375, 0, 0], [0.625, 0.375, 0, 0]]
    np.testing.assert_allclose(shares, [*expected, squares / squares.sum()], atol=0.015)
    assert not sample(logits, rng, temperature=0).any()


def test_recompute_gives_the_same_gradients_with_dropout(tokens):
    results = []
    for recompute in (False, True):
        fl.seed_everything(2)
        net = GPT(11, 8, **SMALL, dropout=0.3, recompute=recompute)
        net.backward(net.training_step((tokens, tokens)).dy)
        results.append([p.grad for p in net.parameters()])
        assert not any(part._stack for part in net.modules())
    for plain, again in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, again)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda n: n(np.full((1, 2), 11)), IndexError, "indices from 0 to 10, got 11 to 11"),
        (lambda n: n(np.full((1, 2), -1)), IndexError, "indices from 0 to 10, got -1 to -1"),
        (lambda n: n(np.zeros((1, 2))), TypeError, "expected integer indices, got float64"),
        (lambda n: n(np.zeros((1, 9), int)), ValueError, r"up to 8 positions .*got shape \(1, 9\)"),
        (lambda n: n(np.zeros(5, int)), ValueError, r"\(samples, positions\).* got shape \(5,\)"),
        (lambda n: n.generate(np.zeros((1, 2), int), 1, temperature=-1), ValueError, "temperature"),
        (lambda n: n.generate(np.zeros((1, 2), int), 1, top_k=0), ValueError, "top_k of 1 or more"),
        (lambda n: n.generate(np.zeros((1, 2), int), 1, top_p=1.5), ValueError, "top_p above 0"),
        (lambda n: GPT(11, 8, size="gpt3"), ValueError, "a size of nano-cpu, .*got 'gpt3'"),
        (lambda n: GPT(11, 8, n_embd=10, n_head=4), ValueError, "multiple of num_heads"),
        (lambda n: GPT(11, 8, n_layer=0), ValueError, "1 or more, got"),
        (lambda n: GPT(0, 8), ValueError, "vocab_size and block_size of 1 or more, got 0 and 8"),
    ],
)
def test_bad_input(made, error, message):
    with pytest.raises(error, match=message):
        made(GPT(11, 8, **SMALL))


def test_weights_that_do_not_fit():
    net = GPT(11, 8, **SMALL)
    state = to_gpt2(net.state_dict())
    with pytest.raises(ValueError, match="shapes differ: wte.weight is .12, 16. here and .11, 16"):
        GPT(12, 8, **SMALL).load_gpt2(state)
    with pytest.raises(ValueError, match="missing: h.0.ln_1.bias"):
        GPT(11, 8, **SMALL, bias=True).load_gpt2(state)
    with pytest.raises(ValueError, match="one array here .weight tying., got two different"):
        net.load_gpt2({**state, "lm_head.weight": state["lm_head.weight"] + 1})
    with pytest.raises(ValueError, match='"huggingface" or "nanogpt", got \'onnx\''):
        to_gpt2(state, "onnx")
