"""``firstlight look``: figures of what a run's model has learned, and of its mistakes."""

from pathlib import Path

from firstlight.support.files import from_here, refuse_link
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.past_run import SPLIT, RunDataCommand, chosen_split
from firstlight.tools.cli.text import tell


class Look(RunDataCommand):
    """Draw what a run's model has learned: confusion matrix, most confident mistakes, filters of
    the first layer, saliency, occlusion, feature maps. PNG files go to the run's folder plots/.
    """

    options: Options = (option("--output DIR", "another folder for the pictures"), SPLIT)

    def run(self, args: Args) -> int:
        """Draw, and print the paths of the files."""
        from firstlight.tools.figures import album, save

        folder, model, splits, trainer, path = self.rebuild(args)
        data = chosen_split(splits, args.split)
        if splits.classes is None:
            raise UsageError(f"data {splits.name} has no classes; look draws what classifiers do")
        batches = splits.loader(args.split, training=False)
        scores = trainer.predict(model, batches, checkpoint=path)
        if scores.shape[1:] != (len(splits.classes),):
            raise UsageError(
                f"expected {len(splits.classes)} scores for each sample, as {splits.name} has "
                f"classes, got outputs of shape {scores.shape[1:]}"
            )
        output = Path(args.output or folder / "plots")
        if args.output is None:
            refuse_link(output)
        output.mkdir(parents=True, exist_ok=True)
        for name, figure in album(model, data, scores, splits.classes):
            save(figure, output / f"{name}.png")
            tell(from_here(output / f"{name}.png"))
        return 0
