"""``firstlight validate`` and ``firstlight test``: evaluate a run's model."""

import os

from firstlight.plugins import registry
from firstlight.runs import sample_results
from firstlight.tools.cli import text
from firstlight.tools.cli.command import Args
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.past_run import RunDataCommand
from firstlight.tools.cli.text import tell


class Test(RunDataCommand):
    """Evaluate a run's model on test data."""

    split: str = "test"
    kind: str = "test"

    def run(self, options: Args) -> int:
        """Evaluate and print a small table."""
        folder, model, splits, trainer, path = self.rebuild(options)
        if getattr(splits, self.split) is None:
            raise UsageError(
                f"{folder.parent.name}/{folder.name}: {splits.name} has no {self.kind} data, only "
                f"{', '.join(splits.parts)}; give others with --data"
            )
        if splits.info.get("target", "") is None:
            raise UsageError(
                f"{splits.name} has no targets to compare with; use firstlight predict"
            )
        if self.split == "test" and _lacks_results(folder, options):
            trainer.callbacks.append(registry("callback").get("sample_results")(folder))
        evaluate = trainer.validate if self.split == "val" else trainer.test
        metrics = evaluate(model, splits, checkpoint=path)
        of_run = path.parent == folder / "checkpoints"
        tell(f"{folder.parent.name}/{folder.name}, {path.stem if of_run else path} weights")
        limited = "" if trainer.limits.batches[self.split] is None else "part of "
        samples = len(getattr(splits, self.split))
        tell(f"{splits.name} {self.kind} data, {limited}{samples:,} samples")
        tell(text.table(text.measured(metrics), indent="  "))
        return 0


def _lacks_results(folder, options):
    """Return whether this is the test of the run itself, whose samples' results are not kept."""
    changed = options.data or options.checkpoint or any("limit" in word for word in options.rest)
    changed = changed or any(word.startswith("--data.") for word in options.rest)
    return (
        not changed and not (folder / sample_results.FILE).exists() and os.access(folder, os.W_OK)
    )


class Validate(Test):
    """Evaluate a run's model on validation data."""

    split = "val"
    kind = "validation"
