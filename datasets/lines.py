"""Lines: those of a user's text file, each checked before a parser sees it."""

import codecs

BLANK = ' \t\r\n",;|'  # all there is in lines that hold nothing


class Lines:
    """The lines of a file that hold something; ``number`` is that of the latest.

    Parameters
    ----------
    path : pathlib.Path
    encoding : str

    Raises
    ------
    ValueError
        No such encoding; a line that is not text in it, or that ends within quotes.
    """

    def __init__(self, path, encoding):
        self.path, self.number, self.named = path, 0, encoding
        self.encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(f"{path}: there is no encoding {encoding!r}; e.g. latin-1") from None

    def __iter__(self):
        with open(self.path, encoding=self.encoding, errors="surrogateescape") as file:
            try:
                for self.number, line in enumerate(file, 1):
                    if not line.isascii() or "\0" in line:
                        self._check_text(line)
                    if '"' in line and line.count('"') % 2:
                        raise ValueError(
                            f"{self.place}: a quote is opened and not closed in {short(line)}; "
                            'write "" for a quote that is meant, and no line breaks inside cells'
                        )
                    if line.strip(BLANK):
                        yield line
            except UnicodeError as error:
                raise ValueError(f"{self.path}: not text in {self.named} ({error})") from error

    @property
    def place(self):
        """File and line, for messages."""
        return f"{self.path}, line {self.number}"

    def _check_text(self, line):
        bad = next((c for c in line if "\udc80" <= c <= "\udcff" or c == "\0"), None)
        if bad is not None:
            raise ValueError(
                f"{self.place}: byte 0x{ord(bad) & 0xFF:02x} is not text in {self.named}; save "
                "the file as UTF-8, or say how it is encoded, e.g. encoding=latin-1 or utf-16"
            )


def short(text, most=40):
    """Return a text, cut off where it is long."""
    text = text.strip()
    return text if len(text) <= most else text[:most] + "..."
