"""Compile CUDA C++ with g++: the machine that runs kernels, once, and the kernels themselves.

Libraries are kept in the temporary folder, by a digest of all that they are made of.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

MACHINE = Path(__file__).with_name("machine")
# Each access to memory calls a hook of memory.cpp, and so do shifts, overflows and fixed bounds.
CHECKED = (
    "-fsanitize=thread",
    "-fsanitize=alignment,bounds,shift,integer-divide-by-zero,signed-integer-overflow",
    "-fno-builtin-memcpy",
)
LIBRARY = (
    "-std=c++17",
    "-fPIC",
    "-shared",
    "-g1",
    "-gdwarf-4",
    "-fvisibility=hidden",
    "-fno-gnu-unique",
    "-fno-threadsafe-statics",
)
KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")
DYNAMIC = re.compile(
    r"extern\s+__shared__\s+(?:__align__\s*\(\s*\d+\s*\)\s*)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;"
)
ERROR = re.compile(r"^([^\s:][^:]*):(\d+):\d+: (?:fatal )?error: (.*)$", re.M)
SMALL = re.compile(
    r"__shared__[^;]*\b(?:bool|u?char|u?short|u?int(?:8|16)_t|half|__half|__nv_bfloat16)\b"
)
INCLUDE = re.compile(r'^[ \t]*#\s*include\s*(?:<|"cupy/).*$', re.M)
OWN_INCLUDE = re.compile(r"^[ \t]*#\s*include\s*<cuda_(?:fp16|bf16)\.h>", re.M)  # in machine/half.h
VARIABLE = re.compile(
    r"\b__device__\b(?!\s+(?:static\s+)?(?:__constant__|const|constexpr)\b)"
    r"[^;(){}=<>]*[\w\]]\s*(?<!operator)[;=]"
)


class KernelCompileError(ValueError):
    """CUDA C++ that g++ cannot compile; the message shows the lines."""


def compiler() -> str | None:
    """Return the path of g++, or None."""
    return shutil.which("g++")


def kernel_names(source: str) -> list[str]:
    """Return the names of a source's kernels, templates left out."""
    code = re.sub(r"//.*", "", source)
    return [
        found[1]
        for found in KERNEL.finditer(code)
        if not re.search(r"template\s*<[^;{}]*$", code[: found.start()])
    ]


@cache
def machine_library() -> Path:
    """Return the library that runs compiled kernels; it is built on first use."""
    files = sorted(MACHINE.glob("*.cpp"))
    key = _digest(*(path.read_text("utf-8") for path in sorted(MACHINE.iterdir())))
    command = [*LIBRARY, "-fvisibility=default", "-O2", *map(str, files)]
    return _built(f"machine-{key}.so", command, "the kernel checker's machine")


@cache
def compile_kernels(
    source: str,
    options: Sequence[str] = (),
    *,
    names: Sequence[str] | None = None,
    head: str = "",
    checked: bool = True,
    flags: Sequence[str] = (),
) -> Path:
    """Compile a source with kernels to a library that `launching.Library` loads.

    Parameters
    ----------
    source : str
        CUDA C++.
    options : tuple of str
        For NVRTC; those that begin with ``-D`` or ``-I`` are used.
    names : tuple of str, optional
        Kernels, among them instances of templates, such as ``"scale<float>"``; by default all
        kernels that are no templates.
    head : str
        C++ to compile before the source, outside of the namespace in which that is.
    checked : bool
        If False, kernels run faster and nothing is checked.
    flags : tuple of str
        More options for g++.

    Returns
    -------
    Path

    Raises
    ------
    KernelCompileError
        Shows the lines of the source.
    RuntimeError
        If there is no g++.
    """
    names = kernel_names(source) if names is None else names
    entries = [f'KERNEL_ENTRY({symbol(name)}, "{name}", {name})' for name in names]
    _check_variables(source)
    body = re.sub(r"\bstatic\s+__shared__", "__shared__", OWN_INCLUDE.sub("", source))
    body = DYNAMIC.sub(r"static \1* const \2 = (\1*)kernel_dynamic_shared;", body)
    includes = INCLUDE.findall(body)  # of headers, which must not be in a namespace
    body = INCLUDE.sub("", body)
    text = "\n".join(
        [head, f'#include "{MACHINE}/cuda.h"', *includes, "namespace {", '#line 1 "kernel.cu"']
        + [body, "}", '#line 1 "entries"', *entries, ""]
    )
    item = 1 if SMALL.search(source) else 4
    used = [option for option in options if option.startswith(("-D", "-I"))]
    command = [
        *LIBRARY,
        "-O1",
        "-Werror=uninitialized",
        f"-I{MACHINE}",
        f"-DKERNEL_SHARED_ITEM={item}",
        *(CHECKED if checked else ()),
        *used,
        *flags,
    ]
    command += ["-nostdlib", "-lm", "-lc"]  # without g++'s sanitizer library
    key = _digest(
        text, *command, *(path.read_text("utf-8") for path in sorted(MACHINE.glob("*.h")))
    )
    return _built(f"{key}.so", command, " ".join(names), text, source)


