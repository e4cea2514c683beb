"""text: load a text to train a language model on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firstlight.data import tokenizers
from firstlight.data.splits import DataSplits
from firstlight.datasets.corpus import Corpus, encode, open_tokens
from firstlight.support.array import Array

IGNORE = -100  # the target that `CrossEntropyLoss` ignores


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
    takes blocks from random places, as many in an epoch as the text has blocks. Validation goes
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
        Vocabulary size of bpe.
    block_size : int
        Tokens in a sample, a model's context length.
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
        tokens = np.concatenate(list(encode(made, corpus)))  # (n,)
    name = Path(path).stem
    return _split(tokens, made, block_size, val_fraction, batch_size, name)


@dataclass(eq=False, repr=False)
class Blocks:
    """Samples of T tokens and, as targets, the same block one token later.

    Sample i is the i-th of consecutive blocks::

        x_i = t[iT : iT + T]        y_i = t[iT + 1 : iT + T + 1]        x, y (T,)

    so that together they predict each token but the first, once. The last block is padded, with
    targets that the loss ignores. For training, `draw` takes blocks from random places.

    Parameters
    ----------
    tokens : array of int, shape (n,)
        May be a memory-mapped file.
    block_size : int
        T.
    name : str
        Used in messages.
    vocab_size : int, optional
        Larger tokens, of a damaged file, are an error when they are read.

    Raises
    ------
    ValueError
        A block_size below 1, or fewer tokens than one block and the token after it.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets.text import Blocks
    >>> data = Blocks(np.arange(10, 16), block_size=3)
    >>> x, y = data[np.arange(len(data))]
    >>> x.tolist(), y.tolist()
    ([[10, 11, 12], [13, 14, 15]], [[11, 12, 13], [14, 15, -100]])
    """

    tokens: Array
    block_size: int
    name: str = "text"
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        """Check the block size and the number of tokens."""
        size, count = self.block_size, len(self.tokens)
        if size < 1:
            raise ValueError(f"{self.name}: expected block_size of 1 or more, got {size}")
        if count <= size:
            raise ValueError(
                f"{self.name}: expected more than {size} tokens, one block of block_size and the "
                f"token after it, got {count}; give more text, or a smaller block_size"
            )

    def __len__(self) -> int:
        return -(-(len(self.tokens) - 1) // self.block_size)

    def __getitem__(self, indices: Array) -> tuple[Array, Array]:
        """Return the blocks at an array of indices, ``(x, y)``, each of shape (N, T)."""
        places = self._places(indices * self.block_size)  # (N, T + 1)
        over = places >= len(self.tokens)
        block = self._at(np.where(over, 0, places))  # (N, T + 1)
        return block[:, :-1], np.where(over[:, 1:], IGNORE, block[:, 1:])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return blocks from uniformly random places."""
        starts = rng.integers(len(self.tokens) - self.block_size, size=count)  # (N,)
        block = self._at(self._places(starts))  # (N, T + 1)
        return block[:, :-1], block[:, 1:]

    def weight(self, batch: tuple[Array, ...]) -> int:
        """Return the number of targets of a batch that are not ignored."""
        return int(np.count_nonzero(batch[1] != IGNORE))

    def _places(self, starts):
        return starts[:, np.newaxis] + np.arange(self.block_size + 1)  # (N, T + 1)

    def _at(self, places):
        block = np.asarray(self.tokens[places]).astype("int64")
        if self.vocab_size is not None and block.max(initial=0) >= self.vocab_size:
            raise ValueError(
                f"{self.name}: token {block.max()} is none of the {self.vocab_size} of its "
                "tokenizer; the file is damaged, prepare the tokens again"
            )
        return block


def _split(tokens, tokenizer, block_size, val_fraction, batch_size, name):
    """Return `DataSplits` of tokens: the last ones for validation, no test data."""
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
    """Raise a ValueError if another tokenizer than that of a token file is requested."""
    if tokenizer is not None and not (
        tokenizer.endswith(".json") and tokenizers.load(tokenizer).same_as(own)
    ):
        raise ValueError(
            f"text: the tokens in {path} were made by {own}, not by the tokenizer {tokenizer!r}; "
            "leave tokenizer out, or prepare the tokens again"
        )
