"""RunFolder: read the folder of a run."""

import os
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

from firstlight.checkpoints.format import EXCEPTION
from firstlight.runs import sample_results
from firstlight.runs.baseline_results import BaselineResults
from firstlight.runs.directions import direction
from firstlight.runs.history import History, LongHistory
from firstlight.runs.records import best_values, iterate, read_records
from firstlight.runs.run_files import (
    read_dict,
    read_environment,
    read_marks,
    read_status,
    read_summary,
)
from firstlight.runs.system import resources
from firstlight.support.files import PathLike


class RunFolder:
    """The folder of one run, finished or not; files are read on first use.

    Parameters
    ----------
    path : path-like
        ``runs/<name>/<id>``.

    Attributes
    ----------
    path : pathlib.Path
    name, id, label : str
        ``label`` is ``name/id``, an argument of the commands.
    status : str
        "running", "finished", "interrupted", "failed" or "crashed".
    config, environment, summary : dict
        Content of the files of these names; {} if a file is missing or damaged.
    history : History
        Everything that was logged: ``run.history["val_loss"]``, ``run.history.records``.
    metrics : dict of str to float
        The last value of each name, including metrics of a test, and those of baselines. If the
        training has not tested, loss and accuracy are those of ``firstlight test``.
    baselines : BaselineResults or None
        What ``firstlight baseline`` found.
    best : dict of str to dict
        The best of each ``val_...``: ``{"val_loss": {"value": 0.1, "step": 20, "epoch": 2}}``.
    resources : dict of str to float
        Processor and GPU hours, energy and memory, where measured: `firstlight.runs.system`.
    tags : list of str
    note : str
    place : dict of str to float
        ``{"step", "epoch", "time"}`` that the run has reached.

    Raises
    ------
    FileNotFoundError
        There is no run in this folder.

    Examples
    --------
    >>> from firstlight.runs import RunFolder
    >>> RunFolder("runs/mlp-digits/of-last-year")
    Traceback (most recent call last):
    FileNotFoundError: runs/mlp-digits/of-last-year is no run: it has no config.json
    """

    def __init__(self, path: PathLike) -> None:
        self.path: Path = Path(path)
        if not os.path.isfile(self.path / "config.json"):
            raise FileNotFoundError(f"{self.path} is no run: it has no config.json")
        whole = self.path.absolute()
        self.name: str = whole.parent.name
        self.id: str = whole.name
        self.label: str = f"{self.name}/{self.id}"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of ``summary.json``."""
        return read_summary(self.path)

    @cached_property
    def status(self) -> str:
        """The status, e.g. "finished"; see `firstlight.runs.run_files.read_status`."""
        return read_status(self.path, self.summary)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        return read_dict(self.path / "config.json")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Machine, packages, code version and command of the run."""
        return read_environment(self.path)

    @cached_property
    def history(self) -> History:
        """Everything that was logged, as a `History`."""
        damaged = []
        try:
            history = LongHistory(iterate(self.path, damaged))
        except FileNotFoundError:
            return LongHistory()
        except OSError as error:
            warnings.warn(f"the records of {self.label} cannot be read: {error}", stacklevel=2)
            return LongHistory()
        if damaged:
            lines = ", ".join(map(str, damaged[:5])) + ", ..." * (len(damaged) > 5)
            warnings.warn(
                f"{self.path / 'metrics.jsonl'} is damaged: line {lines} is no record, and is left "
                "out",
                stacklevel=2,
            )
        return history

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The last value of each name, the results of baselines, and of ``firstlight test``."""
        if self._ended:
            own = self.summary.get("metrics", {})
        else:
            last = History(self._marked_records).last()
            own = {n: value for n, value in last.items() if n not in ("step", "epoch", "time")}
        found = self.baselines.metrics if self.baselines else {}
        if not any(name.startswith("test_") for name in own):
            found |= sample_results.means(self.path)
        return own | {name: value for name, value in found.items() if name not in own}

    @cached_property
    def baselines(self) -> BaselineResults | None:
        """Results of simple methods on the run's data; None if none were fitted."""
        return BaselineResults.read(self.path)

    @cached_property
    def best(self) -> dict[str, dict[str, float]]:
        """The best value of each name that begins with ``val_``."""
        if self._ended:
            return self.summary["best"]
        return best_values(History(self._marked_records))

    @cached_property
    def resources(self) -> dict[str, float]:
        """What the run has used, e.g. ``gpu_hours``; {} if it was not measured."""
        return self.summary.get("resources", {}) if self._ended else resources(self.path)

    @cached_property
    def tags(self) -> list[str]:
        """The tags of the run."""
        return read_marks(self.path)["tags"]

    @cached_property
    def note(self) -> str:
        """The note on the run."""
        return read_marks(self.path)["note"]

    @property
    def place(self) -> dict[str, float]:
        """``{"step", "epoch", "time"}`` that the run has reached; only whole epochs count."""
        if self._ended:
            keys = {"step": "steps", "epoch": "epochs", "time": "duration_s"}
            return {name: self.summary.get(key, 0) for name, key in keys.items()}
        records = self._marked_records
        last = records[-1] if records else {}
        whole = [record["epoch"] for record in records if "epoch_seconds" in record]
        epoch = max(whole[-1:] + [last.get("epoch", 1) - 1])
        return {"step": last.get("step", 0), "epoch": epoch, "time": last.get("time", 0)}

    @property
    def by_script(self) -> bool:
        """Whether a script made the run, instead of ``firstlight fit``."""
        return "optimizer" in self.config or isinstance(self.config.get("model"), str)

    @property
    def checkpoints_there(self) -> bool:
        """Whether there is a checkpoint to load weights from."""
        return bool(checkpoint_files(self.path / "checkpoints"))

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint from which training can resume."""
        return bool(states(self.path / "checkpoints"))

    def value(self, metric: str, which: str = "best", mode: str = "auto") -> float:
        """Return one number of a metric: its "best", "min", "max" or "last" value.

        Raises
        ------
        KeyError
            Nothing was logged under this name.
        ValueError
            The best value of a metric whose direction is unknown; see
            `firstlight.runs.directions`.
        """
        if which == "last" and metric in self.metrics:
            return self.metrics[metric]
        if which == "best" and mode in ("auto", direction(metric)) and metric in self.best:
            return self.best[metric]["value"]
        if metric not in self.history and metric in self.metrics:
            return self.metrics[metric]  # of a test: one number
        if which == "last":
            return self.history[metric][-1]
        return self.history.best(metric, mode if which == "best" else which)[metric]

    @property
    def _ended(self):
        """Whether ``summary.json`` is complete, so that no records need to be read."""
        return "best" in self.summary and self.status != "running"

    @cached_property
    def _marked_records(self):
        """Records of validations and the last records, for `metrics`, `best` and `place`."""
        try:
            return read_records(self.path, only='"val_', last=50)
        except (OSError, ValueError):  # a damaged run is listed beside the others
            return []

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


def checkpoint_files(folder: PathLike) -> list[Path]:
    """Return the checkpoints in a folder, without broken and circular links."""
    try:
        return [path for path in Path(folder).glob("*.safetensors") if path.is_file()]
    except OSError:
        return []


def states(folder: PathLike) -> list[Path]:
    """Return the checkpoints in a folder that training can resume from, the newest first."""
    found = [path for path in checkpoint_files(folder) if path.name != EXCEPTION]
    return sorted(found, key=os.path.getmtime, reverse=True)
