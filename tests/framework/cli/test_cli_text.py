"""Text on the command line: shown, trained on, and read again with the run's own tokenizer."""

import json

import pytest

from firstlight.run import latest_run

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
        "fit", "--model", "bigram:Bigram", "--data", "hamlet.txt", "--data.block_size", 16,
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
    assert "hamlet is text; what the model writes shows firstlight gen" in refused("predict")


def test_a_model_for_other_data(refused, written):
    words = ("--data", "hamlet.txt", "--data.block_size", 16)
    assert "missing 2 required" in refused("fit", "--model", "mlp", *words)
