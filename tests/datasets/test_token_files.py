"""Token files: prepared once, memory-mapped, the same batches as from the text itself."""

import tracemalloc

import numpy as np
import pytest

from firstlight.data import tokenizers
from firstlight.datasets import load, prepare_tokens
from firstlight.datasets.text import Blocks

TEXT = "".join(f"line {i}: one, two and {i * i}\n" for i in range(200))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "texts" / name).write_text(TEXT)
    return str(tmp_path / "texts")


@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe"])
def test_the_same_data_as_from_the_text(folder, tmp_path, tokenizer):
    output = tmp_path / "corpus.npy"
    count = prepare_tokens(folder, output, tokenizer=tokenizer, vocab_size=300)
    mapped = load("text", path=str(output), block_size=16, batch_size=4)
    direct = load("text", path=folder, tokenizer=tokenizer, vocab_size=300, block_size=16)
    assert isinstance(mapped.train.tokens, np.memmap)
    assert mapped.train.tokens.dtype == np.uint16
    assert len(mapped.train.tokens) + len(mapped.val.tokens) == count
    assert mapped.tokenizer.same_as(direct.tokenizer)
    for split in ("train", "val"):
        np.testing.assert_array_equal(getattr(mapped, split).tokens, getattr(direct, split).tokens)
    x, y = next(iter(mapped.loader("train")))
    assert (type(x), x.dtype, x.shape) == (np.ndarray, np.int64, (4, 16))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "corpus.json",
        "corpus.npy",
        "texts",
    ]


def test_a_large_file_is_never_read_whole(tmp_path):
    size = 200_000_000  # 400 MB of zeros, of which the disk keeps none
    np.lib.format.open_memmap(tmp_path / "big.npy", "w+", "uint16", (size,)).flush()
    tokenizers.ByteTokenizer().save(tmp_path / "big.json")
    tracemalloc.start()
    splits = load("text", path=str(tmp_path / "big.npy"), block_size=64, batch_size=8)
    x, _ = splits.train.draw(8, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(splits.train) > 2_800_000
    assert x.shape == (8, 64)
    assert peak < 2e6


def test_a_large_vocabulary_takes_four_bytes(tmp_path):
    many = "".join(map(chr, range(0x10000, 0x10000 + 70_000)))
    (tmp_path / "many.txt").write_text(many, encoding="utf-8")
    assert prepare_tokens(str(tmp_path / "many.txt"), tmp_path / "many.npy") == 70_000
    tokens = load("text", path=str(tmp_path / "many.npy")).val.tokens
    assert (tokens.dtype, tokens.max()) == (np.uint32, 69_999)


def test_the_tokenizer_of_a_token_file_is_its_own(folder, tmp_path):
    prepare_tokens(folder, tmp_path / "corpus.npy")
    path, kept = str(tmp_path / "corpus.npy"), str(tmp_path / "corpus.json")
    assert load("text", path=path, tokenizer=kept, block_size=8).tokenizer.name == "char"
    tokenizers.CharTokenizer("abc").save(tmp_path / "other.json")
    for tokenizer in ("byte", str(tmp_path / "other.json")):
        message = (
            r"the tokens in .*corpus.npy were made by CharTokenizer.2. tokens., not by the tok"
        )
        with pytest.raises(ValueError, match=message):
            load("text", path=path, tokenizer=tokenizer)


def test_what_is_no_token_file(folder, tmp_path):
    path = str(tmp_path / "corpus.npy")
    with pytest.raises(FileNotFoundError, match="text: there is no file .*corpus.npy"):
        load("text", path=path)
    for content in (b"", b"words"):
        (tmp_path / "corpus.npy").write_bytes(content)
        with pytest.raises(ValueError, match="corpus.npy is not a token file"):
            load("text", path=path)
    np.save(path, np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"got float64 .3, 4.; make one with .*prepare_tokens"):
        load("text", path=path)
    np.save(path, np.zeros(3, "uint16"))
    with pytest.raises(FileNotFoundError, match="tokenizer: there is no file .*corpus.json"):
        load("text", path=path)
    with pytest.raises(ValueError, match="expected an output that ends in .npy, got corpus.bin"):
        prepare_tokens(folder, "corpus.bin")


def test_a_corpus_that_fails_leaves_nothing_behind(folder, tmp_path):
    (tmp_path / "texts" / "c.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="c.txt is not UTF-8: byte 0xff at position 0"):
        prepare_tokens(folder, tmp_path / "corpus.npy", tokenizer="byte")
    assert [path.name for path in tmp_path.iterdir()] == ["texts"]


def test_blocks_of_a_memory_map_are_arrays_of_their_own(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(20, dtype="uint16"))
    data = Blocks(np.load(tmp_path / "t.npy", mmap_mode="r"), 4)
    x, y = data[np.array([0])]
    assert (type(x), type(y)) == (np.ndarray, np.ndarray)
