"""``firstlight baseline``: simple methods on a run's data, beside its network."""

from __future__ import annotations

import json
import warnings

from firstlight.data.splits import DataSplits
from firstlight.nn import BCEWithLogitsLoss
from firstlight.runs import RunFolder
from firstlight.runs.baseline_results import FILE, NETWORK, BaselineResults
from firstlight.support.extras import require
from firstlight.support.files import forgiving, strict
from firstlight.tools.cli import text
from firstlight.tools.cli.arguments import Arguments
from firstlight.tools.cli.command import JSON, Args, Options
from firstlight.tools.cli.errors import usage_errors
from firstlight.tools.cli.names import Names
from firstlight.tools.cli.past_run import SPLIT, RunDataCommand, chosen_split
from firstlight.tools.cli.text import tell


class Baseline(RunDataCommand):
    """Fit simple methods to the data of a run, with the same split and scale: majority class, k-NN,
    logistic regression and a random forest; for numbers the mean, k-NN, least squares and a forest.

    They are printed beside the run's network, and kept in its folder: runs compare and report show
    them, and runs list --where "test_acc > test_acc_forest" compares with them. With --data NAME
    and no run, only they are fitted.
    """

    epilog = """\
further arguments:
  --data.ARGUMENT VALUE   other arguments of the data
  --trainer.device cpu|cuda|auto"""
    options: Options = (SPLIT, JSON)

    def run(self, args: Args) -> int:
        """Fit, print the table, and keep it in the run's folder."""
        require("firstlight baseline", "sklearn", extra="sklearn")
        if args.run is None and args.data is not None:
            head, found = "", _fitted(_data(args), args)
        else:
            head, found = self._beside_network(args)
        if args.json:
            tell(json.dumps(strict(found.to_dict()), indent=2))
            return 0
        tell(
            f"{head}{found.data} {found.split} data, {found.samples:,} samples; fitted to "
            f"{found.fitted:,} training samples"
        )
        tell(text.table(rows(found), indent="  ", right=(1, 2, 3), head=True))
        return 0

    def _beside_network(self, args):
        """Return a line about the run, and the results with those of its network."""
        from firstlight.tools.baselines import network_row

        folder, model, splits, trainer, path = self.rebuild(args)
        found, run = _fitted(splits, args), RunFolder(folder)
        loader = splits.loader(found.split, training=False)
        predicted = trainer.predict(model, loader, checkpoint=path)
        name = type(model).__name__
        logits = isinstance(getattr(model, "loss", None), BCEWithLogitsLoss)
        row = network_row(splits, predicted, name, run.place["time"], found, logits=logits)
        if row is not None:
            found.rows.append(row)
        else:
            warnings.warn(
                f"{name} is left out: its predictions are no scores for each class of each sample, "
                f"or no numbers for its targets: shape {getattr(predicted, 'shape', None)}",
                stacklevel=2,
            )
        changed = args.data is not None or any(word.startswith("--data.") for word in args.rest)
        if not changed and args.checkpoint is None:
            with forgiving(folder / FILE):
                found.write(folder)
        weights = path.stem if path.parent.parent == folder else path
        return f"{run.label}, {weights} weights\n", found


def _fitted(splits: DataSplits, args: Args) -> BaselineResults:
    """Return the results of the methods on the chosen split."""
    from firstlight.tools.baselines import baselines

    chosen_split(splits, args.split)
    with usage_errors():
        return baselines(splits, args.split)


def _data(args: Args) -> DataSplits:
    """Return the data that ``--data NAME`` and their arguments name."""
    names = Names(trusted=args.trust)
    names.choose("data", args.data)
    arguments = Arguments(names)
    arguments.parse(args.rest)
    return arguments.data.make_data()


def rows(found: BaselineResults) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table, with titles; a * marks the best."""
    best = max(row.value for row in found.rows)
    table = [("", found.title, "95 % interval", "seconds to fit")]
    for row in found.rows:
        mark = " *" if row.value == best else "  "
        interval = f"{row.low:.4f} to {row.high:.4f}"
        label = f"{row.label}, this run" if row.name == NETWORK else row.label
        table.append((label, f"{row.value:.4f}{mark}", interval, f"{row.seconds:.1f}"))
    return table
