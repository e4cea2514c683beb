"""Replace methods for a while, for callbacks and tools that watch a model's layers."""

from collections.abc import Callable
from typing import Any

from firstlight.module import Module
from firstlight.support import forms

_MISSING = object()


class Wrapping:
    """Replace attributes of objects, and restore them in reverse order.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight import nn
    >>> from firstlight.support.wrapping import Wrapping
    >>> layer, wrapping = nn.ReLU(), Wrapping()
    >>> wrapping.replace(layer, "forward", lambda forward: lambda x: 2 * forward(x))
    >>> layer(np.ones(1))
    array([2.])
    >>> wrapping.restore()
    >>> layer(np.ones(1))
    array([1.])
    """

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Replace an attribute by ``wrapper(attribute)``."""
        value = getattr(owner, name)
        own = getattr(owner, "__dict__", None)
        self._before.append((owner, name, value if own is None else own.get(name, _MISSING)))
        setattr(owner, name, wrapper(value))

    def restore(self) -> None:
        """Restore all attributes that `replace` has replaced."""
        while self._before:
            owner, name, value = self._before.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def wrappable_modules(module: Module) -> list[tuple[str, Module]]:
    """Return ``(name, module)`` of the modules whose methods can be wrapped without any effect.

    A form of a layer that has parts, such as `FeedForward`, computes all parts at once, and only
    if nothing has wrapped them. The parts of such a layer are left out.

    Examples
    --------
    >>> from firstlight import nn
    >>> from firstlight.support.wrapping import wrappable_modules
    >>> [name for name, _ in wrappable_modules(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))]
    ['', '0', '1']
    """
    hidden: set[int] = set()
    found = []
    for name, part in module.named_modules():
        if id(part) in hidden:
            continue
        found.append((name, part))
        if forms.candidates(type(part), "forward"):
            hidden.update(id(inner) for inner in part.modules() if inner is not part)
    return found
