"""text: files and folders, blocks, the split, tokenizers; what cannot be a corpus."""

import codecs

import numpy as np
import pytest

import firstlight as fl
from firstlight.datasets import corpus, load, text
from firstlight.datasets.corpus import Corpus
from firstlight.datasets.text import IGNORE, Blocks

WORDS = "Tell me, Muse, of the man of many ways; ναῦς ☃ 12\n"


@pytest.fixture
def file(tmp_path):
    (tmp_path / "odyssey.txt").write_text(WORDS * 20, encoding="utf-8")
    return str(tmp_path / "odyssey.txt")


def test_batches_of_a_file(file):
    splits = load("text", path=file, block_size=8, batch_size=5)
    assert (splits.name, splits.input_shape, splits.classes) == ("odyssey", (8,), None)
    assert repr(splits).endswith("x (8,), 26 tokens)")
    tokens = np.concatenate([splits.train.tokens, splits.val.tokens])
    assert splits.tokenizer.decode(tokens) == WORDS * 20
    assert len(splits.train.tokens) == int(len(tokens) * 0.9)
    whole = splits.tokenizer.decode(splits.train.tokens)
    batches = list(splits.loader("train"))
    assert len(batches) == len(splits.train) // 5  # none that is not full
    for x, y in batches:
        assert (x.dtype, y.dtype, x.shape, y.shape) == (np.int64, np.int64, (5, 8), (5, 8))
        for row, following in zip(x, y, strict=True):
            assert splits.tokenizer.decode([*row, following[-1]]) in whole
            np.testing.assert_array_equal(row[1:], following[:-1])


