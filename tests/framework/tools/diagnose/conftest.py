"""What the tests of checks share."""

import time

import pytest

SLOWER = 4  # a busy machine takes more CPU time for the same work


@pytest.fixture
def generous_budgets(monkeypatch):
    """Let the clocks of CPU time run slowly, so that a search ends however busy the machine is."""
    for name in ("thread_time", "process_time"):
        clock = getattr(time, name)
        monkeypatch.setattr(time, name, lambda clock=clock: clock() / SLOWER)
