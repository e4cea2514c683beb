"""Fresh memory full of NaN, so that what is never written, or read before it is, shows.

What ``np.empty`` returns is whatever the memory held before, mostly zeros: a result that is not
written in full looks right for a while. With FIRSTLIGHT_FRESH_NAN=1 every test runs like this.
"""

import sys
import threading
from types import ModuleType

import numpy as np

from firstlight.support import forms


class Numpy(ModuleType):
    """NumPy as firstlight's modules see it; numba, whose own code is in NumPy, keeps the real."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def empty(*args, **kwargs):
        return fill(np.empty(*args, **kwargs))

    @staticmethod
    def empty_like(*args, **kwargs):
        return fill(np.empty_like(*args, **kwargs))


class Kept(threading.local):
    """What `scratch` keeps from call to call, spoilt each time that it is handed out."""

    class Buffers(dict):
        def get(self, key):
            buffer = super().get(key)
            return buffer if buffer is None else fill(buffer)

    def __init__(self):
        self.buffers = self.Buffers()

    @property
    def __dict__(self):
        return self.buffers


def spoil_fresh_memory(monkeypatch):
    """Fill with NaN what firstlight's calls of np.empty and np.empty_like return.

    The modules that numba compiles keep NumPy: it recognises ``np.int32`` by the module.
    """
    for name, module in list(sys.modules.items()):
        compiled = name.startswith("firstlight.fast.compiled.")
        if name.startswith("firstlight.") and not compiled and getattr(module, "np", None) is np:
            monkeypatch.setattr(module, "np", Numpy("numpy"))
    if forms.has_fast():
        monkeypatch.setattr("firstlight.fast.blocked.scratch._kept", Kept())


def fill(array):
    """Fill an array of NumPy's with NaN, the largest integer or True, and return it."""
    if type(array) is np.ndarray:
        kind = array.dtype.kind
        if kind in "fc":
            array.fill(np.nan)
        elif kind in "iub":
            array.fill(True if kind == "b" else np.iinfo(array.dtype).max)
    return array
