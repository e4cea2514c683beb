"""``firstlight sweep``: many trainings with other settings each."""

from pathlib import Path

from firstlight.support.files import forgiving, from_here, write_atomically
from firstlight.tools.cli import text, trust
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Train with many settings, and tell which were best. The file says which, for example:

  method: random              # or grid, or tpe (needs firstlight[optuna])
  trials: 50
  metric: val_loss
  fit: {model: mlp, data: digits, trainer: {max_epochs: 15}}
  parameters:
    model.lr: {min: 1e-4, max: 1e-1, log: true}
    model.hidden: ["32", "64,64"]

The runs lie in runs/<name>/, as any others: firstlight runs list --where "name == '<name>'".
The same command goes on with a sweep that was broken off; several may work on one at a time, on
this machine or others that share the folder. With the folder of a sweep, it goes on with that."""
USAGE = "firstlight sweep FILE [--jobs N] [--trials N] [--runs_dir DIR]"
SHOWN = 10  # trials in the final table


def run(words):
    """Run a sweep; returns the exit code."""
    from firstlight.tools.sweeps.driver import Driver

    parser = Parser("sweep", DESCRIPTION, usage=USAGE)
    parser.add_argument("file", metavar="FILE", help="what to search (YAML), or a sweep's folder")
    parser.add_argument("--jobs", type=int, metavar="N", help="trainings at a time (default: 1)")
    parser.add_argument("--trials", type=int, metavar="N", help="how many in all")
    text_of_dir = "folder that keeps all runs (default: runs)"
    parser.add_argument("--runs_dir", metavar="DIR", help=text_of_dir)
    parser.add_argument("--trust", action="store_true", help=trust.HELP)
    own = parser.parse_args(words)
    spec, runs_dir = described(own)
    try:
        code = check(spec, runs_dir, own)
        driver = Driver(spec, runs_dir, lambda t: tell(line(spec, t), flush=True), own.trust)
        with forgiving("the note that this sweep is yours"):
            trust.remember(driver.folder, code)
    except ValueError as error:
        raise UsageError(str(error)) from error
    jobs = f", {spec.jobs} at a time" * (spec.jobs > 1)
    tell(f"{spec.name}: {spec.trials} trials, {spec.method}{jobs}, {spec.goal} {spec.metric}")
    try:
        driver.run()
    except KeyboardInterrupt:
        tell(f"interrupted; go on with: firstlight sweep {from_here(driver.folder)}")
        return 130
    trials = driver.trials.all()
    elsewhere = sum(trial.status == "running" for trial in trials)
    if elsewhere:
        tell(f"{elsewhere} trials are still running in other processes")
    tell(write_results(spec, driver.folder, trials))
    from firstlight.tools.sweeps.results import best_trial

    done = best_trial(spec, trials) is not None
    return 0 if done or elsewhere else 1


def described(own):
    """Return the `SweepSpec` and the folder of all runs."""
    from firstlight.tools.sweeps.spec import load_spec, spec_of

    more, path = {"jobs": own.jobs, "trials": own.trials}, Path(own.file)
    try:
        if path.is_dir():
            return spec_of(path, **more), own.runs_dir or path.absolute().parent
        return load_spec(path, **more), own.runs_dir or "runs"
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error


def check(spec, runs_dir, own):
    """Raise a `UsageError` if a value of a setting cannot be understood, before anything runs.

    Returns what code the sweep names, as `firstlight.tools.cli.trust.remember` takes it.
    """
    from firstlight.tools.sweeps.space import Choice, sample
    from firstlight.tools.sweeps.worker import settings_of

    usual, code, folder = sample(spec.space, spec.seed, 1), {}, Path(runs_dir) / spec.name
    for name, one in spec.space.items():
        for value in one.values if isinstance(one, Choice) else (one.min, one.max):
            settings = settings_of(spec, usual | {name: value}, runs_dir, folder, own.trust)
            code |= settings.code
    return code


def line(spec, trial):
    """Return what is told of a trial that is over."""
    value = trial.value(spec.metric, spec.mode)
    parts = [f"trial {trial.number}/{spec.trials}", f"{trial.status:<8}"]
    if value is not None:
        parts.append(f"{spec.metric} {text.number(value)}")
    parts += [f"{name}={text.number(trial.parameters[name])}" for name in spec.searched]
    if trial.run is not None:
        parts.append(text.took(trial.run.place["time"]))
    if trial.status in ("failed", "crashed"):
        parts.append(f"{trial.error or 'no error'}; see {from_here(trial.log)}")
    return "  ".join(parts)


def write_results(spec, folder, trials):
    """Write table, best settings and plots, and return what is told of them."""
    import yaml

    from firstlight.tools.sweeps import results

    write_atomically(folder / "results.csv", results.table_csv(spec, trials))
    best, order = results.best_trial(spec, trials), results.ranked(spec, trials)
    if best is None:
        place = from_here(folder / "trials")
        return f"no trial has a finite {spec.metric}; their output is in {place}"
    config = yaml.safe_dump(results.rerun_config(best.run), sort_keys=False, allow_unicode=True)
    write_atomically(folder / "best.yaml", config)
    tested = [name for name in best.run.metrics if name.startswith("test_")]
    rows = [["", "trial", "run", "status", spec.metric, *tested, *spec.searched]]
    for place, trial in enumerate(order[:SHOWN], 1):
        metrics = [text.number(trial.run.metrics.get(name)) for name in tested]
        parameters = [text.number(trial.parameters[name]) for name in spec.searched]
        value = text.number(trial.value(spec.metric, spec.mode))
        rows.append([place, trial.number, trial.run.id, trial.status, value, *metrics, *parameters])
    values, parameters = results.explored(spec, trials)
    shares = results.importance(values, parameters)
    told = [
        f"the best of {len(order)} trials, by {spec.metric}",
        text.table(rows, right=(0, 1, *range(4, len(rows[0])))),
        "",
        *explained(spec, shares),
        f"table: {from_here(folder / 'results.csv')}",
        *(f"plot: {from_here(path)}" for path in plots(spec, folder / "plots", values, parameters)),
        f"the best once more: firstlight fit --config {from_here(folder / 'best.yaml')}",
    ]
    return "\n".join(told)


def explained(spec, shares):
    """Return lines that say which settings explain the results, where that can be told."""
    there = [(name, share) for name, share in shares.items() if share == share]
    if not there:
        return []
    rows = [(name, f"{share:.0%}", "█" * round(20 * share)) for name, share in there]
    title = f"how much of the differences in {spec.metric} each setting explains by itself"
    return [title, text.table(rows, indent="  ", right=(1,)), ""]


def plots(spec, folder, values, parameters):
    """Draw the figures of a sweep as PNG and SVG; return the paths of the PNG files."""
    import numpy as np

    from firstlight.tools import figures
    from firstlight.tools.sweeps import importance

    if len(values) < 2 or not parameters:
        return []
    log = [name for name in parameters if getattr(spec.space[name], "log", False)]
    finite = values[np.isfinite(values)]
    if spec.mode == "min" and finite.min() > 0 and finite.max() > 10 * finite.min():
        log.append(spec.metric)
    options = {"metric": spec.metric, "mode": spec.mode, "log": log}
    made = {
        "parallel_coordinates": figures.parallel_coordinates(values, parameters, **options),
        "importance": figures.importance_bars(importance(values, parameters), metric=spec.metric),
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
