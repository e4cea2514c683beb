"""``firstlight look``: pictures of what a run's model does, and where it errs."""

from pathlib import Path

from firstlight.data.splits import SPLITS
from firstlight.support.files import from_here, refuse_link
from firstlight.tools.cli import past_run
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Draw what a run's model has learned: confusion matrix, most confident mistakes, filters of the
first layer, saliency, occlusion, feature maps. PNG files go to the run's folder plots/."""


def run(words):
    """Draw and say where; returns the exit code."""
    from firstlight.tools.figures import album, save

    parser = past_run.parser("look", DESCRIPTION)
    parser.add_argument("--output", metavar="DIR", help="another folder for the pictures")
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="which samples (default: test)"
    )
    own, words = parser.parse_known_args(words)
    folder = past_run.find(own.run, own.runs_dir)
    model, splits, trainer = past_run.rebuild(folder, own.data, words, own.trust)
    data = getattr(splits, own.split)
    if data is None:
        there = ", ".join(name for name in SPLITS if getattr(splits, name) is not None)
        raise UsageError(f"data {splits.name} has no {own.split} split; choose --split {there}")
    if splits.classes is None:
        raise UsageError(f"data {splits.name} has no classes; look draws what classifiers do")
    path = past_run.checkpoint_path(folder, own.checkpoint)
    batches = splits.loader(own.split, training=False)
    scores = trainer.predict(model, batches, checkpoint=path)
    if scores.shape[1:] != (len(splits.classes),):
        raise UsageError(
            f"expected {len(splits.classes)} scores for each sample, as {splits.name} has classes, "
            f"got outputs of shape {scores.shape[1:]}"
        )
    output = Path(own.output) if own.output else folder / "plots"
    if own.output is None:
        refuse_link(output)
    output.mkdir(parents=True, exist_ok=True)
    for name, figure in album(model, data, scores, splits.classes):
        save(figure, output / f"{name}.png")
        tell(from_here(output / f"{name}.png"))
    return 0