def check_declaration(source: str, name: str) -> None:
    """Raise a KernelCompileError if CuPy would not find a kernel that g++ compiles.

    Parameters
    ----------
    source : str
        CUDA C++.
    name : str
        Of the kernel.
    """
    code, plain = re.sub(r"//.*", "", source), name.split("<")[0]
    found = re.search(rf"([^;{{}}]*)\b{re.escape(plain)}\s*\([^;{{}}]*\{{", code)
    head = found[1] if found else ""
    fault = None
    if found is None and "##" not in code:
        fault = f"no kernel has this name; the source has: {', '.join(kernel_names(source))}"
    elif "__global__" not in head and "##" not in code:
        fault = "it has no __global__, so it is no kernel"
    elif "__global__" in head and "void" not in head:
        fault = "a kernel returns void; pass an array for its results"
    elif 'extern "C"' not in code and "<" not in name:
        fault = 'it has no extern "C" before __global__, so CuPy does not find it by this name'
    if fault:
        raise KernelCompileError(f"{name}: {fault}")


def _check_variables(source):
    found = VARIABLE.search(re.sub(r"//.*", "", source))
    if found:
        line = found.string.count("\n", 0, found.end()) + 1
        raise KernelCompileError(
            f"kernel.cu line {line}: a __device__ variable, which the checker does not have; "
            "pass an array instead"
        )


def symbol(name: str) -> str:
    """Return the symbol of a kernel's entry in its library."""
    return "kernel_" + re.sub(r"\W", "_", name)


def _digest(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def _built(file, command, what, text="", source=""):
    folder = _folder()
    target = folder / file
    if target.exists():
        return target
    if compiler() is None:
        raise RuntimeError(
            "The kernel checker needs the compiler g++, which is not on the PATH: install it, such "
            "as by `apt install g++` or `conda install gxx`."
        )
    with tempfile.TemporaryDirectory(dir=folder) as made:
        output, code = Path(made, file), Path(made, "kernel.cpp")
        if text:
            code.write_text(text, "utf-8")
            command = [*command[:1], str(code), *command[1:]]
        done = subprocess.run(
            [compiler(), *command, "-o", str(output)],
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C"},
        )
        if done.returncode:
            raise KernelCompileError(
                f"{what}: g++ cannot compile it\n{_errors(done.stderr, source)}"
            )
        output.replace(target)
    return target


def _folder():
    folder = Path(tempfile.gettempdir(), f"firstlight-kernels-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder


def _errors(log, source):
    """Return the first errors of g++, each with its line of the source."""
    lines, shown = source.splitlines(), []
    for file, number, text in ERROR.findall(log)[:5]:
        shown.append(f"  {file} line {number}: {text}")
        if file == "kernel.cu" and 0 < int(number) <= len(lines):
            shown.append(f"    {lines[int(number) - 1].strip()}")
    return "\n".join(shown) or log
