"""``firstlight predict``: the predictions of a run's model for each sample."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.support.batches import sample_count
from firstlight.support.files import write_atomically
from firstlight.support.printable import as_csv
from firstlight.tools.cli.command import Args, Options, file_name, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.past_run import SPLIT, RunDataCommand, chosen_split
from firstlight.tools.cli.text import tell
from firstlight.training.means import as_probabilities


class Predict(RunDataCommand):
    """Write a run's predictions: class and probability, or the values of a regression.

    CSV goes to standard output if no file is given; .npz keeps all classes' probabilities.
    """

    options: Options = (
        option("--output FILE", ".csv or .npz", type=file_name(".csv", ".npz")),
        SPLIT,
    )

    def run(self, args: Args) -> int:
        """Predict and write."""
        output, split = args.output, args.split
        _, model, splits, trainer, path = self.rebuild(args)
        if splits.tokenizer is not None:
            raise UsageError(f"{splits.name} is text; use firstlight generate to continue a text")
        data, batches = chosen_split(splits, split), splits.loader(split, training=False)
        columns = describe(trainer.predict(model, batches, checkpoint=path), data, splits.classes)
        write(columns, output)
        if output is not None:
            tell(f"{len(data):,} predictions ({splits.name} {split} data): {output}")
        return 0


def describe(
    predicted: Array | dict[str, Array] | tuple[Array, ...],
    data: Any,
    classes: Sequence[object] | None,
) -> dict[str, Array]:
    """Return the columns to write, arrays by name.

    Parameters
    ----------
    predicted : array, shape (N, ...), or dict or tuple of such
        The model's output: a row of scores for each sample, or values.
    data : data set
        Its targets, if it has some, get a column.
    classes : list of str or None
        None for regression.
    """
    if isinstance(predicted, tuple):
        predicted = {f"prediction_{index}": part for index, part in enumerate(predicted)}
    batch = data[np.arange(sample_count(predicted))]
    targets = batch[1:2] if isinstance(batch, tuple) else ()
    columns = dict(zip(("target",), (y for y in targets if hasattr(y, "reshape")), strict=False))
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


def write(columns: dict[str, Array], output: str | None) -> None:
    """Write columns as .npz, as .csv, or as CSV to standard output if ``output`` is None."""
    if output is not None and output.endswith(".npz"):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **columns)
        write_atomically(output, buffer.getvalue())
        return
    columns.pop("probabilities", None)
    flat: dict[str, Any] = {"index": range(len(next(iter(columns.values()))))}
    for name, values in columns.items():
        rows = values.reshape(len(values), -1)
        for index, column in enumerate(rows.T):
            flat[name if rows.shape[1] == 1 else f"{name}_{index}"] = column.tolist()
    lines = (dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True))
    table = as_csv(lines).replace("\r\n", "\n")
    if output is None:
        tell(table, end="")
    else:
        write_atomically(output, table)
