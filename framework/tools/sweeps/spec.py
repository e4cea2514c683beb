"""What a sweep searches, and how: the file that describes it.

::

    name: digits-lr            # of the runs; the file's name by default
    method: random             # grid, random, or tpe (Optuna)
    trials: 50                 # of random and tpe
    metric: val_loss           # its best value over the epochs counts
    goal: minimize             # or maximize; by default as the metric's name suggests
    jobs: 2                    # trainings at a time
    seed: 0                    # of the search, not of the trainings
    pruner: median             # of tpe: median, hyperband or none
    fit:                       # what all trainings share, as in a file for firstlight fit --config
      model: mlp
      data: digits
      trainer: {max_epochs: 15}
    parameters:                # what is searched, by flag
      model.lr: {min: 1e-4, max: 1e-1, log: true}
      model.hidden: ["32", "64,64"]
      seed: [0, 1, 2]
"""

import difflib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from firstlight.runs.directions import resolve_mode
from firstlight.support.printable import shown
from firstlight.support.reading import read_json, read_yaml
from firstlight.tools.sweeps.space import MOST, Choice, grid_size, parse_parameter
from firstlight.training import checks

FILE = "sweep.json"  # in the folder of a sweep
METHODS = ("grid", "random", "tpe")
GOALS = {"minimize": "min", "maximize": "max"}
JOBS = 1000  # trainings at a time
PRUNERS = ("median", "hyperband", "none")


@dataclass
class SweepSpec:
    """A sweep's description, checked.

    Parameters
    ----------
    name : str
    parameters : dict of str to (list or dict)
        As `firstlight.tools.sweeps.space.parse_parameter` reads it.
    method : {"grid", "random", "tpe"}
    trials : int, optional
        How many; of a grid all there are, or the first so many.
    metric : str
    goal : {"minimize", "maximize"}, optional
    jobs : int
    seed : int
    pruner : {"median", "hyperband", "none"}
        Of "tpe" only.
    fit : dict
        Settings of every training.

    Raises
    ------
    ValueError
        Something is missing, not known, or of the wrong kind; the message says what.
    """

    name: str
    parameters: dict
    method: str = "random"
    trials: int | None = None
    metric: str = "val_loss"
    goal: str | None = None
    jobs: int = 1
    seed: int = 0
    pruner: str = "median"
    fit: dict = field(default_factory=dict)

    def __post_init__(self):
        for key in ("name", "method", "metric", "goal", "pruner"):
            value = getattr(self, key)
            if not (isinstance(value, str) or (key == "goal" and value is None)):
                raise ValueError(f"{key}: expected a text, got {shown(value)}")
        checks.run_name(self.name)
        for key, choices in (("method", METHODS), ("pruner", PRUNERS)):
            if getattr(self, key) not in choices:
                raise ValueError(
                    f"{key}: expected one of {', '.join(choices)}, got {shown(getattr(self, key))}"
                )
        if self.goal is None:
            mode = resolve_mode(self.metric, ask="goal: maximize or goal: minimize")
            self.goal = next(goal for goal, means in GOALS.items() if means == mode)
        if self.goal not in GOALS:
            raise ValueError(f"goal: expected minimize or maximize, got {shown(self.goal)}")
        for key, least in (("trials", 1), ("jobs", 1), ("seed", 0)):
            value = getattr(self, key)
            if key == "trials" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{key}: expected a whole number from {least} on, got {shown(value)}"
                )
        for key in ("fit", "parameters"):
            if not isinstance(getattr(self, key), dict):
                raise ValueError(
                    f"{key}: expected settings by name, got {shown(getattr(self, key))}"
                )
        if not self.parameters:
            raise ValueError("parameters: there is nothing to search; name at least one setting")
        self.space = {name: parse_parameter(name, said) for name, said in self.parameters.items()}
        for name in ("name", "runs_dir"):
            if name in self.space or name in self.fit:
                raise ValueError(f"{name}: the sweep decides where its runs lie")
        if self.method == "grid":
            whole = grid_size(self.space)
            self.trials = whole if self.trials is None else min(self.trials, whole)
        elif self.trials is None:
            raise ValueError(f"trials: say how many, as method {self.method} could go on for ever")
        for key, most in (("trials", MOST), ("jobs", JOBS)):
            if getattr(self, key) > most:
                value = getattr(self, key)
                raise ValueError(f"{key}: expected {most:,} at most, got {value:,}")

    @property
    def mode(self):
        """Return "min" or "max"."""
        return GOALS[self.goal]

    @property
    def searched(self):
        """Return the names of the settings that take more than one value."""
        return [
            name
            for name, one in self.space.items()
            if not (isinstance(one, Choice) and len(one.values) == 1)
        ]

    def as_dict(self):
        """Return what `SweepSpec` takes, as JSON can hold it."""
        return asdict(self)

    def changed(self, other):
        """Return the names of what makes this another search than ``other``."""
        same = ("parameters", "method", "metric", "goal", "seed", "fit")
        mine, yours = self.as_dict(), other.as_dict()
        return [key for key in same if mine[key] != yours[key]]


def spec_of(folder, **more):
    """Return the `SweepSpec` that a sweep's folder keeps; ``more`` as in `load_spec`.

    Raises
    ------
    FileNotFoundError
        The folder is no sweep's.
    ValueError
        Its ``sweep.json`` is damaged.
    """
    path = Path(folder) / FILE
    try:
        said = read_json(path) | {key: value for key, value in more.items() if value is not None}
        return SweepSpec(**said)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{folder} is no sweep: it has no {FILE}") from error
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}; restore it, or begin the sweep anew") from error


def load_spec(path, **more):
    """Return the `SweepSpec` in a YAML file; what is in ``more`` and not None goes before it.

    Raises
    ------
    ValueError
        It cannot be read, or does not describe a sweep; the message begins with the file's name.
    """
    path = Path(path)
    try:
        said = read_yaml(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"{path}: expected a sweep's settings by name, got {shown(said)}")
    known = list(SweepSpec.__dataclass_fields__)
    for key in said:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ValueError(f"{path}: {shown(key)} is not known; {hint}")
    said = {"name": path.stem, "parameters": {}} | said
    try:
        return SweepSpec(**said | {key: value for key, value in more.items() if value is not None})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
