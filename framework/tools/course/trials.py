"""The trial of a layer, which most exercises share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from firstlight.tools.course.draw import Draw
from firstlight.tools.course.exercise import Output, Trial

Build = Callable[[Any, Draw], tuple[Any, Any]]


def layer(name: str, build: Build) -> Trial:
    """Return a trial that runs a layer's forward and backward twice.

    Parameters
    ----------
    name : str
        Of the class.
    build : callable
        ``build(code, draw)`` returns the layer and its input x.
    """

    def trial(code: Any, draw: Draw) -> Iterator[Output]:
        module, x = build(code, draw)
        forward, backward = f"{name}.forward", f"{name}.backward"
        kept = np.array(x)
        y = module(x)
        yield Output(forward, "y", y)
        yield Output(forward, "x after forward", x - kept)
        dy = draw.array(*np.shape(y))
        kept = np.array(dy)
        yield Output(backward, "dx", module.backward(dy))
        for label, parameter in module.named_parameters():
            yield Output(backward, f"d{label}", parameter.grad.copy())
        yield Output(backward, "dy after backward", dy - kept)
        module(x)
        module.backward(dy)
        for label, parameter in module.named_parameters():
            yield Output(backward, f"d{label} after two passes", parameter.grad.copy())

    trial.build = build  # type: ignore[attr-defined]  # for `firstlight check`
    return trial
