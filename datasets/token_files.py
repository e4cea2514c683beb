"""Token files: a corpus turned into tokens once, and memory-mapped from then on.

``corpus.npy`` has the tokens, two bytes each (four where the vocabulary needs it), and
``corpus.json`` beside it the tokenizer. Neither making nor reading one takes more memory than a
piece of the corpus.
"""

from pathlib import Path

import numpy as np

from firstlight.data import tokenizers
from firstlight.datasets.corpus import Corpus
from firstlight.support.files import replacing


def prepare_tokens(path, output, *, suffix=".txt", tokenizer="char", vocab_size=512):
    """Write the tokens of a file or folder to a token file, which `text` then reads.

    Parameters
    ----------
    path, suffix, tokenizer, vocab_size
        As for `firstlight.datasets.text`.
    output : path-like
        Ends in .npy.

    Returns
    -------
    int
        How many tokens it has.

    Examples
    --------
    >>> from pathlib import Path
    >>> from firstlight.datasets import load, prepare_tokens
    >>> _ = Path("corpus.txt").write_text("so long as men can breathe, or eyes can see, " * 20)
    >>> prepare_tokens("corpus.txt", "corpus.npy")
    900
    >>> load("text", path="corpus.npy", block_size=8)
    DataSplits(corpus: 102 train, 12 val; x (8,), 16 tokens)
    """
    output = Path(output)
    if output.suffix != ".npy":
        raise ValueError(f"prepare_tokens: expected an output that ends in .npy, got {output}")
    corpus = Corpus(path, suffix)
    made = tokenizers.make(tokenizer, corpus, vocab_size)
    count, dtype = 0, smallest_dtype(made)
    with replacing(output) as unfinished:  # a fresh name, under which no link can lie
        with open(unfinished, "wb") as file:
            _write_header(file, 0, dtype)
            for tokens in encoded(made, corpus):
                count += len(tokens)
                file.write(tokens.tobytes())
            file.seek(0)
            _write_header(file, count, dtype)  # as long as before: NumPy leaves room for digits
        made.save(output.with_suffix(".json"))
    return count


def open_tokens(path):
    """Return ``(tokens, tokenizer)`` of a token file; the tokens stay on the disk until used.

    Raises
    ------
    FileNotFoundError
        The file, or the .json file beside it, is not there.
    ValueError
        It holds something else than tokens.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"text: there is no file {path}")
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged bytes make NumPy's reader raise many kinds
        raise ValueError(
            f"text: {path} is not a token file: {error}; make one with "
            "firstlight.datasets.prepare_tokens"
        ) from error
    if tokens.ndim != 1 or tokens.dtype not in ("uint16", "uint32"):
        raise ValueError(
            f"text: {path} is not a token file: expected uint16 or uint32 of shape (n,), got "
            f"{tokens.dtype} {tokens.shape}; make one with firstlight.datasets.prepare_tokens"
        )
    return tokens, tokenizers.load(path.with_suffix(".json"))


def encoded(tokenizer, texts):
    """Yield the tokens of each text in the smallest dtype that holds them."""
    for piece in texts:
        yield tokenizer.encode(piece).astype(smallest_dtype(tokenizer))


def smallest_dtype(tokenizer):
    """Return uint16, or uint32 for a large vocabulary."""
    return np.dtype("uint16" if tokenizer.vocab_size <= 2**16 else "uint32")


def _write_header(file, count, dtype):
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (count,)})
