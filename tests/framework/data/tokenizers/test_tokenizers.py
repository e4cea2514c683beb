"""char, byte, bpe, gpt2: round trips of odd text, files, and what cannot be written or read."""

import json
import sys
import tracemalloc
import types

import numpy as np
import pytest

from firstlight.data import tokenizers
from firstlight.data.tokenizers import BPETokenizer, ByteTokenizer, CharTokenizer

ODD = [
    "",
    " ",
    "\n\n  \t\r\n x \u00a0\u2003y",
    "\0\x01\x1c\x7f\ufeff",
    "naïve façade — “quotes” … ½ ² Ⅷ ٣",
    "e\u0301 \u1e9b\u0323 q\u0307\u0323",  # combining marks
    "שלום مرحبا \u202eevil\u202c",
    "日本語のテキスト、中文。한국어",
    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 𝔘𝔫𝔦 \U0010ffff",
    "don't we'll I'VE 'tis it's''s",
    "_snake_case__ a_1 1_000.5e-3 x²+y²",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 3,
]
POOL = "".join(ODD) + "the quick brown fox 0123456789"


def random_texts(count, longest=60):
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield "".join(rng.choice(list(POOL), rng.integers(longest)))


@pytest.fixture(scope="module", params=["char", "byte", "bpe", "bpe of other text"])
def tokenizer(request):
    if request.param == "bpe of other text":
        return tokenizers.make(
            "bpe", ["low lower lowest, new newer newest; wide wider widest"], 300
        )
    return tokenizers.make(request.param, [*ODD, POOL], 400)


def test_what_was_encoded_is_decoded(tokenizer):
    for text in [*ODD, *random_texts(40)]:
        tokens = tokenizer.encode(text)
        assert (tokens.dtype, tokens.ndim) == (np.int64, 1)
        assert tokenizer.decode(tokens) == tokenizer.decode(tokens.tolist()) == text
    if text:
        assert 0 <= tokens.min() <= tokens.max() < tokenizer.vocab_size


def test_a_tokenizer_survives_its_file(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "t.json")
    for again in (tokenizers.load(tmp_path / "t.json"), tokenizers.make(f"{tmp_path}/t.json", [])):
        assert again.same_as(tokenizer)
        assert again.vocab_size == tokenizer.vocab_size
        np.testing.assert_array_equal(again.encode(POOL), tokenizer.encode(POOL))
    other = CharTokenizer("abc")
    assert not other.same_as(tokenizer)


def test_tokens_that_do_not_exist(tokenizer):
    size, name = tokenizer.vocab_size, type(tokenizer).__name__
    for wrong in (size, -1):
        message = f"{name}.decode: expected tokens from 0 to {size - 1}, got {wrong}; were they"
        with pytest.raises(ValueError, match=message):
            tokenizer.decode([0, wrong])
    with pytest.raises(TypeError, match=r"expected integers of shape .T,., got float64 .1,."):
        tokenizer.decode([0.5])
    with pytest.raises(TypeError, match="decode one row at a time"):
        tokenizer.decode(np.zeros((2, 2), int))


def test_char_numbers_the_characters_in_order():
    tokenizer = CharTokenizer.train(["hello", "abc"])
    assert tokenizer.characters == "abcehlo"
    assert tokenizer.encode("ola").tolist() == [6, 5, 0]


@pytest.mark.parametrize(("text", "where"), [("abz", 2), ("\0b", 0), ("a\U0010ffffb", 1)])
def test_an_unknown_character_is_named(text, where):
    message = rf"CharTokenizer: .* \(U\+{ord(text[where]):04X}\) at position {where} is none of the"
    with pytest.raises(ValueError, match=message):
        CharTokenizer("abc").encode(text)
    with pytest.raises(ValueError, match="expected one or more characters"):
        CharTokenizer("")


@pytest.mark.parametrize("kind", [ByteTokenizer, lambda: BPETokenizer([])])
def test_half_a_surrogate_pair(kind):
    with pytest.raises(
        ValueError, match=r"Tokenizer: half a surrogate pair, '.udc80', at posi.* 2"
    ):
        kind().encode("ab\udc80")
    assert CharTokenizer("a\udc80").decode(CharTokenizer("a\udc80").encode("\udc80a")) == "\udc80a"


def test_bytes_that_are_no_text_are_shown_as_such():
    for tokenizer in (ByteTokenizer(), BPETokenizer([])):
        assert tokenizer.decode([97, 195, 97]) == "a\ufffda"


# --- byte-pair encoding ---------------------------------------------------------------------------


def test_merges_by_hand():
    """The corpus of Sennrich et al.: es and est first, 9 times each, then those of " low"."""
    text = " low" * 5 + " lower" * 2 + " newest" * 6 + " widest" * 3
    tokenizer = BPETokenizer.train([text], 256 + 5)
    assert [tokenizer.decode([token]) for token in (256, 257, 260)] == ["es", "est", " low"]
    assert tokenizer.encode(" lowest").tolist() == [260, 257]
    assert tokenizer.encode("es west").tolist() == [256, 32, ord("w"), 257]


