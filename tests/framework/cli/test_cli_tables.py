"""Runs on a user's own table, from fit to predict."""

import csv
import io

import numpy as np
import pytest


def table(path, rows=150, seed=0, names=("apple", "pear", "plum")):
    """Write a table whose classes a network tells apart."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, len(names), rows)
    x = rng.normal(size=(rows, 2)) * [1, 100] + np.stack([6.0 * kinds, 1000.0 - 600 * kinds], 1)
    lines = [f"{a},{b},{names[k]}" for (a, b), k in zip(x.tolist(), kinds, strict=True)]
    path.write_text("width,height,kind\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def fruit(cli, tmp_path):
    """A run on 150 rows, all defaults but the epochs; returns the table."""
    path = table(tmp_path / "fruit.csv")
    words = ("--model.lr", 0.01, "--trainer.max_epochs", 10)
    code, out, err = cli("fit", "--data", path, *words)
    assert (code, err) == (0, "")
    return path


def predicted(out):
    return list(csv.DictReader(io.StringIO(out)))


def test_splits_smaller_than_a_batch(cli, fruit):
    for split, samples in (("test", 15), ("val", 15), ("train", 120)):
        code, out, err = cli("predict", "--split", split)
        assert (code, err) == (0, "")
        assert len(predicted(out)) == samples
    for command in ("look", "test", "validate"):
        code, _, err = cli(command)
        assert (code, err) == (0, "")
