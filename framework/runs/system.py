"""The use of the machine by a training, in ``system.jsonl``: a line every 10 s.

==================  ==========================================================================
``time``            seconds since the training started, as in ``metrics.jsonl``
``seconds``         seconds that the line stands for
``cpu``             cores that this process used; 1.5 is one and a half
``memory_gb``       memory of this process
``machine_cpu``     share of the machine's cores in use, by all processes
``machine_memory``  share of the machine's memory in use
``gpu``             share of the time in which the GPU computed
``gpu_memory_gb``   memory in use on the GPU, by all processes
``gpu_watts``       power of the GPU
==================  ==========================================================================

Memory and the machine's use need psutil, the GPU's values nvidia-ml-py; ``firstlight[system]``
has both. Of several ranks, rank 0 is measured.
"""

import json
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from firstlight.runs.owner import RunTakenOver
from firstlight.support.backend import pci_bus_id
from firstlight.support.extras import installed
from firstlight.support.files import PathLike, check_guards, no_link

FILE = "system.jsonl"
INTERVAL = 10.0  # seconds
GIVE_UP = 5.0  # seconds to wait for a reading that hangs in a driver

Reader = Callable[[], dict[str, float]]


class SystemMonitor:
    """A thread that writes ``system.jsonl`` until it is stopped.

    A training of less than 5 s writes nothing. Without the packages no thread is started.

    Parameters
    ----------
    folder : path-like
        The run's folder.
    device : str
        Device of the training.
    clock : callable
        Returns the seconds since the training started.
    """

    def __init__(self, folder: PathLike, device: str, clock: Callable[[], float]) -> None:
        self.path: Path = Path(folder) / FILE
        self._device, self._clock = device, clock
        self._stopped = threading.Event()
        self._problem: Exception | None = None
        self._thread: threading.Thread | None = None
        if installed("psutil") or (device != "cpu" and installed("pynvml")):
            self._last = clock(), time.process_time()
            thread = threading.Thread(target=self._run, name="firstlight-system", daemon=True)
            with suppress(RuntimeError):  # as many threads as the system allows
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """Write a last line, end the thread, and warn if a reading has failed."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopped.set()
        thread.join(GIVE_UP)
        if self._problem is not None:
            warnings.warn(
                f"{self.path} is incomplete ({type(self._problem).__name__}: {self._problem})",
                stacklevel=2,
            )

    def _run(self):
        if self._stopped.wait(INTERVAL / 2):  # a short training need not import the packages
            return
        try:
            readers = [*_of_process(), *_of_gpu(self._device)]
            while not self._stopped.wait(INTERVAL):
                self._write(readers)
            self._write(readers)
        except RunTakenOver:
            pass  # the training says so when it stops
        except Exception as error:  # drivers raise many kinds; a training must not end by them
            self._problem = error

    def _write(self, readers):
        before, cpu_before = self._last
        self._last = now, cpu = self._clock(), time.process_time()
        seconds = max(now - before, 1e-3)
        values = {"time": now, "seconds": seconds, "cpu": (cpu - cpu_before) / seconds}
        for read in readers:
            values |= read()
        line = json.dumps({name: round(value, 3) for name, value in values.items()}) + "\n"
        check_guards(self.path)
        with open(self.path, "a", encoding="utf-8", opener=no_link) as file:
            file.write(line)


def resources(folder: PathLike) -> dict[str, float]:
    """Return the sums over a run's ``system.jsonl``; {} if it was not measured.

    Returns
    -------
    dict of str to float
        ``cpu_hours``, ``peak_memory_gb``, ``gpu_hours`` and ``gpu_kwh``, where measured.
    """
    found: dict[str, float] = {}
    try:
        lines = (Path(folder) / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # torn by a kill -9
            _add(found, json.loads(line))
    return {name: round(value, 6) for name, value in found.items()}


def resource_texts(used: dict[str, float]) -> list[tuple[str, str]]:
    """Return ``[(name, text)]`` of `resources`, for people.

    Examples
    --------
    >>> from firstlight.runs.system import resource_texts
    >>> resource_texts({"gpu_hours": 1.25, "gpu_kwh": 0.4375, "peak_memory_gb": 2.031})
    [('GPU hours', '1.25'), ('GPU energy', '0.438 kWh'), ('peak memory', '2.03 GB')]
    """
    forms = {
        "gpu_hours": ("GPU hours", "{:.3g}"),
        "gpu_kwh": ("GPU energy", "{:.3g} kWh"),
        "cpu_hours": ("CPU hours", "{:.3g}"),
        "peak_memory_gb": ("peak memory", "{:.3g} GB"),
    }
    return [(name, form.format(used[key])) for key, (name, form) in forms.items() if key in used]


def _add(found, record):
    """Add a record to the sums."""
    hours = record["seconds"] / 3600
    sums = {"cpu_hours": record["cpu"] * hours}
    if any(name.startswith("gpu") for name in record):
        sums["gpu_hours"] = hours
    if "gpu_watts" in record:
        sums["gpu_kwh"] = record["gpu_watts"] * hours / 1000
    peak = max(record.get("memory_gb", 0.0), found.get("peak_memory_gb", 0.0))
    for name, value in sums.items():
        found[name] = found.get(name, 0.0) + value
    if peak:
        found["peak_memory_gb"] = peak


def _of_process() -> list[Reader]:
    """Return the reader of this process's memory and of the machine; [] without psutil."""
    if not installed("psutil"):
        return []
    import psutil

    process = psutil.Process()
    psutil.cpu_percent()  # the next call measures from here

    def read():
        memory = psutil.virtual_memory()
        return {
            "memory_gb": process.memory_info().rss / 1e9,
            "machine_cpu": psutil.cpu_percent() / 100,
            "machine_memory": memory.percent / 100,
        }

    return [read]


def _of_gpu(device: str) -> list[Reader]:
    """Return the readers of a GPU's values; those that it does not have are left out."""
    if device == "cpu" or not installed("pynvml"):
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id(device))
    except pynvml.NVMLError:  # the driver has no such library, as on small boards
        return []
    readers: list[Reader] = [
        lambda: {"gpu": pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100},
        lambda: {"gpu_memory_gb": pynvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e9},
        lambda: {"gpu_watts": pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000},
    ]
    return [read for read in readers if _works(read, pynvml.NVMLError)]


def _works(read: Reader, error: Any) -> bool:
    try:
        read()
    except error:  # such as a slice of a GPU (MIG), which has no power of its own
        return False
    return True