def test_training_draws_new_places_each_time_and_goes_on_where_it_stood(file):
    def loader(seed=3):
        fl.seed_everything(seed)
        return load("text", path=file, block_size=4, batch_size=7).loader("train")

    first = loader()
    epochs = [[x.tolist() for x, _ in first] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert [[x.tolist() for x, _ in again] for again in [loader()] * 2] == epochs
    assert [x.tolist() for x, _ in loader(seed=4)] != epochs[0]
    broken = loader()
    for _ in zip(broken, range(3), strict=False):
        place = broken.state_dict()
    resumed = loader(seed=9)
    resumed.load_state_dict(place)
    assert [x.tolist() for x, _ in resumed] == epochs[0][3:]


def test_all_places_are_drawn():
    data = Blocks(np.arange(12), 4)
    x, y = data.draw(4000, np.random.default_rng(0))
    counts = np.bincount(x[:, 0], minlength=8)
    assert len(counts) == 8
    assert counts.min() > 400
    assert y.max() == 11


@pytest.mark.parametrize("n", range(6, 18))
@pytest.mark.parametrize("block_size", [1, 2, 5])
def test_blocks_side_by_side_predict_each_token_once(n, block_size):
    tokens = np.random.default_rng(n).integers(0, 9, n).astype("uint16")
    data = Blocks(tokens, block_size)
    x, y = data[np.arange(len(data))]
    counted = y != IGNORE
    np.testing.assert_array_equal(y[counted], tokens[1:])
    np.testing.assert_array_equal(x[counted], tokens[:-1])
    assert counted[:-1].all()  # only the last block is filled up
    assert counted[-1].any()
    assert 0 <= x.min() <= x.max() < 9
    assert data.weight((x, y)) == n - 1
    u, v = data[np.array([len(data) - 1, 0])]
    np.testing.assert_array_equal(u, x[[-1, 0]])
    np.testing.assert_array_equal(v, y[[-1, 0]])


class Bigram(fl.Module):
    """Scores of the next token from a table: the smallest language model."""

    def __init__(self, vocab_size):
        self.table = fl.nn.Embedding(vocab_size, vocab_size)
        self.loss = fl.nn.CrossEntropyLoss()

    def forward(self, x):
        return self.table(x)

    def backward(self, dy):
        return self.table.backward(dy)

    def configure_optimizer(self):
        return fl.optim.SGD(self.parameters(), lr=1.0)


def test_the_validation_loss_is_the_mean_over_all_tokens(file, quiet):
    splits = load("text", path=file, block_size=8, batch_size=5)
    assert len(splits.val) % 5  # the last batch is smaller, and its last block not full
    assert (len(splits.val.tokens) - 1) % 8
    model = Bigram(splits.tokenizer.vocab_size)
    tokens = splits.val.tokens.astype("int64")
    expected = float(model.eval().loss(model(tokens[:-1]), tokens[1:]))
    found = fl.Trainer(**quiet).validate(model, splits)["val_loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_model_learns_text_and_its_run_keeps_the_tokenizer(file):
    splits = load("text", path=file, block_size=8, batch_size=4)
    trainer = fl.Trainer(max_epochs=3, default_callbacks=False)
    history = trainer.fit(Bigram(26), splits)
    assert history["val_loss"][-1] < 0.9 * history["val_loss"][0]
    kept = fl.tokenizers.load(trainer.run.path / "tokenizer.json")
    assert kept.same_as(splits.tokenizer)


def test_a_training_on_text_resumes_to_the_same_bytes(file):
    splits = load("text", path=file, block_size=8, batch_size=4)
    fl.testing.check_resume(lambda: Bigram(26), splits)


def test_a_training_does_not_go_on_with_other_tokens(file, tmp_path):
    def fit(steps, resume=None, **arguments):
        splits = load("text", path=file, block_size=8, **arguments)
        trainer = fl.Trainer(
            max_steps=steps, default_callbacks=False, callbacks=["model_checkpoint"]
        )
        trainer.fit(Bigram(26), splits, resume=resume)
        return trainer

    run = fit(2).run
    (tmp_path / "odyssey.txt").write_text((WORDS * 20).replace("w", "W"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"resume: the data's CharTokenizer.26 tokens. is not the"):
        fit(4, resume="last")
    (tmp_path / "odyssey.txt").write_text(WORDS * 20 + "man", encoding="utf-8")
    assert fit(4, resume="last", tokenizer=str(run.path / "tokenizer.json")).step == 4


@pytest.mark.parametrize(
    ("tokenizer", "size"), [(None, 26), ("char", 26), ("byte", 256), ("bpe", 260)]
)
def test_tokenizers(file, tokenizer, size):
    splits = load("text", path=file, tokenizer=tokenizer, vocab_size=260, block_size=8)
    assert splits.tokenizer.vocab_size == size
    assert splits.tokenizer.decode(splits.train.tokens).startswith(WORDS)
    assert splits.train.tokens.dtype == np.uint16


def test_a_tokenizer_from_a_file(file, tmp_path):
    load("text", path=file, block_size=8).tokenizer.save(tmp_path / "t.json")
    (tmp_path / "other.txt").write_text("many men " * 9)
    splits = load(tmp_path / "other.txt", tokenizer=f"{tmp_path}/t.json", block_size=8)
    assert splits.tokenizer.vocab_size == 26
    (tmp_path / "other.txt").write_text("Zeus " * 20)
    with pytest.raises(ValueError, match=r"'Z' \(U\+005A\) at position 0 is none of the 26 char"):
        load("text", path=str(tmp_path / "other.txt"), tokenizer=f"{tmp_path}/t.json")


def test_without_validation(file):
    assert load("text", path=file, block_size=8, val_fraction=0).val is None
    with pytest.raises(ValueError, match="odyssey: expected val_fraction from 0 to below 1, got 1"):
        load("text", path=file, val_fraction=1.0)


# --- corpora --------------------------------------------------------------------------------------


def test_a_folder_in_the_order_of_its_paths(tmp_path):
    for name, words in (("b.txt", "two"), ("a/z.txt", "one"), ("c.md", "no"), ("d.txt", "three")):
        (tmp_path / "texts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / name).write_text(words)
    read = Corpus(str(tmp_path / "texts"))
    assert "".join(read) == "".join(read) == "one\ntwo\nthree"
    assert "".join(Corpus(str(tmp_path / "texts"), ".md")) == "no"
    with pytest.raises(FileNotFoundError, match=r"no .py files in folder .*; there are .md, .txt"):
        load("text", path=str(tmp_path / "texts"), suffix=".py")


def test_the_standard_library_is_text():
    modules = Corpus("stdlib")
    assert {"argparse.py", "json/decoder.py"} <= {
        str(file.relative_to(modules.files[0].parent)) for file in modules.files
    }
    assert not any("site-packages" in file.parts for file in modules.files)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_pieces_join_to_the_text_and_part_no_token(monkeypatch, tmp_path, size):
    monkeypatch.setattr(corpus, "CHUNK", size)
    whole = WORDS * 3 + "\n\n  \n end  "
    (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF8 + whole.encode())
    pieces = list(Corpus(str(tmp_path / "a.txt")))
    assert "".join(pieces) == whole
    assert len(pieces) > 3
    bpe = fl.tokenizers.make("bpe", [whole], 300)
    joined = np.concatenate([bpe.encode(piece) for piece in pieces])
    np.testing.assert_array_equal(joined, bpe.encode(whole))


@pytest.mark.parametrize("size", [1, 4, 2**22])
@pytest.mark.parametrize(("head", "place"), [(b"", 5), (codecs.BOM_UTF8, 8)])
def test_a_byte_that_is_no_text_is_named(monkeypatch, tmp_path, size, head, place):
    monkeypatch.setattr(corpus, "CHUNK", size)
    (tmp_path / "a.txt").write_bytes(head + "ab é".encode() + b"\xe9\xe9" * 9)
    message = rf"text: .*a.txt is not UTF-8: byte 0xe9 at position {place} \(invalid continuation"
    with pytest.raises(ValueError, match=message):
        load("text", path=str(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_bytes(head + b"abcd " + "é".encode()[:1])
    with pytest.raises(ValueError, match=rf"byte 0xc3 at position {place} \(unexpected end"):
        load("text", path=str(tmp_path / "a.txt"))


def test_what_is_no_corpus(tmp_path, file):
    with pytest.raises(FileNotFoundError, match="text: there is no file or folder nowhere"):
        load("text", path="nowhere")
    (tmp_path / "empty.txt").write_bytes(codecs.BOM_UTF8)
    for name in ("char", "byte", "bpe"):
        with pytest.raises(ValueError, match="text: .*empty.txt is empty; expected some text"):
            load("text", path=str(tmp_path / "empty.txt"), tokenizer=name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match="no .txt files in folder .*; there are no files"):
        load("text", path=str(tmp_path / "folder"))
    with pytest.raises(
        ValueError, match=r"odyssey .train.: expected more than 5000 tokens, one bl"
    ):
        load("text", path=file, block_size=5000)
    with pytest.raises(ValueError, match=r"odyssey .val.: expected more than 200 tokens.*got 1"):
        load("text", path=file, block_size=200)
    with pytest.raises(
        ValueError, match=r"odyssey .train.: expected block_size of 1 or m.*, got 0"
    ):
        load("text", path=file, block_size=0)
    with pytest.raises(ValueError, match="tokenizer: expected char, .* got 'chars'; did you mean"):
        load("text", path=file, tokenizer="chars")


def test_arguments_are_those_of_tiny_shakespeare():
    import inspect

    mine = inspect.signature(text).parameters
    other = inspect.signature(fl.datasets.tiny_shakespeare).parameters
    for name in mine.keys() & other.keys():
        assert mine[name] == other[name]
    assert other.keys() - mine.keys() == {"data_dir"}
