"""What the tests of checks share."""

import time

import pytest

SLOWER = 4  # a busy machine takes more CPU time for the same work


@pytest.fixture(autouse=True)
def generous_budgets(monkeypatch):
    """Let the searches' clocks of CPU time run slowly: no test goes by the speed of a machine."""
    for name in ("thread_time", "process_time"):
        clock = getattr(time, name)
        monkeypatch.setattr(time, name, lambda clock=clock: clock() / SLOWER)
