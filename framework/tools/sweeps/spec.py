"""The description of a sweep: the YAML file that a user writes, and its copy in the folder.

::

    name: digits-lr            # of the runs; the file's name by default
    method: random             # grid, random, or tpe
    trials: 50                 # in all; a grid has its own number
    metric: val_loss           # its best value over the epochs counts
    goal: minimize             # or maximize; by default as the metric's name suggests
    jobs: 2                    # trainings at a time
    seed: 0                    # of the sampler, not of the trainings
    pruner: median             # or hyperband, or none; by default median with tpe, else none
    fit:                       # what all trainings share, as in a file for firstlight fit --config
      model: mlp
      data: digits
      trainer: {max_epochs: 15}
    parameters:                # what is searched, by flag
      model.lr: {min: 1e-4, max: 1e-1, log: true}
      model.hidden: ["32", "64,64"]
      seed: [0, 1, 2]
"""

from __future__ import annotations

import difflib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firstlight.runs.directions import resolve_mode
from firstlight.support.printable import shown
from firstlight.support.reading import read_json, read_yaml
from firstlight.tools.sweeps.space import MOST, Choice, Range, grid_size, parse_parameter
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
        Number of trials; a grid has one for each combination by default.
    metric : str
    goal : {"minimize", "maximize"}, optional
    jobs : int
    seed : int
    pruner : {"median", "hyperband", "none"}, optional
        "median" for method "tpe", else "none".
    fit : dict
        Settings of every training.

    Attributes
    ----------
    space : dict of str to (Choice or Range)
        The parsed ``parameters``.

    Raises
    ------
    ValueError
        Something is missing, not known, or of the wrong kind; the message says what.
    """

    name: str
    parameters: dict[str, Any]
    method: str = "random"
    trials: int | None = None
    metric: str = "val_loss"
    goal: str | None = None
    jobs: int = 1
    seed: int = 0
    pruner: str | None = None
    fit: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pruner is None:
            self.pruner = "median" if self.method == "tpe" else "none"
        for key in ("name", "method", "metric", "goal", "pruner"):
            value = getattr(self, key)
            if not (isinstance(value, str) or (key == "goal" and value is None)):
                raise ValueError(f"{key}: expected a text, got {shown(value)}")
        checks.run_name(self.name)
        if self.goal is None:
            mode = resolve_mode(self.metric, ask="goal: maximize or goal: minimize")
            self.goal = {"min": "minimize", "max": "maximize"}[mode]
        for key, choices in (("method", METHODS), ("pruner", PRUNERS), ("goal", GOALS)):
            if getattr(self, key) not in choices:
                raise ValueError(
                    f"{key}: expected one of {', '.join(choices)}, got {shown(getattr(self, key))}"
                )
        for key, least, most in (("trials", 1, MOST), ("jobs", 1, JOBS), ("seed", 0, None)):
            value = getattr(self, key)
            if key == "trials" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(
                    f"{key}: expected a whole number from {least} on, got {shown(value)}"
                )
            if most is not None and value > most:
                raise ValueError(f"{key}: expected {most:,} at most, got {value:,}")
        for key in ("fit", "parameters"):
            if not isinstance(getattr(self, key), dict):
                raise ValueError(
                    f"{key}: expected settings by name, got {shown(getattr(self, key))}"
                )
        if not self.parameters:
            raise ValueError("parameters: there is nothing to search; name at least one setting")
        self.space: dict[str, Choice | Range] = {
            name: parse_parameter(name, said) for name, said in self.parameters.items()
        }
        for name in ("name", "runs_dir"):
            if name in self.space or name in self.fit:
                raise ValueError(f"{name}: the sweep decides where its runs lie")
        if self.method == "grid":
            whole = grid_size(self.space)
            self.trials = whole if self.trials is None else min(self.trials, whole)
        elif self.trials is None:
            raise ValueError(f"trials: say how many, as method {self.method} has no end")

    @property
    def mode(self) -> str:
        """Return "min" or "max"."""
        return GOALS[self.goal]

    @property
    def searched(self) -> list[str]:
        """Return the names of the settings that take more than one value."""
        return [n for n, one in self.space.items() if isinstance(one, Range) or one.count > 1]

    def as_dict(self) -> dict[str, Any]:
        """Return the arguments of `SweepSpec`, JSON-able."""
        return asdict(self)

    def changed(self, other: SweepSpec) -> list[str]:
        """Return the names of the attributes that make this another search than ``other``."""
        same = ("parameters", "method", "metric", "goal", "seed", "fit")
        mine, yours = self.as_dict(), other.as_dict()
        return [key for key in same if mine[key] != yours[key]]


def spec_of(folder: str | os.PathLike[str], **more: Any) -> SweepSpec:
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
        return SweepSpec(**read_json(path) | _given(more))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{folder} is no sweep: it has no {FILE}") from error
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}; restore it, or start the sweep again") from error


def load_spec(path: str | os.PathLike[str], **more: Any) -> SweepSpec:
    """Return the `SweepSpec` in a YAML file; settings in ``more`` that are not None replace its.

    Raises
    ------
    ValueError
        It cannot be read, or does not describe a sweep; the message begins with the file's name.
    """
    path = Path(path)
    try:
        said = read_yaml(path)
        if not isinstance(said, dict):
            raise ValueError(f"expected a sweep's settings by name, got {shown(said)}")
        known = list(SweepSpec.__dataclass_fields__)
        for key in said:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                raise ValueError(f"{shown(key)} is not known; {hint}")
        return SweepSpec(**{"name": path.stem, "parameters": {}} | said | _given(more))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}
