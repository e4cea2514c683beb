"""A GPT generates by one graph a token: the same tokens, a fixed cache, and memory given back."""

import gc
import logging

import numpy as np
import pytest

import firstlight as fl
from firstlight import models, nn
from firstlight.support import backend, forms
from firstlight.support.backend import load_cupy, to_device
from firstlight.training import captures, graph

pytestmark = pytest.mark.gpu


def gpt(**more):
    fl.seed_everything(2)
    sizes = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 12}
    net = models.GPT(**sizes | more)
    for p in net.parameters():
        p.data[...] = 0.5 * np.random.default_rng(p.size).standard_normal(p.shape)
    return net


def generated(net, device, prompt, count, **options):
    net.to(device=device)
    tokens = np.random.default_rng(0).integers(0, 11, prompt)
    return backend.to_host(net.generate(to_device(tokens, device), count, seed=4, **options))


@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"top_k": 3, "top_p": 0.9}])
@pytest.mark.parametrize("prompt", [(1, 1), (3, 4), (2, 12)])  # the last is longer than the block
def test_the_tokens_are_those_of_launches_and_of_the_cpu(prompt, options, monkeypatch):
    calls, captured = [], captures.captured
    monkeypatch.setattr(captures, "captured", lambda *a: calls.append(1) or captured(*a))
    net = gpt(bias=True)
    found = generated(net, "cuda:0", prompt, 14, **options)
    assert len(calls) == (1 if prompt[1] > 8 else 2), "one with the cache, one of whole blocks"
    net.capturable = False
    monkeypatch.setattr(models.GPT, "capturable", False)
    expected = generated(net, "cuda:0", prompt, 14, **options)
    assert len(calls) <= 2
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, generated(net, "cpu", prompt, 14, **options))
    assert found.shape == (prompt[0], prompt[1] + 14)


@pytest.mark.parametrize("width", [1, 7, 33, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_position_is_its_lesson(dtype, width):
    rng = np.random.default_rng(1)
    layer = nn.MultiHeadAttention(2 * width, 2, is_causal=True)
    x = rng.standard_normal((3, 21, 2 * width)).astype(dtype)
    found = []
    for device in ("cpu", "cuda:0"):
        layer.to(device=device, dtype=dtype).eval()
        cache, parts, given = nn.KeyValueCache(21), [], to_device(x, device)
        with forms.only(
            *([] if device == "cpu" else [type(f.instance) for f in forms.registered()])
        ):
            parts.append(layer.extend(given[:, :3], cache))
            if device != "cpu":
                cache.place = to_device(np.array([3]), device)
            for t in range(3, 21):
                parts.append(layer.extend(given[:, t : t + 1], cache))
                if device != "cpu":
                    cache.place += 1
        assert cache.length == 21
        found.append(np.concatenate([backend.to_host(part) for part in parts], axis=1))
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found[1], found[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_numbers_spread_as_in_the_lesson(bad):
    layer, found = nn.MultiHeadAttention(4, 2, is_causal=True).to(dtype="float64"), []
    x = np.random.default_rng(1).standard_normal((2, 12, 4))
    x[0, 9] = bad
    for device in ("cpu", "cuda:0"):
        layer.to(device=device).eval()
        cache, given = nn.KeyValueCache(12), to_device(x, device)
        with np.errstate(all="ignore"):
            layer.extend(given[:, :8], cache)
            if device != "cpu":
                cache.place = to_device(np.array([8]), device)
            for t in range(8, 12):
                y = backend.to_host(layer.extend(given[:, t : t + 1], cache))
                if device != "cpu":
                    cache.place += 1
        found.append(y)
    np.testing.assert_array_equal(np.isfinite(found[1]), np.isfinite(found[0]))
    assert not np.isfinite(found[0][0]).all()
    assert np.isfinite(found[0][1]).all()


def test_a_token_is_one_graph_and_one_wait(counts):
    noted, net = [], gpt().to(device="cuda:0")
    original = models.gpt.sample

    def noting(*arguments, **options):
        noted.append((counts["launches"], counts["waits"]))
        return original(*arguments, **options)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(models.gpt, "sample", noting)
        generated(net, "cuda:0", (1, 1), 12)
    steps = np.diff(noted, axis=0)
    assert steps[1, 0] > 20, "the second token runs launch by launch"
    for place in (*range(3, 7), *range(9, 11)):  # by the cache, and of whole blocks
        launches, waits = steps[place]
        assert launches <= 2, "a graph, and maybe the copy of the token"
        assert waits == 1


def test_graphs_leave_no_memory_behind():
    """CuPy's pools do not free their blocks when they go."""
    net, cupy, free = gpt(), load_cupy(), []
    data = tuple(np.random.default_rng(1).integers(0, 11, (2, 8, 6)))
    for count in (12, 12, 40):
        generated(net, "cuda:0", (2, 3), count)
        trainer = fl.Trainer(max_epochs=2, device="cuda", default_callbacks=False, runs_dir=None)
        trainer.fit(net, fl.DataLoader(data, batch_size=4), fl.DataLoader(data, batch_size=4))
        assert trainer.loop.step.graphs
        del trainer
        gc.collect()
        cupy.get_default_memory_pool().free_all_blocks()
        free.append(cupy.cuda.runtime.memGetInfo()[0])
    assert free[1] == free[2]
    assert graph.give_back() is None
    assert not graph._left


def test_attention_without_a_kernel_generates_launch_by_launch(caplog):
    net = gpt(n_head=1, n_embd=130)  # wider heads than a block of tiles
    with caplog.at_level(logging.WARNING, "firstlight"):
        found = generated(net, "cuda:0", (1, 3), 9)
    (record,) = caplog.records
    assert "in MultiHeadAttention._project" in record.getMessage()  # its product is NumPy's
    np.testing.assert_array_equal(found, generated(net, "cpu", (1, 3), 9))


def test_a_cache_without_a_place_refuses_to_be_captured():
    layer = nn.MultiHeadAttention(4, 2, is_causal=True).to(device="cuda:0").eval()
    cache, x = nn.KeyValueCache(4), to_device(np.ones((1, 1, 4), "float32"), "cuda:0")
    layer.extend(x, cache)
    with backend.using("cuda:0"):
        _, _, _, reason = graph.captured(lambda: layer.extend(x, cache), layer)
    assert "KeyValueCache.append: its length would be frozen in a graph" in reason


def test_training_continues_after_generating_in_a_callback():
    class Writes(fl.Callback):
        def on_train_epoch_end(self, module):
            generated(module, "cuda:0", (1, 3), 8)
            module.train()

    states, data = [], tuple(np.random.default_rng(1).integers(0, 11, (2, 8, 6)))
    for callbacks in ([Writes()], []):
        fl.seed_everything(3)
        net = gpt(dropout=0.2)
        settings = {"default_callbacks": False, "runs_dir": None, "callbacks": callbacks}
        trainer = fl.Trainer(max_epochs=3, device="cuda", **settings)
        trainer.fit(net, fl.DataLoader(data, batch_size=4))
        assert trainer.loop.step.graphs
        states.append(net.state_dict())
    for key, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][key], err_msg=key)
