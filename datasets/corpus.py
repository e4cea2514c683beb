"""Corpus: the text of a file or a folder of files, piece by piece."""

import codecs
import re
import sysconfig
from pathlib import Path

CHUNK = 2**22  # bytes read at a time
BEFORE_SPACE = re.compile(r".*\S(?=\s)", re.DOTALL)  # up to the last end of a word
NOT_OURS = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}


class Corpus:
    """Iterate over the text of files in pieces; again and again, and never all at once.

    A piece ends where white space follows a word, so that no tokenizer would join what the cut
    has parted. Files follow one another in the order of their paths, with a line break between.

    Parameters
    ----------
    path : str
        A file; a folder, whose files of the given suffix are read, those in folders below too;
        or "stdlib", the running Python's own modules: 12 MB of text that is always there.
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

    def __init__(self, path, suffix=".txt"):
        self.path = path
        if path == "stdlib":
            folder, suffix = Path(sysconfig.get_paths()["stdlib"]), ".py"
        else:
            folder = Path(path).expanduser()
        if folder.is_file():
            self.files = [folder]
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

    def __iter__(self):
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

    def __repr__(self):
        return f"Corpus({self.path}: {len(self.files)} files)"


def _decoded(path):
    """Yield a file's text, a chunk at a time; a byte-order mark at its start is left out."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(path, "rb") as file:
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(0)
        more = True
        while more:
            begin = file.tell() - len(decoder.getstate()[0])  # bytes of half a character wait
            chunk = file.read(CHUNK)
            more = bool(chunk)
            try:
                yield decoder.decode(chunk, final=not more)
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"text: {path} is not UTF-8: byte 0x{error.object[error.start]:02x} at "
                    f"position {begin + error.start} ({error.reason}); save it as UTF-8, or leave "
                    "it out"
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
