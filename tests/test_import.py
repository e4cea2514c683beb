"""Importing firstlight changes nothing in the process; the command sets up its own."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

from firstlight import SHORT_NAMES

TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"
CHANGES = """
import os, resource, signal, sys, warnings
import numpy as np
from threadpoolctl import threadpool_info

def state():
    pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return dict(os.environ), pools, handlers, np.geterr(), list(warnings.filters)

def page_faults():
    for round in range(4):
        if round == 1:  # the heap has grown
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        [np.ones(2**19, "float32") for _ in range(40)]  # 2 MB each
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before, loaded = state(), set(sys.modules)
import firstlight as fl
[getattr(fl, name) for name in fl.__all__]
fl.models, fl.callbacks, fl.datasets, fl.testing, fl.plugins.registry("callback")
for old, new in zip(before, state(), strict=True):
    assert old == new, (old, new)
made = [n for n in set(sys.modules) - loaded if getattr(sys.modules[n], "__spec__", None) is None]
assert all("cython" in name for name in made), made
assert sys.platform != "linux" or page_faults() > 5000  # freed memory is not kept
"""
SEEN = """
import os, sys

class Looks:
    def find_spec(self, name, path, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_THREAD_TIMEOUT"))

sys.meta_path.insert(0, Looks())
from firstlight.__main__ import main
sys.argv = ["firstlight", "data", "--help"]
main()
"""
USED = """
import sys, time
from firstlight.__main__ import main
sys.argv = ["firstlight", "--version"]
main()
import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

blas = ThreadpoolController().select(user_api="blas").lib_controllers[0]
with threadpool_limits(2, user_api="blas"):
    assert blas.num_threads == 2
    x = np.ones((512, 512), "float32")
    for _ in range(3):
        assert (x @ x == 512).all()
before = time.process_time()
time.sleep(0.1)
print(1e3 * (time.process_time() - before))
"""


def told(code, **setting):
    """Return the words that a fresh process prints."""
    environment = {k: v for k, v in os.environ.items() if k != TIMEOUT and "_NUM_THREADS" not in k}
    environment = {k: v for k, v in environment.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment | setting,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_changes_nothing_in_the_process():
    assert told(CHANGES) == []


def test_numpy_is_imported_when_it_is_first_needed():
    assert told("import sys, firstlight; print('numpy' in sys.modules)") == ["False"]


@pytest.mark.slow
def test_short_names_can_be_imported_in_every_way():
    """As statements, which do not ask the package's ``__getattr__``; there is one module each."""
    lines = ["import importlib, firstlight"]
    for short, place in SHORT_NAMES.items():
        real = f"importlib.import_module('firstlight.{place}')"
        lines += [
            f"import firstlight.{short} as name",
            f"assert name is {real} is firstlight.{short}",
            f"assert name.__name__ == name.__spec__.name == 'firstlight.{place}'",
        ]
    lines += [
        "from firstlight.tokenizers.bpe import BPETokenizer",
        "assert BPETokenizer is firstlight.tokenizers.BPETokenizer",
        "from firstlight.rng import seed_everything",
        "assert seed_everything is firstlight.seed_everything",
    ]
    assert told("\n".join(lines)) == []


@pytest.mark.parametrize(("setting", "seen"), [({}, "20"), ({TIMEOUT: "27"}, "27")])
def test_the_command_imports_numpy_with_a_short_wait_of_blas_threads(setting, seen):
    assert told(SEEN, **setting)[0] == seen


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two threads")
@pytest.mark.skipif(
    all(library["internal_api"] != "openblas" for library in threadpool_info()),
    reason="NumPy does not use OpenBLAS here",
)
def test_blas_threads_of_the_command_sleep_soon():
    """Processor time, which other processes do not add to: some 30 ms without the setting."""
    used = [float(told(USED, OPENBLAS_NUM_THREADS="2")[-1]) for _ in range(3)]
    assert min(used) < 6
