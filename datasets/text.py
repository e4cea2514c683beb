"""text: the user's own text, to train a language model on."""

from pathlib import Path

import numpy as np

from firstlight.data import tokenizers
from firstlight.data.splits import DataSplits
from firstlight.datasets.blocks import Blocks
from firstlight.datasets.corpus import Corpus
from firstlight.datasets.token_files import encoded, open_tokens


def text(
    path: str = "stdlib",
    *,
    suffix: str = ".txt",
    tokenizer: str | None = None,
    vocab_size: int = 512,
    block_size: int = 256,
    val_fraction: float = 0.1,
    batch_size: int | None = None,
) -> DataSplits:
    """Load text from a file or folder, for a model that predicts the next token.

    Batches are ``(x, y)``, integers of shape (N, block_size); y is x one token later. Training
    takes blocks from random places, as many in an epoch as fit side by side. Validation goes
    through the end of the text block by block, and predicts each of its tokens once.

    Parameters
    ----------
    path : str
        A UTF-8 file; a folder; a token file, .npy, of `prepare_tokens`, for large corpora; or
        "stdlib", the source of the running Python's own modules.
    suffix : str
        Of the files in a folder.
    tokenizer : str, optional
        char, byte, bpe or gpt2, see `firstlight.data.tokenizers`, or a .json file with one, such as
        the tokenizer.json of a run; char by default, and of a token file its own.
    vocab_size : int
        Tokens that bpe is to have.
    block_size : int
        Tokens in a sample: how far a model can look back.
    val_fraction : float
        Share of the tokens, at the end of the text, to validate on; 0 leaves them out.
    batch_size : int, optional
        Samples in a batch; 32, or all blocks if there are fewer.

    Returns
    -------
    DataSplits

    Raises
    ------
    FileNotFoundError
        There is no such file or folder, or nothing of that suffix in it.
    ValueError
        No text, text that is no UTF-8, or too little for one block; an unknown tokenizer, or a
        character that it does not know.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> splits = load("text", tokenizer="byte", block_size=64, batch_size=4)
    >>> x, y = next(iter(splits.loader("train")))
    >>> x.shape, bool((x[:, 1:] == y[:, :-1]).all()), splits.tokenizer
    ((4, 64), True, ByteTokenizer(256 tokens))
    """
    if path.endswith(".npy"):
        tokens, made = open_tokens(path)
        _check_same(path, made, tokenizer)
    else:
        corpus = Corpus(path, suffix)
        made = tokenizers.make(tokenizer or "char", corpus, vocab_size)
        tokens = np.concatenate(list(encoded(made, corpus)))  # (n,)
    name = Path(path).stem
    return split_tokens(tokens, made, block_size, val_fraction, batch_size, name)


def split_tokens(tokens, tokenizer, block_size, val_fraction, batch_size, name):
    """Return `DataSplits` of tokens: the last ones to validate on, no test data."""
    if not 0 <= val_fraction < 1:
        raise ValueError(f"{name}: expected val_fraction from 0 to below 1, got {val_fraction}")
    cut = int(len(tokens) * (1 - val_fraction))
    return DataSplits(
        train=Blocks(tokens[:cut], block_size, f"{name} (train)", tokenizer.vocab_size),
        val=Blocks(tokens[cut:], block_size, f"{name} (val)", tokenizer.vocab_size)
        if val_fraction
        else None,
        name=name,
        batch_size=batch_size,
        tokenizer=tokenizer,
        info={"tokens": len(tokens), "tokenizer": repr(tokenizer)},
    )


def _check_same(path, own, tokenizer):
    """Raise a ValueError if another tokenizer is asked for than the one of a token file."""
    if tokenizer is None:
        return
    if not (tokenizer.endswith(".json") and tokenizers.load(tokenizer).same_as(own)):
        raise ValueError(
            f"text: the tokens in {path} were made by {own}, not by the tokenizer {tokenizer!r}; "
            "leave tokenizer out, or prepare the tokens again"
        )
