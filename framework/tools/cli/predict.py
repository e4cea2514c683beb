"""``firstlight predict``: what a run's model says about each sample."""

import csv
import io
from pathlib import Path

import numpy as np

from firstlight.data.splits import SPLITS
from firstlight.support.batches import sample_count
from firstlight.support.files import write_atomically
from firstlight.support.printable import csv_cell
from firstlight.tools.cli import past_run
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell
from firstlight.training.metrics import as_probabilities

DESCRIPTION = """\
Write a run's predictions: for classification the class and its probability, for regression the
values. CSV goes to the screen if no file is given; .npz keeps all classes' probabilities."""


def run(words):
    """Predict and write; returns the exit code."""
    parser = past_run.parser("predict", DESCRIPTION)
    parser.add_argument("--output", metavar="FILE", help=".csv or .npz")
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="which samples (default: test)"
    )
    own, words = parser.parse_known_args(words)
    output, split = own.output, own.split
    if output is not None and Path(output).suffix not in (".csv", ".npz"):
        raise UsageError(f"--output: expected a name that ends in .csv or .npz, got {output}")
    folder = past_run.find(own.run, own.runs_dir)
    model, splits, trainer = past_run.rebuild(folder, own.data, words, own.trust)
    if splits.tokenizer is not None:
        raise UsageError(f"{splits.name} is text; what the model writes shows firstlight generate")
    data = getattr(splits, split)
    if data is None:
        there = ", ".join(name for name in SPLITS if getattr(splits, name) is not None)
        raise UsageError(f"data {splits.name} has no {split} split; choose --split {there}")
    batches = splits.loader(split, training=False)
    path = past_run.checkpoint_path(folder, own.checkpoint)
    columns = describe(trainer.predict(model, batches, checkpoint=path), data, splits.classes)
    write(columns, output)
    if output is not None:
        tell(f"{len(data):,} predictions ({splits.name} {split} data): {output}")
    return 0


def describe(predicted, data, classes):
    """Return the columns to write, arrays by name.

    Parameters
    ----------
    predicted : array, shape (N, ...), or dict or tuple of such
        The model's output: a row of scores for each sample, or values.
    data : data set
        Whose targets, if it has some, stand beside the predictions.
    classes : list of str or None
        None for regression.
    """
    if isinstance(predicted, tuple):
        predicted = {f"prediction_{index}": part for index, part in enumerate(predicted)}
    targets = data[np.arange(sample_count(predicted))][1:2]
    columns = dict(zip(("target",), targets, strict=False))
    if isinstance(predicted, dict):
        return columns | predicted
    if classes is None or predicted.ndim != 2 or predicted.shape[1] != len(classes):
        return {**columns, "prediction": predicted}
    probabilities = as_probabilities(predicted)
    best = probabilities.argmax(axis=1)
    return {
        **columns,
        "prediction": best,
        "class": np.array([str(name) for name in classes])[best],
        "probability": probabilities[np.arange(len(best)), best],
        "probabilities": probabilities,
    }


def write(columns, output):
    """Write columns as .npz, as .csv, or as CSV on the screen if ``output`` is None."""
    if output is not None and output.endswith(".npz"):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **columns)
        write_atomically(output, buffer.getvalue())
        return
    columns.pop("probabilities", None)
    flat = {}
    for name, values in columns.items():
        rows = values.reshape(len(values), -1)
        for index, column in enumerate(rows.T):
            flat[name if rows.shape[1] == 1 else f"{name}_{index}"] = column.tolist()
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["index", *flat])
    writer.writerows(
        (i, *map(csv_cell, row)) for i, row in enumerate(zip(*flat.values(), strict=True))
    )
    if output is None:
        tell(table.getvalue(), end="")
    else:
        write_atomically(output, table.getvalue())
