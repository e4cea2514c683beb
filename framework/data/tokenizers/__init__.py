"""Tokenizers: turn text into integers and back.

========  =====================================================================================
``char``  one token for each character of the corpus; the smallest vocabulary
``byte``  one token for each byte of UTF-8; any text, 256 tokens, no training
``bpe``   byte-pair encoding, trained on the corpus: frequent pairs become one token
``gpt2``  GPT-2's own 50,257 tokens, by the package tiktoken
========  =====================================================================================

`make` builds one by name, `load` reads one that `Tokenizer.save` wrote. A run keeps its tokenizer
as ``tokenizer.json``.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

from firstlight.data.tokenizers.bpe import BPETokenizer
from firstlight.data.tokenizers.gpt2 import GPT2Tokenizer
from firstlight.data.tokenizers.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer
from firstlight.support.files import PathLike
from firstlight.support.reading import read_json

__all__ = [
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "GPT2Tokenizer",
    "Tokenizer",
    "load",
    "make",
]

KINDS: dict[str, type[Tokenizer]] = {
    kind.name: kind for kind in (CharTokenizer, ByteTokenizer, BPETokenizer, GPT2Tokenizer)
}


def make(name: str, texts: Iterable[str], vocab_size: int = 512) -> Tokenizer:
    """Return a tokenizer by name or from a file, trained on a corpus if it needs one.

    Parameters
    ----------
    name : str
        "char", "byte", "bpe", "gpt2", or the path of a .json file that `Tokenizer.save` wrote.
    texts : iterable of str
        The corpus in pieces; read once, by "char" and "bpe" only.
    vocab_size : int
        Maximum number of tokens for "bpe".

    Raises
    ------
    ValueError
        There is no tokenizer of this name.

    Examples
    --------
    >>> from firstlight.data import tokenizers
    >>> tokenizer = tokenizers.make("char", ["to be"])
    >>> tokenizer.encode("bet"), tokenizer.decode([1, 2, 4])
    (array([1, 2, 4]), 'bet')
    """
    if name.endswith(".json"):
        return load(name)
    if name == "char":
        return CharTokenizer.train(texts)
    if name == "bpe":
        return BPETokenizer.train(texts, vocab_size)
    if name not in KINDS:
        close = difflib.get_close_matches(name, KINDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"tokenizer: expected {', '.join(KINDS)} or the path of a .json file, "
            f"got {name!r}{hint}"
        )
    return KINDS[name]()


def load(path: PathLike) -> Tokenizer:
    """Return the tokenizer in a file that `Tokenizer.save` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file does not hold a tokenizer.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"tokenizer: there is no file {path}")
    try:
        state = read_json(path)
        made = KINDS[state.pop("kind")](**state)
        if made.state_dict() != state:  # e.g. duplicate or unsorted characters
            raise ValueError("it is damaged: it differs from the tokenizer that it describes")
        return made
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = error if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path}: not a tokenizer: {reason}; expected a file that Tokenizer.save wrote"
        ) from error
