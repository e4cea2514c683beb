"""Text on the command line: shown, trained on, and read again with the run's own tokenizer."""

import json

import pytest

from firstlight.runs.find import latest_run

TEXT = "to be, or not to be: that is the question\n" * 60
BIGRAM = '''
import firstlight as fl
import numpy as np
from firstlight import nn, optim


class Bigram(fl.Module):
    """Scores of the next token, from a table."""

    def __init__(self, vocab_size, block_size):
        self.table, self.block_size = nn.Embedding(vocab_size, vocab_size), block_size
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.table(x)

    def backward(self, dy):
        return self.table.backward(dy)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=0.3)


class Writer(Bigram):
    def generate(self, tokens, max_new_tokens, *, temperature, top_k, top_p, seed):
        rng = np.random.default_rng(seed)
        print(max_new_tokens, temperature, top_k, top_p, seed)
        for _ in range(max_new_tokens):
            scores = self(tokens)[:, -1] / temperature
            scores = scores + rng.gumbel(size=scores.shape)
            tokens = np.hstack([tokens, scores.argmax(axis=1)[:, np.newaxis]])
        return tokens
'''


@pytest.fixture
def written(tmp_path):
    """A text, and a model of one's own, in the present folder."""
    (tmp_path / "hamlet.txt").write_text(TEXT)
    (tmp_path / "bigram.py").write_text(BIGRAM)


@pytest.fixture
def run(cli, written, tmp_path):
    """The folder of a run on text."""
    code, _, err = cli(
        "fit", "--model", "bigram:Writer", "--data", "hamlet.txt", "--data.block_size", 16,
        "--trainer.max_epochs", 3,
    )  # fmt: skip
    assert (code, err) == (0, "")
    return latest_run(tmp_path / "runs").resolve()


def test_text_is_shown(cli, written):
    code, out, err = cli("data", "show", "text", "--path", "hamlet.txt", "--block_size", 16)
    assert (code, err) == (0, "")
    assert out.startswith("hamlet: input shape (16,), batches of 32\n")
    assert "the text begins with 'to be, or not to'" in out
    assert "tokenizer: CharTokenizer(16 tokens)" in out


def test_a_model_gets_its_sizes_from_text(run):
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["path"] == "hamlet.txt"
    assert (config["facts"]["vocab_size"], config["facts"]["block_size"]) == (16, 16)


def test_a_run_reads_other_text_with_its_own_tokenizer(cli, run, tmp_path):
    code, out, _ = cli("validate")
    assert (code, "val loss" in out) == (0, True)
    (tmp_path / "other.txt").write_text("the question is not that question " * 30)
    code, out, _ = cli("validate", "--data", "other.txt", "--data.block_size", 16)
    assert (code, "other validation data" in out) == (0, True)
    (tmp_path / "other.txt").write_text("Zounds! " * 30)
    code, _, err = cli("validate", "--data", "other.txt", "--data.block_size", 16)
    assert code == 1
    assert "'Z' (U+005A) at position 0 is none of the 16 characters" in err


def test_predictions_of_text_are_not_written(refused, run):
    assert "hamlet is text; use firstlight generate" in refused("predict")


def test_a_model_for_other_data(refused, written):
    words = ("--data", "hamlet.txt", "--data.block_size", 16)
    assert "missing 2 required" in refused("fit", "--model", "mlp", *words)


# --- generate -------------------------------------------------------------------------------------


def test_a_run_goes_on_with_a_prompt(cli, run, tmp_path):
    (tmp_path / "hamlet.txt").unlink()  # the run has all it takes
    code, out, err = cli("generate", "--prompt", "to be", "--max-new-tokens", 50)
    assert (code, err) == (0, "")
    settings, _, text = out.partition("\n")
    assert settings == "50 0.8 None None 0"
    assert text.startswith("to be")
    assert len(text) == 5 + 50 + 1
    words = ("--max_new_tokens", 50, "--temperature", 0.5, "--top_k", 3, "--top_p", 0.9)
    code, out, _ = cli("generate", run, *words, "--seed", 2, "--checkpoint", "last")
    assert (code, out.partition("\n")[0]) == (0, "50 0.5 3 0.9 2")
    assert out.partition("\n")[2].startswith("\n")
    assert cli("generate", run, *words, "--seed", 2)[1] == out
    assert cli("generate", run, *words, "--seed", 3)[1].partition("\n")[2] != out.partition("\n")[2]


def test_generate_refuses(cli, refused, run):
    message = refused("generate", "--prompt", "TO BE")
    assert "CharTokenizer: 'T' (U+0054) at position 0 is none of the 16 characters" in message
    assert "--max_new_tokens: expected 1 or more, got 0" in refused(
        "generate", "--max_new_tokens=0"
    )
    assert "invalid float value: 'hot'" in refused("generate", "--temperature", "hot")
    assert "unknown argument --top_q; did you mean --top_p?" in refused("generate", "--top_q", 3)
    assert "no run nowhere in runs" in refused("generate", "nowhere")
    (run / "tokenizer.json").unlink()
    assert "is not of text: it has no tokenizer.json" in refused("generate")


def test_a_model_that_writes_nothing(cli, refused, written):
    words = ("--data", "hamlet.txt", "--data.block_size", 16, "--trainer.max_epochs", 1)
    assert cli("fit", "--model", "bigram:Bigram", *words)[0] == 0
    assert "Bigram cannot write text: it has no method generate(tokens" in refused("generate")


def test_samples_while_training(cli, written):
    words = ("--data", "hamlet.txt", "--data.block_size", 16, "--trainer.max_steps", 4)
    flags = ("--callback", "text_samples", "--text_samples.every_n_steps", 2)
    code, out, err = cli("fit", "--model", "bigram:Writer", *words, *flags)
    assert (code, err) == (0, "")
    assert ("--- step 2\n" in out, "--- step 4\n" in out) == (True, True)
