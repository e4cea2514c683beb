"""``firstlight validate`` and ``firstlight test``: evaluate a run's model."""

from firstlight.cli import past_run, text
from firstlight.cli.errors import UsageError
from firstlight.cli.words import BARE, split

HELP = """\
usage: firstlight {command} [RUN] [--checkpoint best|last|FILE] [arguments]

Evaluate a run's model on {kind} data.

  RUN                         folder of the run, or name, or name/id (default: the latest)
  --checkpoint best|last|FILE which weights (default: best)
  --data NAME                 other data than the run's
  --data.ARGUMENT VALUE       other arguments of the data
  --runs-dir DIR              folder that keeps all runs (default: runs)
  --trainer.device cpu|cuda|auto
  --trainer.limit_{split}_batches int|float
                              evaluate only so many batches, or this share of them
"""
SPLITS = {"validate": ("val", "validation"), "test": ("test", "test")}


def run(command, argv):
    """Evaluate and print a small table; returns the exit code."""
    split_name, kind = SPLITS[command]
    folder, own, pairs = parse(argv, ("checkpoint",))
    if folder is None:
        print(HELP.format(command=command, split=split_name, kind=kind), end="")
        return 0
    path = past_run.checkpoint_path(folder, own["checkpoint"])
    model, splits, trainer = past_run.rebuild(folder, pairs)
    evaluate = trainer.validate if command == "validate" else trainer.test
    metrics = evaluate(model, splits, checkpoint=path)
    samples = len(getattr(splits, split_name))
    print(f"{folder.parent.name}/{folder.name}, {path.stem} weights")
    print(f"{splits.name} {kind} data, {samples:,} samples")
    print(text.table(text.measured(metrics), indent="  "))
    return 0


def parse(argv, own_flags):
    """Return ``(run folder, own flags, remaining pairs)``; the folder is None for --help."""
    positionals, pairs = split(argv)
    if any(flag == "help" for flag, _ in pairs):
        return None, {}, []
    if len(positionals) > 1:
        raise UsageError(f"expected one run, got {' '.join(positionals)}")
    own = dict.fromkeys(("runs_dir", *own_flags))
    for flag, value in pairs:
        if flag in own and value is BARE:
            raise UsageError(f"--{flag}: expected a value")
    own |= {flag: value for flag, value in pairs if flag in own}
    folder = past_run.find(positionals[0] if positionals else None, own["runs_dir"] or "runs")
    return folder, own, [pair for pair in pairs if pair[0] not in own]
