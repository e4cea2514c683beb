"""Tokenizer, the base class, and the tokenizers of single characters and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.files import PathLike, write_json
from firstlight.support.printable import shown


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
            The text has a character that cannot be encoded; the message gives it with its position.
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
        """Write the tokenizer to a .json file; read it with `firstlight.tokenizers.load`."""
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


class CharTokenizer(Tokenizer):
    """Number the different characters of a corpus, in the order of their code points.

    Parameters
    ----------
    characters : str
        The vocabulary; repeated characters count once.

    Attributes
    ----------
    characters : str
        Sorted: token i is ``characters[i]``.

    Raises
    ------
    ValueError
        No characters; or, when encoding, a character that is not in the vocabulary.

    Examples
    --------
    >>> from firstlight.data.tokenizers import CharTokenizer
    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer.characters, tokenizer.encode("hole")
    ('ehlo', array([1, 3, 2, 0]))
    """

    name: str = "char"

    def __init__(self, characters: str) -> None:
        if not isinstance(characters, str):
            raise TypeError(
                f"CharTokenizer: expected characters in one text, got {shown(characters)}"
            )
        self.characters: str = "".join(sorted(set(characters)))
        if not self.characters:
            raise ValueError("CharTokenizer: expected one or more characters, got none")
        self.vocab_size: int = len(self.characters)
        self._points = _code_points(self.characters)  # (V,)  ascending

    @classmethod
    def train(cls, texts: Iterable[str]) -> CharTokenizer:
        """Return a tokenizer of all characters in texts."""
        return cls("".join(set().union(*map(set, texts))))

    def encode(self, text: str) -> Array:
        points = _code_points(text)  # (T,)
        tokens = np.searchsorted(self._points, points)  # (T,)
        tokens[tokens == self.vocab_size] = 0  # beyond the last character; refused below
        wrong = np.flatnonzero(self._points[tokens] != points)
        if wrong.size:
            character = text[wrong[0]]
            raise ValueError(
                f"CharTokenizer: {character!r} (U+{ord(character):04X}) at position {wrong[0]} is "
                f"none of the {self.vocab_size} characters of the vocabulary; leave it out, or "
                'train with tokenizer "byte" or "bpe", which encode any text'
            )
        return tokens

    def decode(self, tokens: Any) -> str:
        return "".join(self.characters[i] for i in self.check_tokens(tokens).tolist())

    def state_dict(self) -> dict[str, Any]:
        return {"characters": self.characters}


class ByteTokenizer(Tokenizer):
    """Use the UTF-8 bytes of a text as its tokens.

    Any text can be encoded with 256 tokens, without training, but a character outside ASCII takes
    two to four tokens. Bytes that are not UTF-8, which a model may produce, are decoded as U+FFFD.

    Examples
    --------
    >>> from firstlight.data.tokenizers import ByteTokenizer
    >>> ByteTokenizer().encode("aé")
    array([ 97, 195, 169])
    >>> ByteTokenizer().decode([97, 195, 169])
    'aé'
    """

    name: str = "byte"
    vocab_size: int = 256

    def encode(self, text: str) -> Array:
        return np.frombuffer(utf8("ByteTokenizer", text), "uint8").astype("int64")

    def decode(self, tokens: Any) -> str:
        return self.check_tokens(tokens).astype("uint8").tobytes().decode("utf-8", "replace")


def utf8(who: str, text: str) -> bytes:
    """Return a text's bytes, or raise a ValueError that names a character without encoding."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{who}: half a surrogate pair, {text[error.start]!a}, at position {error.start} of "
            "the text is not a character; was the text decoded with errors='surrogateescape'?"
        ) from None


def _code_points(text):
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
