"""Generation: continue a text with a language model, also during its training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.backend import to_device, to_host

if TYPE_CHECKING:
    from firstlight.module import Module


def write_text(
    module: Module,
    tokenizer: Any,
    prompt: str | None = None,
    *,
    max_new_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> str:
    """Return a prompt with its continuation by a model.

    The mode and the stacks of the model are restored.

    Parameters
    ----------
    module : Module
        Has ``generate(tokens, max_new_tokens, *, temperature, top_k, top_p, seed)``, which takes
        tokens (N, T) and returns them with the new ones appended.
    tokenizer : firstlight.data.tokenizers.Tokenizer
    prompt : str, optional
        A line break by default, or the first token if the vocabulary has none.
    max_new_tokens, temperature, top_k, top_p, seed
        Passed to ``generate``.
    device : str
        Device of the module.

    Raises
    ------
    TypeError
        The module has no ``generate``.
    ValueError
        The prompt has a character that is not in the vocabulary.
    """
    check_generates(module)
    tokens = to_device(prompt_tokens(tokenizer, prompt), device)  # (1, T)
    with undisturbed(module):
        written = module.generate(
            tokens,
            max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
    return tokenizer.decode(to_host(written)[0])


def prompt_tokens(tokenizer: Any, prompt: str | None = None) -> Array:
    """Return the tokens of a prompt, shape (1, T); see `write_text`."""
    if prompt:
        return tokenizer.encode(prompt)[np.newaxis]
    try:
        return tokenizer.encode("\n")[np.newaxis]
    except ValueError:
        return np.zeros((1, 1), "int64")


def check_generates(module: Module) -> None:
    """Raise a TypeError unless a module can generate."""
    if not callable(getattr(module, "generate", None)):
        raise TypeError(
            f"{type(module).__name__} cannot write text: it has no method generate(tokens, "
            "max_new_tokens, *, temperature, top_k, top_p, seed); use a language model such as gpt"
        )


@contextmanager
def undisturbed(module: Module) -> Iterator[None]:
    """Switch a module to evaluation mode, and restore mode and stack of every submodule."""
    before = [(part, part.training, part._stack) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training, stack in before:
            part.training, part._stack = training, stack
