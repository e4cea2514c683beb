"""Corpus: read text in pieces, and turn it into a token file that is memory-mapped.

A token file ``corpus.npy`` has the tokens, two bytes each (four if the vocabulary needs it), and
``corpus.json`` beside it the tokenizer. Writing and reading one takes no more memory than a piece
of the corpus.
"""

import re
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from firstlight.data import tokenizers
from firstlight.data.tokenizers import Tokenizer
from firstlight.support.array import Array
from firstlight.support.files import PathLike, replacing

CHUNK = 2**22  # characters read at a time
BEFORE_SPACE = re.compile(r".*\S(?=\s)", re.DOTALL)  # up to the last end of a word
NOT_OURS = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}


class Corpus:
    """Iterate over the text of files in pieces, any number of times.

    A piece ends where white space follows a word, so that no token crosses the cut. Files are
    sorted by their paths, with a line break between them.

    Parameters
    ----------
    path : str
        A file; a folder, whose files of the given suffix are read, also in folders below it;
        or "stdlib", the modules of the running Python: 12 MB of text that is always available.
    suffix : str
        Of the files in a folder.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder, or no file of that suffix in it.
    ValueError
        While iterating: no text at all, or bytes that are no UTF-8; with the file and place.

    Examples
    --------
    >>> from firstlight.datasets.corpus import Corpus
    >>> next(iter(Corpus("stdlib")))[:22]
    '\"\"\"Record of phased-in'
    """

    def __init__(self, path: str, suffix: str = ".txt") -> None:
        self.path: str = path
        if path == "stdlib":
            folder, suffix = Path(sysconfig.get_paths()["stdlib"]), ".py"
        else:
            folder = Path(path).expanduser()
        if folder.is_file():
            self.files: list[Path] = [folder]
        elif not folder.is_dir():
            raise FileNotFoundError(f"text: there is no file or folder {path}")
        else:
            self.files = sorted(
                file
                for file in folder.rglob(f"*{suffix}")
                if file.is_file()
                and not (path == "stdlib" and NOT_OURS & set(file.relative_to(folder).parts))
            )
        if not self.files:
            there = sorted({file.suffix for file in folder.rglob("*") if file.is_file()} - {""})
            raise FileNotFoundError(
                f"text: no {suffix} files in folder {path}; "
                f"there are {', '.join(there) or 'no'} files; choose with suffix"
            )

    def __iter__(self) -> Iterator[str]:
        """Yield pieces of text, none of them empty."""
        empty = True
        for number, file in enumerate(self.files):
            if number and not empty:
                yield "\n"
            for piece in _pieces(_decoded(file)):
                empty = False
                yield piece
        if empty:
            raise ValueError(f"text: {self.path} is empty; expected some text")

    def __repr__(self) -> str:
        return f"Corpus({self.path}: {len(self.files)} files)"


def prepare_tokens(
    path: str,
    output: PathLike,
    *,
    suffix: str = ".txt",
    tokenizer: str = "char",
    vocab_size: int = 512,
) -> int:
    """Write the tokens of a file or folder to a token file, which `text` reads.

    Parameters
    ----------
    path, suffix, tokenizer, vocab_size
        As for `firstlight.datasets.text`.
    output : path-like
        Ends in .npy.

    Returns
    -------
    int
        The number of tokens.

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
    count, dtype = 0, _token_dtype(made)
    with replacing(output) as unfinished:  # a new name, which is no link
        with open(unfinished, "wb") as file:
            _write_header(file, 0, dtype)
            for tokens in encode(made, corpus):
                count += len(tokens)
                file.write(tokens.tobytes())
            file.seek(0)
            _write_header(file, count, dtype)  # as long as before: NumPy leaves room for digits
        made.save(output.with_suffix(".json"))
    return count


def open_tokens(path: PathLike) -> tuple[Array, Tokenizer]:
    """Return ``(tokens, tokenizer)`` of a token file; the tokens are memory-mapped.

    Raises
    ------
    FileNotFoundError
        The file, or the .json file beside it, is missing.
    ValueError
        It is no token file.
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


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[Array]:
    """Yield the tokens of each text in the smallest dtype that holds them."""
    for piece in texts:
        yield tokenizer.encode(piece).astype(_token_dtype(tokenizer))


def _token_dtype(tokenizer):
    return np.dtype("uint16" if tokenizer.vocab_size <= 2**16 else "uint32")


def _write_header(file, count, dtype):
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**header, "shape": (count,)})


def _decoded(path):
    """Yield the text of a file in chunks, without a byte-order mark at its start."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            while chunk := file.read(CHUNK):
                yield chunk
        except UnicodeDecodeError as error:
            begin = file.buffer.tell() - len(error.object)
            raise ValueError(
                f"text: {path} is not UTF-8: byte 0x{error.object[error.start]:02x} at position "
                f"{begin + error.start} ({error.reason}); save it as UTF-8, or leave it out"
            ) from None


def _pieces(chunks):
    rest = ""
    for chunk in chunks:
        rest += chunk
        found = BEFORE_SPACE.match(rest)
        if found:
            yield found[0]
            rest = rest[found.end() :]
    if rest:
        yield rest
