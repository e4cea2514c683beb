"""``firstlight sweep``: many trainings with other settings each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.runs import consent
from firstlight.support.files import forgiving, from_here, write_atomically
from firstlight.tools.cli import text, trust
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import usage_errors
from firstlight.tools.cli.text import tell

if TYPE_CHECKING:
    from firstlight.tools.sweeps.spec import SweepSpec
    from firstlight.tools.sweeps.trials import Trial, Trials

DESCRIPTION = """\
Train with many settings, and print which were best. The file describes them, for example:

  method: random              # or grid, or tpe
  trials: 50
  metric: val_loss
  fit: {model: mlp, data: digits, trainer: {max_epochs: 15}}
  parameters:
    model.lr: {min: 1e-4, max: 1e-1, log: true}
    model.hidden: ["32", "64,64"]

The runs are in runs/<name>/, as all others: firstlight runs list --where "name == '<name>'".
The same command resumes a sweep that was interrupted, and so does one with the sweep's folder.
Several processes may work on one sweep, on this machine or others that share the folder.
The search is Optuna's (firstlight[optuna]): optuna-dashboard runs/<name>/optuna.journal."""
SHOWN = 10  # trials in the final table


class Sweep(Command):
    """Train with many settings, and print which were best."""

    description = DESCRIPTION
    options: Options = (
        option("file", "YAML file with the search, or a sweep's folder", metavar="FILE"),
        option("--jobs N", "trainings at a time (default: 1)", type=int),
        option("--trials N", "number of trials in all (default: as the file says)", type=int),
        option("--runs_dir DIR", "folder that keeps all runs (default: runs)"),
        trust.OPTION,
    )

    def run(self, args: Args) -> int:
        """Run the sweep, and print its results."""
        from firstlight.tools.sweeps.driver import Driver
        from firstlight.tools.sweeps.results import best_trial
        from firstlight.tools.sweeps.trials import import_optuna

        spec, runs_dir = described(args)
        import_optuna()
        with usage_errors():
            code = check(spec, runs_dir, args)
            driver = Driver(spec, runs_dir, lambda t: tell(line(spec, t), flush=True), args.trust)
            with forgiving("the note that this sweep is yours"):
                consent.remember(driver.folder, code)
        jobs = f", {spec.jobs} at a time" * (spec.jobs > 1)
        tell(f"{spec.name}: {spec.trials} trials, {spec.method}{jobs}, {spec.goal} {spec.metric}")
        try:
            driver.run()
        except KeyboardInterrupt:
            tell(f"interrupted; resume with: firstlight sweep {from_here(driver.folder)}")
            return 130
        trials = driver.trials.all()
        elsewhere = sum(trial.status == "running" for trial in trials)
        if elsewhere:
            tell(f"{elsewhere} trials are still running in other processes")
        for part in write_results(driver.trials):
            tell(part)
        return 0 if elsewhere or best_trial(spec, trials) is not None else 1


def described(args: Args) -> tuple[SweepSpec, str | Path]:
    """Return the `SweepSpec` and the folder of all runs."""
    from firstlight.tools.sweeps.spec import load_spec, spec_of

    more, path = {"jobs": args.jobs, "trials": args.trials}, Path(args.file)
    with usage_errors(kinds=(FileNotFoundError, ValueError)):
        if path.is_dir():
            return spec_of(path, **more), args.runs_dir or path.absolute().parent
        return load_spec(path, **more), args.runs_dir or "runs"


def check(spec: SweepSpec, runs_dir: str | Path, args: Args) -> dict[str, dict[str, str]]:
    """Raise a `UsageError` if a value of a setting cannot be understood, before anything runs.

    Returns the code that the sweep names, as `firstlight.runs.consent.remember` takes it.
    """
    from firstlight.tools.sweeps.space import Range
    from firstlight.tools.sweeps.worker import settings_of

    values = {
        name: (one.min, one.max) if isinstance(one, Range) else one.values
        for name, one in spec.space.items()
    }
    usual, code = {name: some[0] for name, some in values.items()}, {}
    for name, some in values.items():
        for value in some:
            settings = settings_of(
                spec, usual | {name: value}, runs_dir, Path(runs_dir) / spec.name, args.trust
            )
            code |= settings.code
    return code


