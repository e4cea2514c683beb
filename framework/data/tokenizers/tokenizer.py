"""Tokenizer: the base class of tokenizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.files import PathLike, write_json


class Tokenizer:
    """Base class of tokenizers: text becomes tokens, integers from 0 to ``vocab_size`` - 1.

    For every text that a tokenizer can encode, ``decode(encode(text)) == text``.

    Attributes
    ----------
    name : str
        Its name in `firstlight.data.tokenizers.make`.
    vocab_size : int
        The number of different tokens.
    """

    name: str = ""
    vocab_size: int = 0

    def encode(self, text: str) -> Array:
        """Return a text's tokens, an int64 array of shape (T,).

        Raises
        ------
        ValueError
            The text has a character that cannot be encoded; the message names it and its place.
        """
        raise NotImplementedError

    def decode(self, tokens: Any) -> str:
        """Return the text of tokens, an array or list of integers.

        Raises
        ------
        ValueError
            A token outside 0 ... vocab_size - 1.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the constructor's arguments as a JSON-able dict."""
        return {}

    def save(self, path: PathLike) -> None:
        """Write the tokenizer to a .json file, which `firstlight.tokenizers.load` reads."""
        write_json(path, {"kind": self.name, **self.state_dict()})

    def same_as(self, other: Tokenizer) -> bool:
        """Return whether another tokenizer gives every text the same tokens."""
        return (self.name, self.state_dict()) == (other.name, other.state_dict())

    def check_tokens(self, tokens: Any) -> Array:
        """Return tokens as a flat array of integers, or raise a ValueError or TypeError."""
        tokens = np.asarray(tokens)
        if tokens.size == 0:
            return np.zeros(0, "int64")
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise TypeError(
                f"{type(self).__name__}.decode: expected integers of shape (T,), got "
                f"{tokens.dtype} {tokens.shape}; decode one row at a time"
            )
        if tokens.min() < 0 or tokens.max() >= self.vocab_size:
            wrong = tokens[(tokens < 0) | (tokens >= self.vocab_size)][0]
            raise ValueError(
                f"{type(self).__name__}.decode: expected tokens from 0 to {self.vocab_size - 1}, "
                f"got {wrong}; were they made by another tokenizer?"
            )
        return tokens

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vocab_size} tokens)"


def utf8(who: str, text: str) -> bytes:
    """Return a text's bytes, or raise a ValueError that names a character without any."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{who}: half a surrogate pair, {text[error.start]!a}, at position {error.start} of "
            "the text is no character; was the text decoded with errors='surrogateescape'?"
        ) from None
