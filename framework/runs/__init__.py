"""Runs: list, read and compare the folders that trainings write.

Examples
--------
>>> from firstlight import runs
>>> runs.list_runs("runs")  # no training here yet
[]
"""

from firstlight.runs.environment import machine_rows
from firstlight.runs.export import to_frame
from firstlight.runs.find import find_run, list_runs
from firstlight.runs.folder import RunFolder

__all__ = ["RunFolder", "find_run", "list_runs", "machine_rows", "to_frame"]
