"""Compile functions with numba, and keep the machine code in the user's cache folder.

Numba's own cache is beside the source, where an upgrade deletes it and some users may not write.
It does not notice changes to a function that is called from another file, and two processes that
compile different signatures at once may exchange their code. Here the folder's name contains a
digest of all sources in `firstlight.fast.compiled`, and each compiled signature is one file with a
checksum. A file that cannot be read is compiled again, one that cannot be written is left out.
"""

import contextlib
import hashlib
import logging
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from platformdirs import user_cache_path

log: logging.Logger = logging.getLogger("firstlight")
UNUSED = 60 * 86400  # seconds after which the folder of other sources is deleted


def cached_njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function that numba compiles, or loads, when it is first called.

    Parameters
    ----------
    **options
        Of ``numba.njit``; ``nogil`` is True.
    """

    def compile_lazily(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(nogil=True, **options)(function)
        if hasattr(dispatcher, "_cache"):  # not with NUMBA_DISABLE_JIT
            dispatcher._cache = FileCache(function)
        return dispatcher

    return compile_lazily


def cached_cfunc(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function with one signature, which is compiled or loaded now; it has an address.

    Parameters
    ----------
    signature : numba signature
    **options
        Of ``numba.cfunc``.
    """

    def compile_now(function: Callable[..., Any]) -> Any:
        kinds = signature.args, signature.return_type
        compiled = CFunc(function, kinds, locals={}, options=options)
        compiled._cache = FileCache(function)
        compiled.compile()
        return compiled

    return compile_now


@cache
def folder() -> Path:
    """Return the folder of the compiled code: one for each numba, Python and state of the source.

    NUMBA_CACHE_DIR replaces the user's cache folder.
    """
    root = Path(numba.config.CACHE_DIR or user_cache_path("firstlight")) / "compiled"
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    made_by = f"numba-{numba.__version__}-{sys.implementation.cache_tag}"
    return root / f"{made_by}-{digest.hexdigest()[:16]}"


def files() -> list[Path]:
    """Return the files with compiled code."""
    return sorted(folder().glob("*.code"))


def delete_unused() -> None:
    """Delete the folders that other versions have not used for two months."""
    for other in folder().parent.glob("numba-*"):
        try:
            if other != folder() and time.time() - other.stat().st_mtime > UNUSED:
                shutil.rmtree(other)
        except OSError as error:
            log.info("%s is not deleted: %s", other, error)


class FileCache(FunctionCache):
    """The cache of one function; numba calls `load_overload` and `save_overload`.

    Parameters
    ----------
    function : callable
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._py_func = function  # of which FunctionCache._index_key takes the byte code
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(folder())

    def enable(self) -> None:
        """Do nothing: the cache is always enabled."""

    def disable(self) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing: changed sources have another folder."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled signature; None if it has to be compiled."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            content = path.read_bytes()
            checksum, code = content[:32], content[32:]
            if hashlib.sha256(code).digest() != checksum:
                raise ValueError("its checksum is wrong")
            with contextlib.suppress(OSError):  # another user's
                os.utime(path.parent)  # see delete_unused
            return CompileResult._rebuild(target_context, *pickle.loads(code))
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever is in the file
            log.info("%s cannot be used and is compiled again: %s", path, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled signature."""
        if data.library.has_dynamic_globals or any(not part.can_cache for part in data.lifted):
            return
        path = self._path(sig, data.codegen)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            code = dumps(data._reduce())
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            temporary.replace(path)
        except Exception as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            log.info("compiled code is not kept in %s: %s", path, error)

    def _path(self, sig, codegen):
        key = hashlib.sha256(repr(self._index_key(sig, codegen)).encode()).hexdigest()
        return folder() / f"{self._name}-{key[:24]}.code"
