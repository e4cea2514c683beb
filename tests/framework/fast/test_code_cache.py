"""The cache of compiled code: damaged, read-only, of another numba, and used by two at once."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba", reason="needs numba")

GELU = (
    "import logging, numpy as np\n"
    "from firstlight.fast.compiled import code_cache, gelu\n"
    "logging.basicConfig(level='INFO')\n"
    "y = np.empty((2, 3), 'float32')\n"
    "gelu.exact(np.float32([-1, 0, 2]), *y)\n"
    "assert abs(y[0] - [-0.158655, 0, 1.954500]).max() < 1e-5, y\n"
    "print(gelu.exact_into.signatures)\n"
)


@pytest.fixture
def cache(tmp_path):
    """A folder for the cache of the processes that `run` starts."""
    return tmp_path / "cache"


def start(cache, code=GELU):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", code]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(cache, code=GELU):
    process = start(cache, code)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said


def code_files(cache):
    return sorted(cache.glob("compiled/numba-*/*.code"))


@pytest.mark.slow
def test_code_is_kept_and_used_again(cache):
    run(cache)
    files = code_files(cache)
    assert {path.name.partition("-")[0] for path in files} == {"gelu.exact_into", "gelu._exp"}
    before = {path: path.stat().st_mtime_ns for path in files}
    run(
        cache,
        "import numba.core.compiler as c\n"
        "def refuse(*_): raise AssertionError('compiled again')\n"
        f"c.CompilerBase.compile_extra = refuse\n{GELU}",
    )
    assert {path: path.stat().st_mtime_ns for path in code_files(cache)} == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"x" * 1000, None])
def test_damaged_code_is_compiled_again(cache, damage):
    run(cache)
    files = code_files(cache)
    for path in files:
        path.write_bytes(path.read_bytes()[:-1] + b"?" if damage is None else damage)
    assert "its checksum is wrong" in run(cache)
    assert code_files(cache) == files
    assert "checksum" not in run(cache)


@pytest.mark.slow
def test_without_a_folder_nothing_is_kept(cache):
    cache.write_text("a file where the folder would be")
    assert "compiled code is not kept in" in run(cache)
    assert cache.is_file()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_read(cache):
    run(cache)
    folder = code_files(cache)[0].parent
    folder.chmod(0o500)
    try:
        assert "compiled again" not in run(cache)
    finally:
        folder.chmod(0o700)


@pytest.mark.slow
def test_another_numba_has_another_folder(cache):
    run(cache)
    other = f"import numba\nnumba.__version__ = '0.0.1'\n{GELU}"
    assert "checksum" not in run(cache, other)
    folders = [path.name for path in sorted((cache / "compiled").iterdir())]
    assert len(folders) == 2
    assert folders[0].startswith("numba-0.0.1-cpython-")


@pytest.mark.slow
def test_another_source_has_another_folder(cache):
    code = "from pathlib import Path\nread = Path.read_bytes\n"
    code += "Path.read_bytes = lambda p: read(p) + b'#' * (p.suffix == '.py')\n" + GELU
    run(cache)
    run(cache, code)
    assert len([*(cache / "compiled").iterdir()]) == 2


@pytest.mark.slow
def test_two_processes_compile_at_once(cache):
    both = [start(cache), start(cache)]
    for process in both:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert "compiled again" not in run(cache)
    folder = code_files(cache)[0].parent
    assert {path.suffix for path in folder.iterdir()} == {".code"}


@pytest.mark.slow
def test_folders_that_no_one_uses_are_deleted(cache):
    run(cache)
    old, young = (cache / "compiled" / f"numba-0.{n}-x" for n in (1, 2))
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (1e9, 1e9))
    run(cache, "from firstlight.fast.compiled import code_cache\ncode_cache.delete_unused()")
    assert not old.exists()
    assert young.exists()
    assert code_files(cache)
