"""``firstlight validate`` and ``firstlight test``: evaluate a run's model."""

from firstlight.tools.cli import past_run, text
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

SPLITS = {"validate": ("val", "validation"), "test": ("test", "test")}


def run(command, words):
    """Evaluate and print a small table; returns the exit code."""
    split, kind = SPLITS[command]
    parser = past_run.parser(command, f"Evaluate a run's model on {kind} data.")
    own, words = parser.parse_known_args(words)
    folder = past_run.find(own.run, own.runs_dir)
    path = past_run.checkpoint_path(folder, own.checkpoint)
    model, splits, trainer = past_run.rebuild(folder, own.data, words, own.trust)
    if splits.info.get("target", "") is None:
        raise UsageError(f"{splits.name} has no targets to compare with; use firstlight predict")
    evaluate = trainer.validate if command == "validate" else trainer.test
    metrics = evaluate(model, splits, checkpoint=path)
    of_run = path.parent == folder / "checkpoints"
    tell(f"{folder.parent.name}/{folder.name}, {path.stem if of_run else path} weights")
    limited = "" if trainer.limits.batches[split] is None else "part of "
    tell(f"{splits.name} {kind} data, {limited}{len(getattr(splits, split)):,} samples")
    tell(text.table(text.measured(metrics), indent="  "))
    return 0
