"""``system.jsonl``: the use of the machine while a training runs."""

import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import firstlight as fl
from firstlight.runs import system
from firstlight.runs.owner import RunTakenOver
from firstlight.runs.system import SystemMonitor, resources
from firstlight.support import files
from firstlight.tools.cli.main import main

SCRIPT = """
import sys, threading
import numpy as np, firstlight as fl
from firstlight.runs import system
from nets import Line

system.INTERVAL = 0.02
names = lambda: {thread.name for thread in threading.enumerate()}

class Wait(fl.Callback):
    def on_train_epoch_end(self, trainer):
        while len(read(trainer)) < 3 * trainer.epoch:
            pass
    def on_fit_end(self, trainer):
        assert "firstlight-system" in names()

def read(trainer):
    path = trainer.run.path / system.FILE
    return path.read_text().splitlines() if path.exists() else []

x = np.random.default_rng(0).normal(size=(64, 3))
trainer = fl.Trainer(max_epochs=2, callbacks=[Wait()], default_callbacks=False, name="line")
trainer.fit(Line(), (x, x[:, :1]))
assert "firstlight-system" not in names()
"""


@pytest.fixture
def lines(tmp_path):
    def read(folder=tmp_path):
        return [json.loads(line) for line in (folder / "system.jsonl").read_text().splitlines()]

    return read


@pytest.fixture
def monitored(tmp_path, monkeypatch):
    """Monitor a device until three lines are written, and return the folder."""
    monkeypatch.setattr(system, "INTERVAL", 0.01)

    def monitor(device="cpu", until=3):
        clock = iter(range(10**9))
        path, ticks = tmp_path / "system.jsonl", threading.Event()
        watcher = SystemMonitor(tmp_path, device, lambda: float(next(clock)))
        while watcher._thread.is_alive():
            if path.exists() and path.read_text().count("\n") >= until:
                break
            ticks.wait(0.001)
        watcher.stop()
        return tmp_path

    return monitor


def test_a_run_that_another_process_took_over_gets_no_line(tmp_path, monkeypatch, recwarn):
    pytest.importorskip("psutil", reason="needs the extra system")
    monkeypatch.setattr(system, "INTERVAL", 0.001)

    def guard():
        raise RunTakenOver("taken over")

    monkeypatch.setitem(files.guards, tmp_path, guard)
    watcher = SystemMonitor(tmp_path, "cpu", time.monotonic)
    watcher._thread.join()
    watcher.stop()
    assert not list(tmp_path.iterdir())
    assert not recwarn


def test_a_script_is_measured_and_its_thread_ends(monkeypatch, lines):
    pytest.importorskip("psutil", reason="needs the extra system")
    support = os.path.dirname(sys.modules["nets"].__file__)
    monkeypatch.setenv("PYTHONPATH", support, prepend=os.pathsep)
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
    run = fl.runs.find_run("line")
    found = lines(run.path)
    assert len(found) > 6  # the last when it ends
    for line in found:
        assert set(line) == {
            *("time", "seconds", "cpu", "memory_gb", "machine_cpu", "machine_memory")
        }
        assert 0.01 < line["memory_gb"] < 100
        assert 0 <= line["machine_memory"] <= 1
    times = [line["time"] for line in found]
    seconds = [line["seconds"] for line in found]
    between = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert between == pytest.approx(seconds[1:], abs=0.0021)  # each is rounded to a millisecond
    assert sum(line["cpu"] for line in found) > 0
    used = run.summary["resources"]
    assert used == run.resources == resources(run.path)
    assert set(used) == {"cpu_hours", "peak_memory_gb"}


def test_a_short_training_and_one_without_the_packages_write_nothing(line, line_data, monkeypatch):
    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name="line")
    trainer.fit(line(), line_data)
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(system, "INTERVAL", 0.0)
    assert SystemMonitor("nowhere", "cuda:0", float)._thread is None
    trainer.fit(line(), line_data)
    for run in fl.runs.list_runs():
        assert not (run.path / "system.jsonl").exists()
        assert "resources" not in run.summary
        assert run.resources == {}


