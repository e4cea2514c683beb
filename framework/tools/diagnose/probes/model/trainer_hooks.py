"""The methods of a model that the Trainer calls, and those that are named almost like them."""

import difflib
import functools
from dataclasses import dataclass
from typing import Any

from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.places import line_of

HOOKS = (
    "configure_optimizer",
    "training_step",
    "validation_step",
    "predict_step",
    "forward",
    "backward",
)
CLOSE = 0.88  # similarity from which on a name is a misspelled one
PREFIX = 3  # letters that a word has in common with a longer one: val for validation


@dataclass
class TrainerHooks(Evidence):
    """A model that a script gives to ``Trainer.fit``.

    Attributes
    ----------
    model : Module
    at : Place
        Of the call of fit.
    """

    model: Module
    at: Place | None = None
    group = "model"
    subject = "methods that the Trainer calls"

    @property
    def type(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    def has(self, hook: str) -> bool:
        """Return whether the model implements a hook itself."""
        own = getattr(type(self.model), hook, None)
        return hook in vars(self.model) or own is not getattr(Module, hook)

    @functools.cached_property
    def misspelled(self) -> dict[str, tuple[str, Place | None]]:
        """By hook that is missing: a method with almost its name that nothing calls, its line."""
        own = {
            name: method
            for cls in reversed(type(self.model).__mro__)
            if issubclass(cls, Module) and cls is not Module
            for name, method in vars(cls).items()
            if callable(method) and hasattr(method, "__code__") and not hasattr(Module, name)
        }
        called = {word for method in self._methods() for word in method.__code__.co_names}
        return {
            hook: (name, line_of(method))
            for hook in HOOKS
            for name, method in own.items()
            if not self.has(hook) and name not in called and are_close(name, hook)
        }

    def _methods(self) -> list[Any]:
        classes = [cls for cls in type(self.model).__mro__ if cls is not object]
        return [m for cls in classes for m in vars(cls).values() if hasattr(m, "__code__")]


def are_close(name: str, hook: str) -> bool:
    """Return whether a name is a misspelling or another form of a hook's name."""
    words, right = name.lower().strip("_").split("_"), hook.split("_")
    same = len(words) == len(right) and all(
        len(one) >= PREFIX and (one.startswith(other) or other.startswith(one))
        for one, other in zip(words, right, strict=True)
    )
    joined = "".join(words) == "".join(right)
    return same or joined or difflib.SequenceMatcher(None, name, hook).ratio() >= CLOSE
