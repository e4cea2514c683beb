"""Results of simple methods on a run's data, ``baselines.json`` of its folder.

``firstlight baseline`` writes them; `RunFolder.metrics` includes them, as ``test_acc_forest``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firstlight.runs.run_files import read_dict
from firstlight.support.files import PathLike, write_json

FILE = "baselines.json"
NETWORK = "network"  # the name of the run's own row
TITLES = {"acc": "accuracy", "r2": "R²"}


@dataclass
class Row:
    """One method.

    Attributes
    ----------
    name : str
        One word, such as "forest".
    label : str
    value, low, high : float
        The metric, and its 95 % interval over draws of the samples.
    seconds : float
        Time to fit.
    """

    name: str
    label: str
    value: float
    low: float
    high: float
    seconds: float


@dataclass
class BaselineResults:
    """Methods that were fitted to the same data and measured on the same samples.

    Attributes
    ----------
    data : str
    split : {"train", "val", "test"}
        The samples of the metric.
    metric : {"acc", "r2"}
    samples, fitted : int
        Number of samples of the metric, and of the fit.
    rows : list of Row
    """

    data: str
    split: str
    metric: str
    samples: int
    fitted: int
    rows: list[Row] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return asdict(self)

    def write(self, run: PathLike) -> None:
        """Write the file in a run's folder."""
        write_json(Path(run) / FILE, self.to_dict())

    @classmethod
    def read(cls, run: PathLike) -> BaselineResults | None:
        """Return the results in a run's folder; None if there are none, or they are damaged."""
        found = read_dict(Path(run) / FILE)
        try:
            rows = [Row(**row) for row in found.pop("rows")]
            results = cls(**found, rows=rows)
        except (TypeError, KeyError):
            return None
        texts = [results.data, results.split, results.metric]
        numbers: list[object] = [results.samples, results.fitted]
        for row in rows:
            texts += [row.name, row.label]
            numbers += [row.value, row.low, row.high, row.seconds]
        sound = all(isinstance(text, str) for text in texts)
        sound &= all(type(number) in (int, float) for number in numbers)
        return results if sound else None

    @property
    def title(self) -> str:
        """What the values are, e.g. "test accuracy"."""
        return f"{self.split} {TITLES.get(self.metric, self.metric)}"

    @property
    def methods(self) -> dict[str, float]:
        """The values of the methods, by names such as ``test_acc_forest``."""
        name = f"{self.split}_{self.metric}"
        return {f"{name}_{row.name}": row.value for row in self.rows if row.name != NETWORK}

    @property
    def metrics(self) -> dict[str, float]:
        """The values of the methods, and of the network, e.g. ``test_acc``."""
        own = {f"{self.split}_{self.metric}": r.value for r in self.rows if r.name == NETWORK}
        return own | self.methods
