"""tiny_shakespeare: 40,000 lines of Shakespeare, the "hello world" of language models."""

from firstlight.data.remote_files import RemoteFiles, downloadable
from firstlight.data.splits import DataSplits
from firstlight.datasets.text import text

FILES = RemoteFiles(
    "tiny_shakespeare",
    mirrors=["https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"],
    sha256={"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    folder="tinyshakespeare",
)


@downloadable(FILES)
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

    References
    ----------
    A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015, whose
    repository char-rnn has the text.
    """
    splits = text(
        str(FILES.find(data_dir)["input.txt"]),
        tokenizer=tokenizer,
        vocab_size=vocab_size,
        block_size=block_size,
        val_fraction=val_fraction,
        batch_size=batch_size,
    )
    splits.name = "tiny_shakespeare"
    return splits