def test_counting_only_what_changed_gives_the_same_merges():
    """Each merge was of the most frequent pair, counted as it is told: all pairs, each time."""
    texts = list(random_texts(60))
    tokenizer = BPETokenizer.train(texts, 256 + 60)
    words = [list(word.encode()) for text in texts for word in tokenizers.bpe.WORDS.findall(text)]
    assert len(tokenizer.merges) == 60
    for pair, new in tokenizer.merges.items():
        pairs = {}
        for word in words:
            for neighbours in zip(word, word[1:], strict=False):
                pairs[neighbours] = pairs.get(neighbours, 0) + 1
        assert pairs[pair] == max(pairs.values())
        words = [tokenizers.bpe._merged(word, pair, new) for word in words]


def test_training_is_the_same_each_time_and_ends_when_no_pair_comes_twice():
    text = "a bcd bcd"
    tokenizer = BPETokenizer.train([text], 1000)
    assert tokenizer.vocab_size == 256 + 3  # " b", " bc", " bcd" in one order or another
    assert tokenizer.same_as(BPETokenizer.train([text], 1000))
    assert len(tokenizer.encode(text)) == 3


def test_words_lose_nothing():
    for text in (*ODD, *random_texts(40)):
        assert "".join(tokenizers.bpe.WORDS.findall(text)) == text


def test_bad_merges_and_sizes():
    with pytest.raises(
        ValueError, match="expected vocab_size above 256, as each byte is a token, got 256"
    ):
        tokenizers.make("bpe", ["text"], 256)
    with pytest.raises(
        ValueError, match=r"merge 1 joins \(1, 258\), but there are only tokens 0 to"
    ):
        BPETokenizer([(1, 255), (1, 258)])


def test_tiktoken_cuts_text_the_same_way():
    tiktoken = pytest.importorskip("tiktoken")
    mine = BPETokenizer.train(
        ["it's the theory of the thing; we'll see 12 of 1234 things\n\n  "], 290
    )
    ranks = {token: rank for rank, token in enumerate(mine._bytes)}
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    oracle = tiktoken.Encoding("t", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    for text in (
        "the thing's 12 theories,  we'll\n\n\n see_ 1234",
        "שלום naïve 日本 👍🏽 \t x",
        *ODD[:3],
    ):
        assert mine.encode(text).tolist() == oracle.encode_ordinary(text)


# --- by name, from files --------------------------------------------------------------------------


def test_unknown_names():
    with pytest.raises(
        ValueError, match="expected char, byte, bpe, gpt2 or the .* 'bype'; did you"
    ):
        tokenizers.make("bype", ["text"])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"kind": "word"}', '{"kind": "char"}', '{"kind": "bpe", "merges": 3}'],
)
def test_files_that_hold_no_tokenizer(tmp_path, content):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match="t.json: not a tokenizer: .*; expected a file that"):
        tokenizers.load(tmp_path / "t.json")
    with pytest.raises(FileNotFoundError, match="tokenizer: there is no file .*nowhere.json"):
        tokenizers.make(str(tmp_path / "nowhere.json"), [])


def test_merges_that_double_a_token_again_and_again_are_refused(tmp_path):
    merges = [[97, 97], *([256 + i, 256 + i] for i in range(40))]  # 577 bytes; 2 TB of a's
    (tmp_path / "t.json").write_text(json.dumps({"kind": "bpe", "merges": merges}))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"t.json: not a tokenizer: .* a token of 131,072 bytes"):
        tokenizers.load(tmp_path / "t.json")
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()
    wide = [[97 + i % 2, 97 + i // 2 % 2] for i in range(4)]
    wide += [[left, right] for left in range(256, 260) for right in range(256, 260)]
    BPETokenizer(wide)
    (tmp_path / "t.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested deeper than 50 levels"):
        tokenizers.load(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "char", "characters": "ba"}, "it is damaged: it differs from the tokenizer"),
        ({"kind": "char", "characters": ["ab", "c"]}, "expected characters in one text"),
        ({"kind": "bpe", "merges": [[1, 2], [1, 2]]}, "merge 1, (1, 2), occurs twice"),
        ({"kind": "bpe", "merges": [[1.0, 2]]}, "merge 0 is not a pair of whole numbers"),
        ({"kind": "bpe", "merges": [[True, 2]]}, "merge 0 is not a pair of whole numbers"),
    ],
)
def test_files_that_would_be_another_tokenizer(tmp_path, content, message):
    (tmp_path / "t.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="t.json: not a tokenizer: ") as caught:
        tokenizers.load(tmp_path / "t.json")
    assert message in str(caught.value)


def test_training_makes_no_token_that_could_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("firstlight.data.tokenizers.bpe.LONGEST", 8)
    tokenizer = BPETokenizer.train(["x" * 64, " " * 64], 400)
    assert max(map(len, tokenizer._bytes)) == 8
    tokenizer.save(tmp_path / "t.json")
    assert tokenizers.load(tmp_path / "t.json").same_as(tokenizer)


def test_a_file_can_be_read_by_people(tmp_path):
    CharTokenizer("añb").save(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text()) == {"kind": "char", "characters": "abñ"}


def test_gpt2_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(ImportError, match=r"pip install 'firstlight\[gpt2\]'; or train a vocab"):
        tokenizers.make("gpt2", [])


def test_gpt2_offline(monkeypatch):
    def get_encoding(name):
        raise ConnectionError("no route to host")

    monkeypatch.setitem(sys.modules, "tiktoken", types.SimpleNamespace(get_encoding=get_encoding))
    with pytest.raises(OSError, match="cannot download GPT-2's vocabulary; set TIKTOKEN_CACHE_DIR"):
        tokenizers.make("gpt2", [])
