"""``firstlight look``: figures of what a run's model has learned, and of its mistakes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.data.splits import SPLITS, DataSplits
from firstlight.module import Module
from firstlight.support.files import from_here, refuse_link, write_atomically
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.tools.cli.past_run import RunDataCommand, chosen_split
from firstlight.tools.cli.text import tell
from firstlight.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 256  # samples whose loss is the landscape's


class Look(RunDataCommand):
    """Draw what a run's model has learned. Of a classifier: confusion matrix, calibration, ROC and
    precision-recall curves, the samples as its last layer sees them, and of images most confident
    mistakes, filters of the first layer, saliency, occlusion, feature maps. Of a language model:
    attention. Of a regression: predictions. PNG files go to the run's folder plots/.
    """

    options: Options = (
        option("--output DIR", "another folder for the pictures"),
        option("--split", "samples to use (default: test, of texts val)", choices=SPLITS),
        option("--embedding", "projection of the samples", "pca", choices=("pca", "tsne")),
        option("--layer NAME", "whose output is projected (default: the input of the last)"),
        option("--landscape", "the loss around the weights, too, which takes its time", False),
        option("--csv", "write the numbers of each figure beside it", False),
    )

    def run(self, args: Args) -> int:
        """Draw, and print the paths of the files."""
        from firstlight.tools.figures import numbers, save
        from firstlight.tools.figures.tables import as_csv

        folder, model, splits, trainer, checkpoint = self.rebuild(args)
        output = Path(args.output or folder / "plots")
        if args.output is None:
            refuse_link(output)
        drawn = 0
        with usage_errors(kinds=(ImportError,)):
            for name, figure in self._figures(args, model, splits, trainer, checkpoint):
                drawn += 1
                name = name.replace("/", "_")
                save(figure, output / f"{name}.png")
                tell(from_here(output / f"{name}.png"))
                tables = numbers(figure) if args.csv else {}
                for number, table in enumerate(tables.values(), 1):
                    path = output / (f"{name}.csv" if len(tables) == 1 else f"{name}_{number}.csv")
                    write_atomically(path, as_csv(table))
                    tell(from_here(path))
        if not drawn:
            raise UsageError(
                f"nothing to draw of {type(model).__name__} on {splits.name}; look draws attention "
                "of language models, and classifiers and regressions that answer with numbers"
            )
        return 0

    def _figures(
        self, args: Args, model: Module, splits: DataSplits, trainer: Trainer, path: Path
    ) -> "Iterator[tuple[str, Figure]]":
        """Yield the figures that suit the model and its data."""
        from firstlight.tools import figures

        split = args.split or ("test" if splits.tokenizer is None else "val")
        data = chosen_split(splits, split)
        some = np.arange(min(BATCH, len(data)))
        if splits.tokenizer is not None:
            x = data[some[:1]][0]
            trainer.predict(model, x, checkpoint=path)
            yield from figures.attention_album(model, x, splits.tokenizer)
        else:
            loader = splits.loader(split, training=False)
            scores = trainer.predict(model, loader, checkpoint=path)
            if isinstance(scores, (dict, tuple)):
                raise UsageError(
                    f"{type(model).__name__} has {len(scores)} outputs, and look draws classifiers "
                    "and regressions with one; firstlight predict writes all of them to a file"
                )
            if splits.classes is not None:
                yield from self._classifier(args, model, data, scores, splits)
            else:
                yield from _regression(data, scores, splits)
        if args.landscape:
            batch = tuple(data[some])
            yield "landscape", figures.landscape(*figures.loss_landscape(model, batch))

    def _classifier(
        self, args: Args, model: Module, data: Any, scores: Any, splits: DataSplits
    ) -> "Iterator[tuple[str, Figure]]":
        from firstlight.tools.figures import album

        if scores.shape[1:] != (len(splits.classes),):
            raise UsageError(
                f"expected {len(splits.classes)} scores for each sample, as {splits.name} has "
                f"classes, got outputs of shape {scores.shape[1:]}"
            )
        layers = [name for name, _ in model.named_modules() if name and name != "loss"]
        if args.layer and args.layer not in layers:
            raise UsageError(f"--layer: no layer {args.layer}; there are {', '.join(layers)}")
        method, layer = args.embedding, args.layer or ""
        yield from album(model, data, scores, splits.classes, method=method, layer=layer)


def _regression(data, scores, splits) -> "Iterator[tuple[str, Figure]]":
    from firstlight.tools.figures import predictions

    x, y = data[np.arange(len(scores))][:2]
    if not y.size == scores.size == len(scores):
        raise UsageError(
            f"data {splits.name} has neither classes nor one target for each sample, got targets "
            f"of shape {y.shape}; look draws classifiers, language models and regressions"
        )
    yield "predictions", predictions(x, y, scores)