def line(spec: SweepSpec, trial: Trial) -> str:
    """Return the line that is printed when a trial has ended."""
    value = trial.value
    parts = [f"trial {trial.number}/{spec.trials}", f"{trial.status:<8}"]
    if value is not None:
        parts.append(f"{spec.metric} {text.number(value)}")
    parts += [f"{name}={text.number(trial.parameters[name])}" for name in spec.searched]
    if trial.run is not None:
        parts.append(text.took(trial.run.place["time"]))
    if trial.status in ("failed", "crashed"):
        parts.append(f"{trial.error or 'no error'}; see {from_here(trial.log)}")
    return "  ".join(parts)


def write_results(trials: Trials) -> list[str]:
    """Write table, best settings and plots; return the parts that are printed of them."""
    import yaml

    from firstlight.runs.export import as_csv
    from firstlight.tools.sweeps import results

    spec, folder, every = trials.spec, trials.folder, trials.all()
    write_atomically(folder / "results.csv", as_csv(results.results_table(spec, every)))
    best, order = results.best_trial(spec, every), results.ranked(spec, every)
    if best is None:
        place = from_here(folder / "trials")
        return [f"no trial has a finite {spec.metric}; their output is in {place}"]
    config = {n: v for n, v in best.run.config.items() if n not in ("facts", "name", "runs_dir")}
    text_of_best = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    write_atomically(folder / "best.yaml", text_of_best)
    tested = [name for name in best.run.metrics if name.startswith("test_")]
    rows = [["", "trial", "run", "status", spec.metric, *tested, *spec.searched]]
    for place, trial in enumerate(order[:SHOWN], 1):
        metrics = [text.number(trial.run.metrics.get(name)) for name in tested]
        parameters = [text.number(trial.parameters[name]) for name in spec.searched]
        value = text.number(trial.value)
        rows.append([place, trial.number, trial.run.id, trial.status, value, *metrics, *parameters])
    shares = results.importance(trials)
    lines = [
        f"the best of {len(order)} trials, by {spec.metric}",
        text.table(rows, right=(0, 1, *range(4, len(rows[0]))), head=True),
        "",
    ]
    known = [(name, share) for name, share in shares.items() if share == share]
    if known:
        bars = [(name, f"{share:.0%}", "█" * round(20 * share)) for name, share in known]
        lines += [
            f"how much each setting matters for the best {spec.metric} (PED-ANOVA)",
            text.table(bars, indent="  ", right=(1,)),
            "",
        ]
    lines += [
        f"table: {from_here(folder / 'results.csv')}",
        *(f"plot: {from_here(path)}" for path in plots(trials, every, shares)),
        f"the best once more: firstlight fit --config {from_here(folder / 'best.yaml')}",
    ]
    return lines


def plots(trials: Trials, every: list[Trial], shares: dict[str, float]) -> list[Path]:
    """Draw the figures of a sweep as PNG and SVG; return the paths of the PNG files."""
    import numpy as np

    from firstlight.tools import figures
    from firstlight.tools.sweeps.results import explored

    spec, folder = trials.spec, trials.folder / "plots"
    values, parameters = explored(spec, every)
    if len(values) < 2 or not parameters:
        return []
    log = [name for name in parameters if getattr(spec.space[name], "log", False)]
    finite = values[np.isfinite(values)]
    if spec.mode == "min" and finite.min() > 0 and finite.max() > 10 * finite.min():
        log.append(spec.metric)
    options = {"metric": spec.metric, "mode": spec.mode, "log": log}
    made = {
        "parallel_coordinates": figures.parallel_coordinates(values, parameters, **options),
        "importance": figures.importance_bars(shares, metric=spec.metric),
        "slices": figures.slices(values, parameters, **options),
        "progress": figures.search_progress(
            values, metric=spec.metric, mode=spec.mode, log=spec.metric in log
        ),
    }
    folder.mkdir(exist_ok=True)
    for name, figure in made.items():
        figures.save(figure, folder / f"{name}.svg")
        figures.save(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in made]
