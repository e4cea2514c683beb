"""What every test starts from."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from fresh import spoil_fresh_memory
from nets import Line

import firstlight
from firstlight.callbacks import Plots
from firstlight.support import forms
from firstlight.support.backend import resolve_device
from firstlight.support.extras import installed

SUPPORT = Path(__file__).parent / "support"
# One process a core (pytest -n auto): a second thread of BLAS would only wait for the others. Tests
# of threads ask for two of them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("FIRSTLIGHT_BACKGROUND", "0")  # no process outlives its test
os.environ.setdefault("FIRSTLIGHT_COMPILED", "0")  # both forms are compared in test_compiled.py


# FIRSTLIGHT_FAST=0 and a tree without framework/fast test the lessons alone. Then these folders are
# skipped, which may not even be importable, and tests marked `forms`.
ABOUT_FORMS = ("framework/fast", "gpu")
NO_FORMS = "tests faster forms: FIRSTLIGHT_FAST is 0, or framework/fast is not there"
# Skipped where a package of the extra "report" is missing.
ABOUT_REPORTS = (
    "framework/tools/report/",
    "framework/tools/cli/test_report",
    "fuzz/test_fuzz_files",
)
OF_REPORTS = ("markdown_it", "mdit_py_plugins", "typst", "tylax", "segno")


class SkippedModule(pytest.Module):
    """A module of tests that is not imported."""

    reason = NO_FORMS

    def collect(self):
        pytest.skip(self.reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Skip modules about forms where there are none, and about reports without their packages."""
    inside = module_path.relative_to(Path(__file__).parent).as_posix()
    missing = [name for name in OF_REPORTS if not installed(name)]
    if missing and inside.startswith(ABOUT_REPORTS):
        module = SkippedModule.from_parent(parent, path=module_path)
        module.reason = f"needs {', '.join(missing)}: the extra report"
        return module
    folder = module_path.parent.relative_to(Path(__file__).parent).as_posix()
    if folder.startswith(ABOUT_FORMS) and not forms.has_fast():
        return SkippedModule.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(items):
    """Skip single tests about forms where there are none, and of a GPU where CuPy is missing."""
    reasons = {}
    if not forms.has_fast():
        reasons["forms"] = NO_FORMS
    if find_spec("cupy") is None:
        reasons["gpu"] = "needs CuPy, and a GPU or a fake one: make gpu-test, make fake-gpu"
    for item in items:
        for marker in reasons:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reasons[marker]))


def pytest_configure(config):
    """Give each process of pytest-xdist tests in a row: what they share is then made once."""
    if config.getoption("dist", "no") == "load":  # what -n chooses
        config.option.dist = "worksteal"


@pytest.fixture(scope="session", autouse=True)
def _no_fsync():
    """Leave writing to the disk to the system: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_torch_in_other_processes():
    """Hide PyTorch from the processes that tests start: tensorboardX imports it, for a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SUPPORT / "no_torch"), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def _bytecode_of_other_processes(tmp_path_factory):
    """Let the processes that tests start share bytecode, where none may be written to the tree."""
    if not sys.dont_write_bytecode:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp().parent / "bytecode"))
        yield


@pytest.fixture(autouse=True)
def _same_start(tmp_path, monkeypatch):
    """Seed, and run in an empty folder, so that no test sees what another one left."""
    firstlight.seed_everything(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".state"))


@pytest.fixture(autouse=True)
def _no_curves(request, monkeypatch):
    """Draw no curves when a training in this process ends: that takes longer than the training."""
    if not request.node.get_closest_marker("curves"):
        monkeypatch.setattr(Plots, "on_fit_end", lambda self: None)


@pytest.fixture(autouse=True)
def _fresh_memory(monkeypatch):
    """Fill fresh memory with NaN, if told to."""
    if os.environ.get("FIRSTLIGHT_FRESH_NAN") == "1":
        spoil_fresh_memory(monkeypatch)


@pytest.fixture(autouse=True)
def _device(monkeypatch):
    """Run on a GPU what would run on the CPU, if told to."""
    if os.environ.get("FIRSTLIGHT_TEST_DEVICE"):
        monkeypatch.setattr(
            "firstlight.trainer.resolve_device",
            lambda name: resolve_device("cuda" if name == "cpu" else name),
        )


@pytest.fixture
def counts():
    """What the fake GPU counts from here: "launches", "uploads", and "waits" of the host."""
    if "fake_gpu" not in sys.modules:
        pytest.skip("no real GPU tells how often the host waits")
    from fake_gpu import streams

    streams.counts.clear()
    return streams.counts


@pytest.fixture
def line():
    return Line


@pytest.fixture
def line_data():
    """70 samples of a linear function: with 32 a batch, the last batch is ragged."""
    x = np.random.default_rng(0).normal(size=(70, 3))
    return x, x @ np.array([[1.0], [-2.0], [0.5]]) + 0.25


@pytest.fixture
def quiet():
    """Settings of a Trainer that shows and keeps nothing."""
    return {"default_callbacks": False, "runs_dir": None}
