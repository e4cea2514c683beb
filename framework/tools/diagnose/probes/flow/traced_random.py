"""Random numbers of a script that computes with traced arrays: shuffles, and masks."""

import contextlib
import functools
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np

from firstlight.tools.diagnose.probes.flow.traced_array import (
    Draw,
    Origin,
    TracedArray,
    plain,
    traced_in,
)

COMPARISONS = {"less", "less_equal", "greater", "greater_equal"}


class _Generator(np.random.Generator):
    """A generator that shuffles traced arrays by their items, so that their origins follow."""

    rules: Any = None

    def shuffle(self, x, axis=0):
        _shuffle(super(), x, axis)

    def permutation(self, x, axis=0):
        return _permutation(super(), x, axis)

    def random(self, *args, **options):
        return self.rules.drawn(super().random(*args, **options))

    def uniform(self, *args, **options):
        return self.rules.drawn(super().uniform(*args, **options))

    def binomial(self, *args, **options):
        return self.rules.drawn(super().binomial(*args, **options), binary=True)


def _shuffle(random, x, *axis):
    if isinstance(x, TracedArray) and axis in ((), (0,)):
        x[...] = x[random.permutation(len(x))]
        x.rules.flow.reordered(x.origin)
    else:
        random.shuffle(x, *axis)


def _permutation(random, x, *axis):
    if isinstance(x, TracedArray) and axis in ((), (0,)):
        return x[random.permutation(len(x))]
    return random.permutation(x, *axis)


@contextlib.contextmanager
def tracing_numpy(rules: Any) -> Iterator[None]:
    """Let NumPy shuffle traced arrays with their origins, and trace the rows of ``np.eye``."""
    made, eye = np.random.default_rng, np.eye
    legacy = types.SimpleNamespace(shuffle=np.random.shuffle, permutation=np.random.permutation)

    def generator(seed=None):
        result = _Generator(made(seed).bit_generator)
        result.rules = rules
        return result

    def drawing(name):
        call = getattr(np.random, name)
        return lambda *args, **to: rules.drawn(call(*args, **to), binary=name == "binomial")

    functions = {name: drawing(name) for name in ("rand", "random", "uniform", "binomial")}
    functions |= {
        "default_rng": generator,
        "shuffle": functools.partial(_shuffle, legacy),
        "permutation": functools.partial(_permutation, legacy),
    }
    one_hot = mock.patch.object(np, "eye", lambda *n, **to: rules.made(eye(*n, **to), Origin()))
    with mock.patch.multiple(np.random, **functions), one_hot:
        yield


def masks_in(ufunc: str, inputs: Any, origin: Origin) -> list[Draw]:
    """Note what a ufunc makes a mask; return the masks of what depends on trained parameters."""
    found = []
    if not origin.fitted:
        for draw in origin.draws if ufunc in COMPARISONS else ():
            draw.binary = True
        return found
    for one in traced_in(inputs):
        for draw in () if one.origin.fitted else one.origin.draws:
            if draw.binary:
                draw.mask = plain(one)
                found.append(draw)
    return found
