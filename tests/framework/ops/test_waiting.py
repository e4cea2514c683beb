"""BLAS' threads sleep soon after a product, whichever of firstlight and NumPy came first."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

CODE = """
import time
{imports}
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
NUMPY_FIRST = "import numpy as np; np.ones((512, 512)) @ np.ones((512, 512)); import firstlight.nn"
NUMPY_LAST = "import firstlight.nn; import numpy as np"

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the setting is made on POSIX systems only"),
    pytest.mark.skipif(os.cpu_count() < 2, reason="needs two threads"),
    pytest.mark.skipif(
        all(library["internal_api"] != "openblas" for library in threadpool_info()),
        reason="NumPy does not use OpenBLAS here",
    ),
]


def milliseconds_of_waiting(imports, **setting):
    environment = {k: v for k, v in os.environ.items() if "_NUM_THREADS" not in k}
    environment |= {"OPENBLAS_NUM_THREADS": "2", **setting}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(imports=imports)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(done.stdout)


@pytest.mark.parametrize("imports", [NUMPY_FIRST, NUMPY_LAST])
def test_threads_sleep_soon(imports):
    assert min(milliseconds_of_waiting(imports) for _ in range(3)) < 6  # some 25 otherwise


def test_a_setting_of_the_user_stays():
    milliseconds = [
        milliseconds_of_waiting(NUMPY_LAST, OPENBLAS_THREAD_TIMEOUT="27") for _ in range(3)
    ]
    assert max(milliseconds) > 15
