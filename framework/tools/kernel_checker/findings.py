"""Describe findings: which thread did what to which number, and the usual cure."""

import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from firstlight.tools.kernel_checker.launching import (
    DYNAMIC,
    KINDS,
    STATIC,
    CompiledKernel,
    Finding,
)

CURES = {
    "past": "Usual cause: more threads than numbers. Only a thread with i < n may read and write.",
    "before": "Usual cause: an index at the edge that is too small. Check that it is not negative.",
    "misaligned": "A float4 starts at an index that 4 divides, a double2 at an even one.",
    "read_only": "Pass an array that may be written.",
    "race": "Usual cure: __syncthreads() between the two, where all threads of the block reach it; "
    "within one warp __syncwarp().",
    "update": "Usual cure: atomicAdd where several threads add to one number; another array for "
    "the results where each reads its neighbours' numbers.",
    "atomic": "An atomic orders no plain access: read by atomicAdd(&x, 0), or wait first.",
    "wrapped": "The index fell below 0 in an unsigned type: compare before subtracting.",
    "null": "It is a null pointer: pass an array, or let the kernel not use it.",
    "blocks": "Blocks run in any order and at the same time, and no barrier holds between them. "
    "Let each block write numbers of its own, or use atomicAdd.",
    "same": "Let only one thread write it (if (threadIdx.x == 0)), or use atomicAdd.",
    "unset": "Shared memory starts with arbitrary bytes. Write it first, and then __syncthreads().",
    "barrier": "All threads of a block must reach the same __syncthreads(): no return before it, "
    "and no if around it that some do not take.",
    "lane": "The threads that the mask names must all call it, at the same place.",
    "endless": "Usual cause: a loop whose counter does not change, or that waits for a thread.",
}


GUARD = "a guard"  # a byte that tells g++ whether it has constructed an array of classes, as __half
# By the first word of what a computation yields.
UNDEFINED_CURES = {
    "a": "Usual cure: compute it in 64 bits, such as (long long)row * cols.",
    "an": "Check that the divisor is not 0.",
    "the": "Usual cause: a tile that is too small, or a loop that runs one too far.",
}


class KernelFault(RuntimeError):
    """A kernel did what it must not; ``findings`` has a sentence for each finding."""

    def __init__(self, findings: Sequence[str]):
        super().__init__("\n".join(findings))
        self.findings: list[str] = list(findings)


def describe(
    finding: Finding,
    kernel: CompiledKernel,
    grid: Sequence[int],
    block: Sequence[int],
    arrays: Sequence[Sequence[tuple[str, np.ndarray, int]]],
) -> str:
    """Return a sentence or two about a finding; "" if it is of g++'s making.

    Parameters
    ----------
    finding : Finding
    kernel : CompiledKernel
    grid, block : sequence of int
        Of the launch.
    arrays : sequence of lists of (str, numpy.ndarray, int)
        For each array of the launch the names of what it contains, with their first byte in it.
    """
    kind = KINDS[finding.kind]
    who = f"{kernel.name}, {_thread(finding, grid, block)}{_line(kernel.path, finding.at)}"
    other = _other(finding, kernel, grid, block)
    verb = "writes" if finding.write else "reads"
    if finding.atomic and kind != "race":
        verb = "changes"
    number, place = _place(finding, kernel, arrays)
    if number == GUARD:
        return ""
    cure = CURES.get(kind, "")
    if kind == "outside":
        what = f"{verb} {number}{place}"
        cure = CURES["before" if finding.offset < 0 else "past"]
        if finding.array == DYNAMIC:
            cure = "Pass its size in bytes with the launch: numbers times the bytes of each."
        if "address" in number:
            cure = "The pointer, or the index, is not what it should be."
            if 0 <= finding.offset < 4096:
                cure = CURES["null"]
        elif place and finding.offset >= 2**31:
            cure = CURES["wrapped"]
    elif kind == "misaligned":
        what = f"{verb} {finding.size} bytes at once from {number}, which is no multiple of them"
    elif kind == "read_only":
        what = f"{verb} {number}, which is read-only"
    elif kind == "race":
        what, cure = _race(finding, kernel, number, verb, other)
    elif kind == "unset":
        what = f"{verb} {number}, which no thread has written"
        if finding.array >= 0:
            cure = "The array was made without values: write each number before it is read."
    elif kind == "barrier":
        what = f"waits at __syncthreads(), but {other}"
    elif kind == "lane":
        what = _lane(finding, other)
    elif kind == "endless":
        what = "does not come to an end"
    else:
        what = f"computes {finding.text.decode(errors='replace')}"
        cure = UNDEFINED_CURES.get(finding.text.decode(errors="replace").split()[0], "")
    return f"{who}: {what}. {cure}".strip()


def _thread(finding, grid, block):
    return f"block {_axes(finding.block, grid)}, thread {_axes(finding.thread, block)}"