class NVML(SimpleNamespace):
    """What NVIDIA's library tells of a GPU, for machines that have none."""

    class NVMLError(Exception):
        pass

    def __init__(self, power=250_000):
        super().__init__(power=power, handles=[])

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByPciBusId(self, address):
        self.handles.append(address)
        return address

    def nvmlDeviceGetUtilizationRates(self, gpu):
        return SimpleNamespace(gpu=75)

    def nvmlDeviceGetMemoryInfo(self, gpu):
        return SimpleNamespace(used=3 * 10**9)

    def nvmlDeviceGetPowerUsage(self, gpu):
        if self.power is None:
            raise self.NVMLError("Not Supported")
        return self.power


@pytest.mark.parametrize("power", [250_000, None])
def test_a_gpu_is_measured_by_its_address(monitored, lines, monkeypatch, power):
    nvml = NVML(power)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(system, "pci_bus_id", lambda device: f"bus of {device}")
    used = resources(monitored("cuda:1"))
    assert nvml.handles == ["bus of cuda:1"]
    for line in lines():
        assert (line["gpu"], line["gpu_memory_gb"]) == (0.75, 3.0)
        assert line.get("gpu_watts") == (None if power is None else 250.0)  # a slice (MIG)
    hours = len(lines()) / 3600  # the clock of this test counts a second a line
    assert used["gpu_hours"] == pytest.approx(hours, abs=1e-6)
    assert used.get("gpu_kwh", 0) == pytest.approx(hours * (power or 0) / 1e6, abs=1e-6)


def test_a_driver_without_the_library(monitored, lines, monkeypatch):
    pytest.importorskip("psutil", reason="needs the extra system")

    def fail():
        raise nvml.NVMLError("not found")

    nvml = NVML()
    nvml.nvmlInit = fail
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monitored("cuda:0")
    assert "memory_gb" in lines()[0]
    assert not any(name.startswith("gpu") for name in lines()[0])


def test_a_reading_that_fails_is_a_warning(monitored, monkeypatch):
    nvml = NVML()
    nvml.nvmlInit = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with pytest.warns(UserWarning, match=r"system.jsonl is incomplete \(ZeroDivisionError"):
        monitored("cuda:0")


def write(path, *lines):
    (path / "system.jsonl").write_text("".join(f"{line}\n" for line in lines))


def line_of(seconds, **values):
    return json.dumps({"time": 0.0, "seconds": seconds, "cpu": 1.5} | values)


def test_sums_of_a_run_that_was_resumed_and_killed(tmp_path):
    assert resources(tmp_path) == {}
    write(
        tmp_path,
        line_of(1800, memory_gb=2.0, gpu=0.5, gpu_watts=100.0),
        '{"time": 1, "sec',  # killed while it was written
        "[1, 2]",
        line_of(1800, memory_gb=1.0, gpu=0.5, gpu_watts=300.0),
    )
    sums = {"cpu_hours": 1.5, "gpu_hours": 1.0, "gpu_kwh": 0.2, "peak_memory_gb": 2.0}
    assert resources(tmp_path) == sums


def test_hours_and_energy_are_shown(line, line_data, capsys):
    for name in ("markdown_it", "mdit_py_plugins", "typst", "tylax", "segno"):
        pytest.importorskip(name, reason="a report shows them; needs the extra report")
    from firstlight.tools.report import provenance

    trainer = fl.Trainer(max_epochs=1, default_callbacks=False, name="line")
    trainer.fit(line(), line_data)
    write(trainer.run.path, line_of(3600, memory_gb=2.0, gpu=0.5, gpu_watts=700.0))
    summary = json.loads((trainer.run.path / "summary.json").read_text())
    summary["resources"] = resources(trainer.run.path)
    (trainer.run.path / "summary.json").write_text(json.dumps(summary))
    rows = dict(provenance.timing(fl.runs.find_run("line")))
    assert (rows["GPU hours"], rows["GPU energy"]) == ("1", "0.7 kWh")
    assert main(["runs", "show", "line"]) == 0
    shown = capsys.readouterr().out
    assert "0.7 kWh" in shown
    assert f"what it printed: {trainer.run.path / 'log.txt'}" in shown
    summary["status"] = "running"  # killed: nothing was summed up
    del summary["resources"], summary["best"]
    (trainer.run.path / "summary.json").write_text(json.dumps(summary))
    assert fl.runs.find_run("line").resources["gpu_kwh"] == 0.7
