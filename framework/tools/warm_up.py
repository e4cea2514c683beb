"""Warm-up: compile ahead what trainings would compile when they first need it.

The compiled code stays in the user's cache folder (`firstlight.fast.compiled.code_cache`). A marker
there tells that a warm-up is done, or has begun, without importing numba.
"""

import hashlib
import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from firstlight import nn, plugins
from firstlight.module import Module
from firstlight.support import background, forms

TAKES = 600  # seconds after which a warm-up that has begun counts as killed
IN_BACKGROUND = "from firstlight.tools import warm_up; warm_up.compile_all()"


def in_background() -> None:
    """Start a warm-up in a process of its own, unless one is done or has begun."""
    marker = _marker()
    if marker is None:
        return
    try:
        done = marker.stat().st_size > 0
        if done or time.time() - marker.stat().st_mtime < TAKES:
            return
    except OSError:
        pass
    try:
        marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker.touch()
    except OSError:
        return  # what is compiled could not be kept either
    if not background.start(IN_BACKGROUND):
        marker.unlink(missing_ok=True)


def compile_all() -> tuple[int, Path]:
    """Take a step of every kind of network; return the number of new files, and their folder.

    Raises
    ------
    RuntimeError
        Numba is not installed, or is switched off.
    """
    marker = _marker()
    if marker is None:
        raise RuntimeError(
            "expected numba, whose compiled forms a warm-up prepares, but it is not installed, or "
            "FIRSTLIGHT_COMPILED or FIRSTLIGHT_FAST is 0; without numba there is nothing to do"
        )
    from firstlight.fast import conditions
    from firstlight.fast.compiled import code_cache

    before = len(code_cache.files())
    with conditions.every_size():
        for model, batch in _examples():
            _step(model, batch)
    found = len(code_cache.files())
    code_cache.delete_unused()
    if found:
        marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker.write_text(f"{found} files\n", "utf-8")
    return found - before, code_cache.folder()


def _marker() -> Path | None:
    """Return the path of the marker; None if there is nothing to compile."""
    if not forms.has_fast():
        return None
    from firstlight.fast import compiled, conditions

    if not conditions.numba_is_enabled():
        return None
    name = hashlib.sha256(sys.implementation.cache_tag.encode())
    numba = Path(importlib.util.find_spec("numba").origin).with_name("_version.py")
    for source in (numba, *sorted(Path(compiled.__file__).parent.glob("*.py"))):
        name.update(f"{source} {source.stat().st_mtime_ns}".encode())
    return user_cache_path("firstlight") / "compiled" / f"warm-{name.hexdigest()[:16]}"


class Regression(Module):
    """A layer that has to give zeros.

    Parameters
    ----------
    *layers : Module
    """

    def __init__(self, *layers: Module) -> None:
        self.body = nn.Sequential(*layers)
        self.loss = nn.MSELoss()

    def forward(self, x: Any) -> Any:
        return self.body(x)

    def backward(self, dy: Any) -> Any:
        return self.body.backward(dy)

    def configure_optimizer(self) -> Any:
        from firstlight import optim

        return optim.AdamW(self.parameters())


def _examples() -> Iterator[tuple[Module, Any]]:
    """Yield networks with small batches: all of our models, and layers that none of them has."""
    rng = np.random.default_rng(0)
    models = plugins.registry("model")
    images = rng.standard_normal((4, 16, 16, 1), dtype="float32")
    labels = np.arange(4)
    yield models.get("mlp")(256, 10, activation="gelu", norm="layer"), (images, labels)
    yield models.get("mlp")(256, 10), (images, labels)
    for name in ("cnn", "lenet5", "resnet", "vit", "rnn"):
        yield models.get(name)((16, 16, 1), 10), (images, labels)
    tokens = rng.integers(0, 16, (2, 16))
    for approximate in ("none", "tanh"):
        gpt = models.get("gpt")(16, 16, n_layer=1, n_head=2, n_embd=32, approximate=approximate)
        yield gpt, (tokens, tokens)
    pixels = rng.standard_normal((2, 8, 8, 16), dtype="float32")
    yield Regression(nn.Conv2d(16, 16, 3, padding=1, groups=16)), (pixels, pixels)
    yield Regression(nn.ConvTranspose2d(16, 16, 3, padding=1)), (pixels, pixels)


def _step(model, batch):
    optimizer = model.configure_optimizer()
    output = model.train().training_step(batch)
    model.backward(output.dy)
    optimizer.step()
    optimizer.zero_grad()
    model.eval()(batch[0])
