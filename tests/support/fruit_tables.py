"""Tables that networks tell apart, and what commands say of them; used by tests of the CLI."""

import csv
import io

import numpy as np


def table(path, rows=150, seed=0, names=("apple", "pear", "plum")):
    """Write a table whose classes a network tells apart."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, len(names), rows)
    x = rng.normal(size=(rows, 2)) * [1, 100] + np.stack([6.0 * kinds, 1000.0 - 600 * kinds], 1)
    lines = [f"{a},{b},{names[k]}" for (a, b), k in zip(x.tolist(), kinds, strict=True)]
    path.write_text("width,height,kind\n" + "\n".join(lines) + "\n")
    return path


def predicted(out):
    """Return the rows that ``firstlight predict`` printed."""
    return list(csv.DictReader(io.StringIO(out)))


def accuracy(out):
    """Return the accuracy that ``firstlight test`` printed."""
    return float(out.partition("test accuracy")[2].split()[0])
