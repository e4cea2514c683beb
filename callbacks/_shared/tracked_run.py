"""A run as experiment trackers take it: plain settings, points in time, and its ids there."""

import re
import threading
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from firstlight.callbacks._shared.sender import Record
from firstlight.runs.folder import RunFolder
from firstlight.runs.query import flat
from firstlight.runs.run_files import read_dict
from firstlight.support.files import write_json

SENT = "trackers.json"  # in a run's folder: its id in each tracker, and the records passed on
LONGEST = 500  # characters of a setting
_writing = threading.Lock()  # one file for all trackers of a training


class Point(NamedTuple):
    """What was logged at one step.

    Attributes
    ----------
    step : int
    time : float
        When it was logged, in Unix seconds.
    values : dict of str to float
        By name, with "epoch"; they may be NaN or infinite.
    """

    step: int
    time: float
    values: dict[str, float]


def points_of(run: RunFolder, records: Iterable[Record]) -> list[Point]:
    """Return the records of a run as points."""
    begin = started(run)
    return [
        Point(
            record["step"],
            begin + record.get("time", 0.0),
            {name: value for name, value in record.items() if name not in ("step", "time")},
        )
        for record in records
    ]


def last_point(run: RunFolder) -> Point:
    """Return a run's best values, and metrics that only ``summary.json`` has, at its last step."""
    values = {name: value for name, value in run.metrics.items() if name not in run.history}
    values |= {f"best.{name}": place["value"] for name, place in run.best.items()}
    (point,) = points_of(run, [run.place | values])
    return point


def started(run: RunFolder) -> float:
    """Return when a run started, in Unix seconds."""
    return datetime.fromisoformat(run.summary["started"]).timestamp()


def title(run: RunFolder) -> str:
    """Return the name of a run and the end of its id, without the time."""
    found = re.search(r"\d+_\w{4}$", run.id)
    return f"{run.name}/{found[0] if found else run.id}"


def plain_settings(run: RunFolder) -> dict[str, bool | int | float | str]:
    """Return the settings of a run by dotted name; lists as ``512,256``, long texts cut."""
    found = flat({n: v for n, v in run.config.items() if n not in ("name", "runs_dir")})
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value: Any) -> bool | int | float | str:
    if isinstance(value, (bool, int, float)):
        return value
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


class Sent(NamedTuple):
    """What ``trackers.json`` has of a run and a tracker.

    Attributes
    ----------
    id : str or None
        The tracker's id of the run; None if it does not have the run.
    passed : int
        Records that were passed to it.
    closed : bool
        False while it is sent, and after the process was killed meanwhile.
    """

    id: str | None = None
    passed: int = 0
    closed: bool = False


def read_sent(path: Path, tracker: str) -> Sent:
    """Return what a tracker has of the run in a folder."""
    found = read_dict(path / SENT).get(tracker)
    try:
        sent = Sent(**found)
    except TypeError:
        return Sent()
    known = isinstance(sent.id, str) and isinstance(sent.passed, int)
    return sent if known else Sent()


def write_sent(path: Path, tracker: str, sent: Sent) -> None:
    """Keep what `read_sent` returns."""
    with _writing:
        write_json(path / SENT, read_dict(path / SENT) | {tracker: sent._asdict()})
