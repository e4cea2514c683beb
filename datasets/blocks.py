"""Blocks: samples for a language model, cut from one long row of tokens."""

import numpy as np

IGNORE = -100  # what `CrossEntropyLoss` leaves out


class Blocks:
    """Blocks of T tokens, and for each the same block one token later, which is to be predicted.

    Sample i by its index is the i-th of the blocks that lie side by side::

        x_i = t[iT : iT + T]        y_i = t[iT + 1 : iT + T + 1]        x, y (T,)

    so that all of them together predict each token but the first, once. The last block is filled
    up, with targets that the loss ignores. For training, `draw` takes blocks at random places.

    Parameters
    ----------
    tokens : array of int, shape (n,)
        May be a memory-mapped file: only the blocks asked for are read.
    block_size : int
        T.
    name : str
        Used in messages.
    vocab_size : int, optional
        Tokens from there on are an error when they are drawn: a file of them may be damaged.

    Raises
    ------
    ValueError
        A block_size below 1, or fewer tokens than one block and the token after it.

    Examples
    --------
    >>> import numpy as np
    >>> from firstlight.datasets.blocks import Blocks
    >>> data = Blocks(np.arange(10, 16), block_size=3)
    >>> x, y = data[np.arange(len(data))]
    >>> x.tolist(), y.tolist()
    ([[10, 11, 12], [13, 14, 15]], [[11, 12, 13], [14, 15, -100]])
    """

    def __init__(self, tokens, block_size, name="text", vocab_size=None):
        if block_size < 1:
            raise ValueError(f"{name}: expected block_size of 1 or more, got {block_size}")
        if len(tokens) <= block_size:
            raise ValueError(
                f"{name}: expected more than {block_size} tokens, one block of block_size and the "
                f"token after it, got {len(tokens)}; give more text, or a smaller block_size"
            )
        self.tokens, self.block_size, self.name = tokens, block_size, name
        self.vocab_size = vocab_size

    def __len__(self):
        return -(-(len(self.tokens) - 1) // self.block_size)

    def __getitem__(self, indices):
        """Return the blocks at an array of indices, ``(x, y)``, each of shape (N, T)."""
        places = self._places(indices * self.block_size)  # (N, T + 1)
        over = places >= len(self.tokens)
        block = self._at(np.where(over, 0, places))  # (N, T + 1)
        return block[:, :-1], np.where(over[:, 1:], IGNORE, block[:, 1:])

    def draw(self, count, rng):
        """Return so many blocks from places that are all equally likely."""
        starts = rng.integers(len(self.tokens) - self.block_size, size=count)  # (N,)
        block = self._at(self._places(starts))  # (N, T + 1)
        return block[:, :-1], block[:, 1:]

    def weight(self, batch):
        """Return how many targets of a batch count."""
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
