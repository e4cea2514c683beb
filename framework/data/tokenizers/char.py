"""CharTokenizer: one token a character."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from firstlight.data.tokenizers.tokenizer import Tokenizer
from firstlight.support.array import Array
from firstlight.support.printable import shown


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
        self._points = _code_points(self.characters)  # (V,)  rising

    @classmethod
    def train(cls, texts: Iterable[str]) -> CharTokenizer:
        """Make a tokenizer of all characters in texts."""
        return cls("".join(set().union(*map(set, texts))))

    def encode(self, text: str) -> Array:
        points = _code_points(text)  # (T,)
        tokens = np.searchsorted(self._points, points)  # (T,)
        tokens[tokens == self.vocab_size] = 0  # beyond the last; refused below
        wrong = np.flatnonzero(self._points[tokens] != points)
        if wrong.size:
            character = text[wrong[0]]
            raise ValueError(
                f"CharTokenizer: {character!r} (U+{ord(character):04X}) at position {wrong[0]} is "
                f"none of the {self.vocab_size} characters of the vocabulary; leave it out, or "
                'train with tokenizer "byte" or "bpe", which write any text'
            )
        return tokens

    def decode(self, tokens: Any) -> str:
        return "".join(self.characters[i] for i in self.check_tokens(tokens).tolist())

    def state_dict(self) -> dict[str, Any]:
        return {"characters": self.characters}


def _code_points(text):
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
