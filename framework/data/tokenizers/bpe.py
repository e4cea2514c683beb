"""BPETokenizer: byte-pair encoding, trained from scratch."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from firstlight.data.tokenizers.tokenizer import Tokenizer, utf8
from firstlight.support.array import Array

# Text is split into words first, and no token spans two words. A word is an English ending, or
# letters, digits or other signs with the space before them, or white space. This is GPT-2's rule,
# written with Python's character classes.
WORDS = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+",
)

LONGEST = 2**16  # limit on the bytes of one token
ALL = 2**26  # limit on the bytes of all tokens together


class BPETokenizer(Tokenizer):
    """Byte-pair encoding: start from bytes, and repeatedly merge the most frequent pair.

    Training, on the corpus split into words, each a list of bytes 0 ... 255::

        for new = 256, 257, ...:
            (a, b) = the most frequent pair of neighbours
            merges[a, b] = new, and every a b becomes new

    A text is encoded by the same merges, in the same order. Any text can be encoded, as every
    byte is a token. Bytes that are not UTF-8, which a model may produce, are decoded as U+FFFD.

    Parameters
    ----------
    merges : list of (int, int)
        The pairs in the order they were merged; the k-th became token 256 + k.

    Attributes
    ----------
    merges : dict of (int, int) to int

    Raises
    ------
    ValueError
        A pair with a token that does not exist yet, a duplicate pair, or tokens beyond the limits.

    References
    ----------
    Sennrich, Haddow & Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016,
    algorithm 1. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019,
    section 2.2 (on bytes).

    Examples
    --------
    >>> from firstlight.data.tokenizers import BPETokenizer
    >>> tokenizer = BPETokenizer.train(["low lower lowest"], vocab_size=258)
    >>> tokenizer.encode("slow")
    array([115, 257])
    >>> [tokenizer.decode([token]) for token in (115, 256, 257)]
    ['s', 'lo', 'low']
    """

    name: str = "bpe"

    def __init__(self, merges: Iterable[Sequence[int]]) -> None:
        self.merges: dict[tuple[int, int], int] = {}
        self._bytes, total = [bytes([value]) for value in range(256)], 0
        for left, right in merges:
            new = len(self._bytes)
            if type(left) is not int or type(right) is not int:
                raise TypeError(f"BPETokenizer: merge {new - 256} is not a pair of whole numbers")
            if not (0 <= left < new and 0 <= right < new):
                raise ValueError(
                    f"BPETokenizer: merge {new - 256} joins ({left}, {right}), but there are only "
                    f"tokens 0 to {new - 1} by then"
                )
            if (left, right) in self.merges:
                raise ValueError(
                    f"BPETokenizer: merge {new - 256}, ({left}, {right}), occurs twice"
                )
            size = len(self._bytes[left]) + len(self._bytes[right])
            total += size
            if size > LONGEST or total > ALL:  # n merges can double a token n times
                raise ValueError(
                    f"BPETokenizer: merge {new - 256} makes a token of {size:,} bytes, {total:,} "
                    f"in all; expected {LONGEST:,} and {ALL:,} at most"
                )
            self.merges[left, right] = new
            self._bytes.append(self._bytes[left] + self._bytes[right])
        self.vocab_size: int = len(self._bytes)
        self._word = lru_cache(2**17)(self._encode_word)  # most words are frequent

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> BPETokenizer:
        """Learn merges from texts until there are ``vocab_size`` tokens.

        Training ends sooner if no pair occurs twice. Only the words that a merge changes are
        counted again, so that Tiny Shakespeare takes seconds.

        Raises
        ------
        ValueError
            A vocab_size below 257.
        """
        if vocab_size <= 256:
            raise ValueError(
                "BPETokenizer: expected vocab_size above 256, as each byte is a token, "
                f"got {vocab_size}"
            )
        counts = Counter()
        for text in texts:
            counts.update(WORDS.findall(text))
        words = [list(utf8("BPETokenizer", word)) for word in counts]
        times = list(counts.values())
        pairs, places = Counter(), defaultdict(set)  # how often, and in which words
        for place, word in enumerate(words):
            for pair in pairwise(word):
                pairs[pair] += times[place]
                places[pair].add(place)
        merges, sizes = [], [1] * 256  # bytes of each token
        while pairs and len(merges) < vocab_size - 256:
            best = max(pairs, key=pairs.get)
            if pairs[best] < 2:
                break
            if sizes[best[0]] + sizes[best[1]] > LONGEST:
                pairs[best] = 0  # the constructor would refuse such a token
                continue
            sizes.append(sizes[best[0]] + sizes[best[1]])
            for place in sorted(places[best]):
                for pair in pairwise(words[place]):
                    pairs[pair] -= times[place]
                words[place] = _merged(words[place], best, 256 + len(merges))
                for pair in pairwise(words[place]):
                    pairs[pair] += times[place]
                    places[pair].add(place)
            merges.append(best)
            del pairs[best], places[best]
        return cls(merges)

    def encode(self, text: str) -> Array:
        utf8("BPETokenizer", text)
        words = WORDS.findall(text)
        return np.array([token for word in words for token in self._word(word)], "int64")

    def decode(self, tokens: Any) -> str:
        tokens = self.check_tokens(tokens).tolist()
        return b"".join(self._bytes[token] for token in tokens).decode("utf-8", "replace")

    def state_dict(self) -> dict[str, Any]:
        return {"merges": [list(pair) for pair in self.merges]}

    def _encode_word(self, word):
        """Return the tokens of a word, applying its earliest merge repeatedly."""
        tokens = list(word.encode("utf-8"))
        while len(tokens) > 1:
            pair = min(pairwise(tokens), key=lambda pair: self.merges.get(pair, self.vocab_size))
            if pair not in self.merges:
                break
            tokens = _merged(tokens, pair, self.merges[pair])
        return tokens


def _merged(tokens, pair, new):
    """Replace each occurrence of a pair, from the left, by a new token."""
    result, index = [], 0
    while index < len(tokens):
        if tokens[index] == pair[0] and tokens[index + 1 : index + 2] == [pair[1]]:
            result.append(new)
            index += 2
        else:
            result.append(tokens[index])
            index += 1
    return result
