"""Runs: the folders that trainings left, to list, compare and keep.

Examples
--------
>>> from firstlight import runs
>>> runs.list_runs("runs")  # no training here yet
[]
"""

from firstlight.runs.find import find_run, list_runs
from firstlight.runs.folder import RunFolder
from firstlight.runs.machine import machine_rows

__all__ = ["RunFolder", "find_run", "list_runs", "machine_rows"]
