"""Runs: list, read and compare the folders that trainings write.

``get`` is a short name of `find_run`: ``runs.get("name").history``.

Examples
--------
>>> from firstlight import runs
>>> runs.list_runs("runs")  # no training here yet
[]
>>> runs.get("mlp-digits")
Traceback (most recent call last):
FileNotFoundError: no run mlp-digits in runs; make one with: firstlight fit
"""

from firstlight.runs.environment import machine_rows
from firstlight.runs.export import to_frame
from firstlight.runs.find import find_run, list_runs
from firstlight.runs.folder import RunFolder

get = find_run

__all__ = ["RunFolder", "find_run", "get", "list_runs", "machine_rows", "to_frame"]