def _axes(number, size):
    """Return a block's or a thread's number, along all axes if there are several."""
    x, y, z = [*size, 1, 1][:3]
    if y * z == 1:
        return str(number)
    places = (number % x, number // x % y, number // x // y)
    return str(places if z > 1 else places[:2])


def _line(path, at):
    places = source_lines(path, at)
    if not places:
        return ""
    called = "".join(f", called in line {line}" for _, line in places[1:2])
    return f" ({places[0][0]} line {places[0][1]}{called})"


@cache
def source_lines(path: Path, at: int | None) -> list[tuple[str, str]]:
    """Return file and line of a place in a library's code, the innermost inlined call first.

    Parameters
    ----------
    path : pathlib.Path
        Library.
    at : int or None
        Address behind the call to a hook.
    """
    if not at:
        return []
    base = next(
        int(line.split("-")[0], 16)
        for line in Path("/proc/self/maps").read_text("utf-8").splitlines()
        if line.removesuffix(" (deleted)").endswith(str(path))  # another process built it again
    )
    command = ["addr2line", "-i", "-e", str(path), hex(at - 1 - base)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    places = re.findall(r"^(?:.*/)?([^/\n]+):(\d+)", text, re.M)
    return [place for place in places if place[0] not in MACHINE_FILES]


MACHINE_FILES = {"cuda.h", "functions.h", "half.h", "tensor_cores.h", "vectors.h"}


def _other(finding, kernel, grid, block):
    """Return the other thread of a race, or the one that has not come to a barrier."""
    if finding.other_block < 0:
        return "another block"
    if finding.other_thread < 0:
        return "another thread of the block"
    text = f"thread {_axes(finding.other_thread, block)}"
    if finding.other_block != finding.block:
        text = f"block {_axes(finding.other_block, grid)}, {text}"
    if KINDS[finding.kind] == "race":
        return text
    places = source_lines(kernel.path, finding.other_at)
    return f"{text} waits in line {places[0][1]}" if places else f"{text} has returned"


def _race(finding, kernel, number, verb, other):
    places = source_lines(kernel.path, finding.other_at)
    line = f" in line {places[0][1]}" if places else ""
    did = "wrote" if finding.other_write else "read"
    what = f"{verb} {number}, which {other} {did}{line}"
    if finding.other_block != finding.block:
        return f"{what} in the same launch", CURES["blocks"]
    kind = "same" if finding.write and finding.other_write else "race"
    if finding.atomic:
        kind = "atomic"
    elif kind == "race" and places and places[0] in source_lines(kernel.path, finding.at):
        kind = "update" if finding.array >= 0 else "race"  # one statement reads and writes
    return f"{what}, with no barrier between", CURES[kind]


def _lane(finding, other):
    if finding.other_thread == finding.thread:
        return "waits for lanes of its warp, but its mask does not name the thread itself"
    if finding.other_at or "returned" in other:
        return f"waits for lanes of its warp, but {other}"
    return f"waits for lanes of its warp, but lane {finding.other_thread % 32} does not take part"


def _place(finding, kernel, arrays):
    """Return the number that was accessed, such as "x[7]", and how far it is outside."""
    if finding.array == STATIC:
        return _shared(finding, kernel)
    if finding.array == DYNAMIC:
        where = ", which is more than shared_mem= says" if KINDS[finding.kind] == "outside" else ""
        return f"dynamic shared memory at byte {finding.offset}", where
    if finding.array < 0:
        return f"the address {finding.offset:#x}", ", where no array is"
    name, array, first = min(
        arrays[finding.array], key=lambda one: _distance(finding.offset, one[2], one[1].nbytes)
    )
    index = (finding.offset - first) // array.itemsize
    size = array.size
    if index < 0:
        return f"{name}[{index}]", f", {-index:,} before its first number"
    where = f", {index - size + 1:,} past its {size:,} numbers" if index >= size else ""
    if not where and first + array.nbytes < finding.offset + finding.size:
        where = f", of which {finding.size} bytes are more than is left of its {size:,} numbers"
    return f"{name}[{index}]", where


def _distance(offset, first, size):
    return max(first - offset, offset - first - size + 1, 0)


def _shared(finding, kernel):
    """Return the name and index of a number in static shared memory."""
    text = subprocess.run(
        ["nm", "-S", "-C", "--defined-only", str(kernel.path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    symbols = re.findall(r"^([0-9a-f]+)(?: ([0-9a-f]+))? \w (.*)$", text, re.M)
    start = next(int(at, 16) for at, _, name in symbols if name == "__bss_start")
    for at, size, name in symbols:
        first = int(at, 16) - start
        if size and first <= finding.offset < first + int(size, 16):
            index = (finding.offset - first) // finding.size
            if name.startswith("guard variable"):
                return GUARD, ""
            return f"shared {name.split('::')[-1]}[{index}]", ""
    return f"static shared memory at byte {finding.offset}", ""
