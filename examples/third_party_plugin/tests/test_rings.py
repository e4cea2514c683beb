"""The plugin is installed, its parts keep firstlight's laws, and they work together."""

import numpy as np
from firstlight_rings import RingsBest, RingsDraw, RingsNet, load_rings

import firstlight as fl
from firstlight import plugins
from firstlight.testing import check_callback, check_gradients


def test_firstlight_finds_the_plugin():
    registries, found = plugins.discover()
    (plugin,) = (p for p in found if p.target == "firstlight_rings")
    assert plugin.error == ""
    assert registries["model"].get("rings_net") is RingsNet
    assert registries["dataset"].get("rings") is load_rings
    assert registries["callback"].get("rings_best") is RingsBest
    assert registries["command"].get("rings") is RingsDraw


def test_gradients():
    check_gradients(RingsNet(), np.random.default_rng(0).standard_normal((5, 2)))


def test_the_callback_keeps_the_laws():
    check_callback(RingsBest)


def test_the_same_seed_gives_the_same_points():
    first, again, other = (load_rings(seed=seed).train.arrays[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_they_train_together(capsys):
    trainer = fl.Trainer(
        max_epochs=20, seed=0, callbacks=["rings_best"], default_callbacks=False, runs_dir=None
    )
    trainer.fit(RingsNet(), load_rings())
    assert trainer.test(trainer.module, load_rings())["test_acc"] > 0.97
    assert "best epoch" in capsys.readouterr().out


def test_the_command_draws_both_rings(capsys):
    assert RingsDraw()("rings", ["--samples", "200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert {"o", "+"} <= set("".join(lines))
