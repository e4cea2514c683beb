"""tiny_shakespeare: 40,000 lines of Shakespeare, the "hello world" of language models."""

import os
from pathlib import Path

from firstlight.data.splits import DataSplits
from firstlight.datasets.text import text

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
PLACE = Path("tinyshakespeare", "input.txt")


def tiny_shakespeare(
    *,
    data_dir: str | None = None,
    tokenizer: str | None = None,
    vocab_size: int = 512,
    block_size: int = 256,
    val_fraction: float = 0.1,
    batch_size: int | None = None,
) -> DataSplits:
    """Load Tiny Shakespeare: 1,115,394 characters of plays, 65 different ones.

    The text is in a local folder, or is downloaded once to the user's cache folder. Batches and
    splits are those of `text`.

    Parameters
    ----------
    data_dir : str, optional
        Folder with input.txt, or with a folder "tinyshakespeare" that has it. By default the
        environment variable FIRSTLIGHT_DATA; if it has none it is downloaded.
    tokenizer : str, optional
        char (the default), byte, bpe, gpt2, or a .json file with one; see `text`.
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
    FileNotFoundError, OSError
        The file is missing, or cannot be downloaded; the message says where to put it.
    ValueError
        The downloaded file has a wrong checksum.

    References
    ----------
    A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015, whose
    repository char-rnn has the text.
    """
    splits = text(
        str(_local(data_dir) or _downloaded()),
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        block_size=block_size,
        val_fraction=val_fraction,
        batch_size=batch_size,
    )
    splits.name = "tiny_shakespeare"
    return splits


def _local(data_dir):
    folder = data_dir or os.environ.get("FIRSTLIGHT_DATA")
    if not folder:
        return None
    folder = Path(folder).expanduser()
    for path in (folder / PLACE, folder / PLACE.name):
        if path.is_file() and (data_dir or path.parent != folder):
            return path
    if data_dir:
        raise FileNotFoundError(
            f"tiny_shakespeare: there is neither {PLACE} nor {PLACE.name} in {data_dir}; without "
            "data_dir it is downloaded"
        )
    return None


def _downloaded():
    import pooch

    try:
        return pooch.retrieve(
            URL,
            known_hash=f"sha256:{SHA256}",
            fname=PLACE.name,
            path=Path(pooch.os_cache("firstlight")) / PLACE.parent,
            downloader=pooch.HTTPDownloader(timeout=30),
        )
    except OSError as error:
        raise OSError(
            f"tiny_shakespeare: {URL} could not be downloaded; put it at {Path('...') / PLACE} and "
            f"set FIRSTLIGHT_DATA=... (or data_dir)\n{error}"
        ) from error
