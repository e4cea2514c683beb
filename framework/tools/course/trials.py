"""Trials that several exercises share: of a layer, and of an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from firstlight.parameter import Parameter
from firstlight.tools.course.differences import AFTER_TWO, IN_PLACE
from firstlight.tools.course.draw import Draw
from firstlight.tools.course.exercise import Output, Trial

Build = Callable[[Any, Draw], tuple[Any, Any]]


def unchanged(blank: str, name: str, now: Any, before: Any) -> Output:
    """Return the output that tells whether an argument was changed in place."""
    return Output(blank, f"{name}{IN_PLACE}", not np.array_equal(now, before, equal_nan=True))


def count(blank: str, results: Any, case: str = "") -> Output:
    """Return the output that tells how many results a function returns, if it is a tuple."""
    some = len(results) if isinstance(results, tuple | list) else results
    return Output(blank, f"number of results {case}".rstrip(), some)


def layer(name: str, build: Build, case: str = "") -> Trial:
    """Return a trial that runs a layer's forward and backward twice.

    Parameters
    ----------
    name : str
        Of the class.
    build : callable
        ``build(code, draw)`` returns the layer and its input x.
    case : str
        What is special, such as ``"without bias"``, if an exercise has several such trials.
    """
    case = f" {case}" if case else ""

    def trial(code: Any, draw: Draw) -> Iterator[Output]:
        module, x = build(code, draw)
        forward, backward = f"{name}.forward", f"{name}.backward"
        kept = np.array(x)
        y = module(x)
        yield Output(forward, f"y{case}", y)
        yield unchanged(forward, f"x{case}", x, kept)
        dy = draw.array(*np.shape(y))
        kept = np.array(dy)
        yield Output(backward, f"dx{case}", module.backward(dy))
        for label, parameter in module.named_parameters():
            yield Output(backward, f"d{label}{case}", parameter.grad.copy())
        yield unchanged(backward, f"dy{case}", dy, kept)
        module(x)
        module.backward(dy)
        for label, parameter in module.named_parameters():
            yield Output(backward, f"d{label}{case}{AFTER_TWO}", parameter.grad.copy())

    trial.build = build  # type: ignore[attr-defined]  # for `firstlight check`
    return trial


def update_rule(name: str, **settings: Any) -> Trial:
    """Return a trial of three steps of an optimizer, the last one with half the learning rate.

    Parameters
    ----------
    name : str
        Of the class.
    **settings
        Hyper-parameters.
    """
    blank = f"{name}.update"
    told = "".join(f", {key}={value}" for key, value in settings.items())

    def trial(code: Any, draw: Draw) -> Iterator[Output]:
        n, m = draw.size("N"), draw.size("M")
        parameters = [Parameter(draw.array(n, m).copy()), Parameter(draw.array(m).copy())]
        optimizer = getattr(code, name)(parameters, lr=0.1, **settings)
        for t in (1, 2, 3):
            for parameter in parameters:
                parameter.grad[...] = draw.array(*parameter.shape)
            optimizer.lr = 0.1 if t < 3 else 0.05
            g, before = _joined(parameters, "grad"), _joined(parameters, "data")
            optimizer.step()
            case = f"(t={t}, lr={optimizer.lr}{told})"
            yield Output(blank, f"Δw {case}", _joined(parameters, "data") - before)
            yield unchanged(blank, f"g {case}", _joined(parameters, "grad"), g)

    return trial


def _joined(parameters, name):
    return np.concatenate([getattr(parameter, name).ravel() for parameter in parameters])


def number(value: Any, dtype: str) -> Any:
    """Return a number in a trial's dtype, since Python's are as right; anything else as it is."""
    return np.array(value, dtype) if np.ndim(value) == 0 and value is not None else value
