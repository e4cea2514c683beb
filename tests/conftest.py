"""What every test starts from."""

import pytest

import firstlight


@pytest.fixture(autouse=True)
def _same_start(tmp_path, monkeypatch):
    """Seed, and run in an empty folder, so that no test sees what another one left."""
    firstlight.seed_everything(0)
    monkeypatch.chdir(tmp_path)
