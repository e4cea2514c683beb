"""The stand-in against CuPy itself, where that is installed: it has nothing that CuPy has not."""

import numpy as np
import pytest
from standin import array, installed, module
from standin.array import METHODS, NAMES, ndarray

from firstlight.fast.cuda import kernel
from firstlight.support import backend


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy", reason="compares with CuPy")


def found(owner, path):
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner


def test_every_function_of_the_stand_in_is_cupys(cupy):
    missing = []
    for path in NAMES:
        try:
            found(cupy, path)
        except AttributeError:
            missing.append(path)
    assert not missing


def test_every_method_of_its_arrays_is_cupys(cupy):
    own = {name for name in vars(ndarray) if not name.startswith("_")} - {"device_id"}
    assert not {name for name in own | METHODS if not hasattr(cupy.ndarray, name)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("Stream", "cuda.Stream"), ("Graph", "cuda.Graph"), ("Device", "cuda.Device")],
)
def test_streams_graphs_and_devices_have_cupys_methods(ours, theirs, cupy):
    names = {name for name in vars(getattr(module, ours)) if not name.startswith("__")}
    assert not {name for name in names if not hasattr(found(cupy, theirs), name)}


def test_what_backend_and_ops_take_from_the_module_is_there(cupy):
    for path in (
        *("cuda.MemoryPool", "cuda.using_allocator", "cuda.get_current_stream"),
        *("cuda.Memory", "cuda.MemoryPointer", "cuda.set_pinned_memory_allocator"),
        *("get_default_memory_pool", "get_default_pinned_memory_pool"),
        *("cuda.runtime.getDevice", "cuda.runtime.getDeviceCount"),
        *("cuda.runtime.getDeviceProperties", "asarray", "empty", "RawModule", "is_available"),
    ):
        assert callable(found(cupy, path))
    cupy.RawModule(code=kernel.source("sums"), options=kernel.options("float32"))  # not compiled


def test_it_is_strict(monkeypatch):
    with installed(monkeypatch) as counts:
        x = backend.to_device(np.ones((2, 2), "float32"), "cuda:0")
        for broken in (
            lambda: np.asarray(x),
            lambda: x + np.ones((2, 2), "float32"),
            lambda: np.add(x, np.float32(1)),
            lambda: np.ones(2, "float32") @ x,
            lambda: np.concatenate([x, np.ones((1, 2), "float32")]),
            lambda: x.__setitem__(0, np.ones(2, "float32")),
        ):
            with pytest.raises(TypeError):
                broken()
        with (
            pytest.raises(RuntimeError, match="array of device 0 used on device 1"),
            module.Device(1),
        ):
            x + x
        assert counts.synchronisations == 0
        total = x.sum()
        assert isinstance(total, array.ndarray)
        assert total.shape == ()
        assert float(total) == 4
        assert bool(total > 3)
        assert counts.synchronisations == 2
        assert np.isnan(np.empty_like(x).get()).all()
        assert np.zeros_like(x, shape=()).shape == x.shape  # as CuPy 14.2 has it
