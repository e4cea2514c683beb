"""Exercise: attention of several heads, with a causal mask, forward and backward."""

import itertools

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import count, layer, unchanged

SCORES, SOFTMAX, HIDDEN = "_scores", "_softmax", "_hidden"
FORWARD, BACKWARD = "MultiHeadAttention.forward", "MultiHeadAttention.backward"


def scores(code, draw):
    """Try scores of queries and keys of different numbers."""
    n, h, t, s, d = (draw.size(name, 2, 8) for name in "NHTSD")
    q, k = draw.array(n, h, t, d), draw.array(n, h, s, d)
    before = q.copy(), k.copy()
    yield Output(SCORES, "s", code._scores(q, k))
    yield unchanged(SCORES, "q", q, before[0])
    yield unchanged(SCORES, "k", k, before[1])


def softmax(code, draw):
    """Try ordinary scores, very large ones, and rows in which all keys are masked."""
    shape = draw.size("N"), draw.size("H"), draw.size("T"), draw.size("S")
    s = draw.array(*shape)
    before = s.copy()
    yield Output(SOFTMAX, "p", code._softmax(s))
    yield unchanged(SOFTMAX, "s", s, before)
    s[..., 0] = -np.inf
    yield Output(SOFTMAX, "p (s=-inf)", code._softmax(s))
    yield Output(SOFTMAX, "p (s±1000)", code._softmax(draw.array(*shape) + 1000 * (s > 0)))
    far = draw.array(*shape)
    far[:, :, 0] -= 1000
    yield Output(SOFTMAX, "p (s-1000)", code._softmax(far))
    far[:, :, 0] = -np.inf
    yield Output(SOFTMAX, "p (all s=-inf)", code._softmax(far))


def hidden(code, draw):
    """Try as many keys as queries, and more."""
    n, h, t, d = draw.size("N"), draw.size("H"), draw.size("T", 3), draw.size("D")
    q = draw.array(n, h, t, d)
    yield Output(HIDDEN, "mask", code._hidden(q, q))
    yield Output(HIDDEN, "mask (S=T+2)", code._hidden(q, draw.array(n, h, t + 2, d)))


def built(code, draw, **options):
    """Return a layer and a batch for it."""
    h, d, n, t = draw.size("H", 2, 3), draw.size("D", 2, 4), draw.size("N"), draw.size("T", 3)
    module = code.MultiHeadAttention(h * d, h, **options)
    return draw.fill(module), draw.array(n, t, h * d, scale=0.5)


def causal(code, draw):
    """Return a causal layer and a batch for it."""
    return built(code, draw, is_causal=True)


def without_bias(code, draw):
    """Return a layer without biases and a batch for it."""
    return built(code, draw, bias=False)


def with_context(code, draw):
    """Try keys and values of another sequence."""
    module, x = built(code, draw)
    context = draw.array(len(x), draw.size("S"), x.shape[2])
    yield Output(FORWARD, "y (context)", module(x, context))
    results = module.backward(draw.array(*x.shape))
    yield count(BACKWARD, results, "(context)")
    dx, dcontext = results
    yield Output(BACKWARD, "dx (context)", dx)
    yield Output(BACKWARD, "dcontext", dcontext)
    yield Output(BACKWARD, "din_proj_weight (context)", module.in_proj_weight.grad)


def with_mask(code, draw):
    """Try a boolean and a floating-point mask."""
    module, x = built(code, draw)
    n, t, _ = x.shape
    mask = draw.rng.random((n, t, t)) < 0.6
    mask[:, :, 0] = True
    yield Output(FORWARD, "y (bool mask)", module(x, None, mask))
    yield Output(BACKWARD, "dx (bool mask)", module.backward(draw.array(*x.shape)))
    yield Output(FORWARD, "y (float mask)", module(x, None, draw.array(t, t)))


def with_dropout(code, draw):
    """Try given factors of dropout, which differ at each call."""
    module, x = built(code, draw, is_causal=True)
    t = x.shape[1]
    factors = itertools.cycle((2.0 * (draw.rng.random((7, t, t)) < 0.5)).astype(draw.dtype))
    module._draw = lambda p: next(factors)
    yield Output(FORWARD, "y (dropout)", module(x))
    yield Output(BACKWARD, "dx (dropout)", module.backward(draw.array(*x.shape)))
    yield Output(BACKWARD, "din_proj_weight (dropout)", module.in_proj_weight.grad)


EXERCISE = Exercise(
    name="attention",
    chapter=7,
    lessons={"firstlight.nn.attention": ("MultiHeadAttention",)},
    blanks=(SCORES, SOFTMAX, HIDDEN, FORWARD, BACKWARD),
    without=("MultiHeadAttention.weights", "MultiHeadAttention.extend"),
    trials=(
        scores,
        softmax,
        hidden,
        layer("MultiHeadAttention", built),
        layer("MultiHeadAttention", causal, "(is_causal=True)"),
        layer("MultiHeadAttention", without_bias, "(bias=False)"),
        with_context,
        with_mask,
        with_dropout,
    ),
)
