"""Tokenizers: from text to integers and back, one a file.

========  =====================================================================================
``char``  one token a character of the corpus; the smallest to read and to learn
``byte``  one token a byte of UTF-8; any text, 256 tokens, nothing to train
``bpe``   byte-pair encoding, trained on the corpus: frequent pairs become one token
``gpt2``  GPT-2's own 50,257 tokens, by the package tiktoken
========  =====================================================================================

`make` builds one by name, `load` reads one that `Tokenizer.save` wrote; a run keeps its own as
``tokenizer.json``, so that its model's text can be read for ever.
"""

import difflib
from pathlib import Path

from firstlight.data.tokenizers.bpe import BPETokenizer
from firstlight.data.tokenizers.byte import ByteTokenizer
from firstlight.data.tokenizers.char import CharTokenizer
from firstlight.data.tokenizers.gpt2 import GPT2Tokenizer
from firstlight.data.tokenizers.tokenizer import Tokenizer
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

KINDS = {kind.name: kind for kind in (CharTokenizer, ByteTokenizer, BPETokenizer, GPT2Tokenizer)}


def make(name, texts, vocab_size=512):
    """Return a tokenizer by name, or from a file, made for a corpus where it needs one.

    Parameters
    ----------
    name : str
        "char", "byte", "bpe", "gpt2", or the path of a .json file that `Tokenizer.save` wrote.
    texts : iterable of str
        The corpus in pieces; gone through once by "char" and "bpe".
    vocab_size : int
        Tokens that "bpe" is to have, at most.

    Raises
    ------
    ValueError
        No tokenizer bears the name.

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


def load(path):
    """Return the tokenizer in a file that `Tokenizer.save` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"tokenizer: there is no file {path}")
    try:
        state = read_json(path)
        made = KINDS[state.pop("kind")](**state)
        if made.state_dict() != state:  # e.g. characters twice, or in another order
            raise ValueError("it is damaged: a tokenizer made of it is another one")
        return made
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = error if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{path}: not a tokenizer: {reason}; expected a file that Tokenizer.save wrote"
        ) from error
