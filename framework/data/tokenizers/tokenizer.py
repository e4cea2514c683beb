"""Tokenizer: what every tokenizer can do."""

import numpy as np

from firstlight.support.files import write_json


class Tokenizer:
    """Base class of tokenizers: text becomes tokens, integers from 0 to ``vocab_size`` - 1.

    For every text that a tokenizer can write, ``decode(encode(text)) == text``.

    Attributes
    ----------
    name : str
        How `firstlight.data.tokenizers.make` calls it.
    vocab_size : int
        How many different tokens there are.
    """

    name = ""
    vocab_size = 0

    def encode(self, text):
        """Return a text's tokens, an int64 array of shape (T,).

        Raises
        ------
        ValueError
            The text has a character that cannot be written; the message says which and where.
        """
        raise NotImplementedError

    def decode(self, tokens):
        """Return the text of tokens, an array or list of integers.

        Raises
        ------
        ValueError
            A token outside 0 ... vocab_size - 1.
        """
        raise NotImplementedError

    def state_dict(self):
        """Return the arguments that make this tokenizer again, as a JSON-able dict."""
        return {}

    def save(self, path):
        """Write the tokenizer to a .json file, which `firstlight.tokenizers.load` reads."""
        write_json(path, {"kind": self.name, **self.state_dict()})

    def same_as(self, other):
        """Return whether another tokenizer gives every text the same tokens."""
        return (self.name, self.state_dict()) == (other.name, other.state_dict())

    def check_tokens(self, tokens):
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

    def __repr__(self):
        return f"{type(self).__name__}({self.vocab_size} tokens)"


def utf8(who, text):
    """Return a text's bytes, or raise a ValueError that says which character has none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{who}: half a surrogate pair, {text[error.start]!a}, at position {error.start} of "
            "the text is no character; was the text decoded with errors='surrogateescape'?"
        ) from None
