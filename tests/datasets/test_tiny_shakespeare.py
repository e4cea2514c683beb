"""tiny_shakespeare: from a folder, downloaded, and the real one."""

import hashlib
import os
from pathlib import Path

import pytest

from firstlight.datasets import load, tiny_shakespeare

VERSE = "Speak, speak.\n" * 30


FILES = tiny_shakespeare.files
PLACE = Path(FILES.folder, "input.txt")


@pytest.mark.parametrize("inside", [True, False])
def test_a_local_folder_is_read(tmp_path, inside):
    path = tmp_path / (PLACE if inside else PLACE.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(VERSE)
    splits = load("tiny_shakespeare", data_dir=str(tmp_path), block_size=8, batch_size=2)
    assert (splits.name, splits.batch_size, splits.input_shape) == ("tiny_shakespeare", 2, (8,))
    assert splits.tokenizer.decode(splits.train.tokens) == VERSE[: int(len(VERSE) * 0.9)]


def test_the_environment_names_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_DATA", str(tmp_path))
    (tmp_path / PLACE).parent.mkdir()
    (tmp_path / PLACE).write_text(VERSE)
    assert load("tiny_shakespeare", block_size=8).tokenizer.vocab_size == len(set(VERSE))
    (tmp_path / PLACE).rename(tmp_path / PLACE.name)  # anybody's input.txt
    monkeypatch.setattr(FILES, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(OSError, match="tiny_shakespeare: input.txt could not be downloaded"):
        load("tiny_shakespeare", block_size=8)
    with pytest.raises(FileNotFoundError, match="tinyshakespeare lacks input.txt, which"):
        load("tiny_shakespeare", data_dir=str(tmp_path / "tinyshakespeare"))


def test_a_download_is_checked_and_kept(monkeypatch, serve):
    server = serve({"input.txt": VERSE.encode()})
    monkeypatch.setattr(FILES, "mirrors", [server.url])
    with pytest.raises(OSError, match="input.txt: it has another content of 420 bytes"):
        load("tiny_shakespeare", block_size=8)
    digest = hashlib.sha256(VERSE.encode()).hexdigest()
    monkeypatch.setattr(FILES, "sha256", {"input.txt": digest})
    first = tiny_shakespeare(block_size=8)
    server.files.clear()
    assert len(tiny_shakespeare(block_size=8).train) == len(first.train)
    assert server.asked == ["input.txt"] * 2


@pytest.fixture
def real_data():
    folder = os.environ.get("FIRSTLIGHT_DATA")
    if not folder or not (Path(folder) / PLACE).is_file():
        pytest.skip(f"set FIRSTLIGHT_DATA to a folder with {PLACE} to read the real text")
    return Path(folder) / PLACE


def test_the_real_one(real_data):
    assert hashlib.sha256(real_data.read_bytes()).hexdigest() == FILES.sha256["input.txt"]
    splits = load("tiny_shakespeare")
    assert [len(part.tokens) for part in (splits.train, splits.val)] == [1003854, 111540]
    assert splits.tokenizer.vocab_size == 65
    assert (len(splits.train), len(splits.val), splits.batch_size) == (3922, 436, 32)
