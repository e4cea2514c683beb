"""numba is imported by networks that repay it, and by no others; without it, NumPy's forms run."""

import json
import os
import subprocess
import sys

import pytest

DIGITS = (
    "import json, sys, firstlight as fl\n"
    "data = fl.datasets.load('digits')\n"
    "trainer = fl.Trainer(max_epochs=2, default_callbacks=False, runs_dir=None)\n"
    "trainer.fit(fl.models.MLP(64, 10, hidden={hidden}), data)\n"
    "trainer.test(trainer.module, data)\n"
    "import numpy as np\n"
    "trainer.module(np.zeros((100, 64), 'float32'))\n"
    "used = sys.modules.get('numba') is not None\n"
    "print(json.dumps([used, trainer.validate(trainer.module, data)['val_acc']]))\n"
)
SMALL, LARGE = [256, 128], [512, 256]


def trained(hidden, before="", **environment):
    """Return whether a training in a process of its own has imported numba, and its accuracy."""
    environment = {**os.environ, "FIRSTLIGHT_COMPILED": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", before + DIGITS.format(hidden=hidden)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return *json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_network_of_the_quick_start_does_not_import_numba():
    used, accuracy, _ = trained(SMALL)
    assert not used
    assert accuracy > 0.8


@pytest.mark.slow
def test_a_larger_network_does():
    pytest.importorskip("numba", reason="needs numba")
    used, accuracy, _ = trained(LARGE)
    assert used
    assert accuracy > 0.8


def test_a_larger_network_does_not_if_told_so():
    used, accuracy, _ = trained(LARGE, FIRSTLIGHT_COMPILED="0")
    assert not used
    assert accuracy > 0.8


def test_without_numba_the_forms_of_numpy_run():
    hidden = "import importlib.util as u, sys\n"
    hidden += (
        "find = u.find_spec\nu.find_spec = lambda n, *a: None if n == 'numba' else find(n, *a)\n"
    )
    hidden += "sys.modules['numba'] = None\n"
    used, accuracy, said = trained(LARGE, hidden)
    assert not used
    assert accuracy > 0.8
    assert "numba" not in said


def test_a_numba_that_cannot_be_imported_is_named_once():
    used, accuracy, said = trained(
        LARGE,
        "import sys, types\n"
        "class Refuses:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numba':\n"
        "            import importlib.machinery as m\n"
        "            return m.ModuleSpec(name, self)\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): raise ImportError('Numba needs NumPy 2.3 or less')\n"
        "sys.meta_path.insert(0, Refuses())\n",
    )
    assert not used
    assert accuracy > 0.8
    assert said.count("numba cannot be imported, and slower forms are used: Numba needs NumPy") == 1
