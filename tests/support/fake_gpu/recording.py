"""What is launched, with the bytes of its arrays and the operations of its products.

This takes the place of doing it, so that large steps can be counted. An array counts once if it is
read or written, twice if it is both, and a broadcast one as it lies in memory.
"""

import math
import re
from dataclasses import dataclass
from functools import cache

import numpy as np

LAUNCHES = []
settings = {"dry": False}  # dry: record launches instead of doing them
given = []  # source and arguments of the launch that comes, if they are known: pointers tell little


@dataclass(frozen=True)
class Launch:
    """One kernel, product, copy or memset."""

    name: str
    bytes: int
    flop: int = 0
    rounding: str = ""  # of a product's factors


def record(*what: object) -> None:
    """Record a launch, if nothing is computed."""
    if settings["dry"]:
        LAUNCHES.append(Launch(*what))


def record_kernel(name: str, values: list[bytes]) -> None:
    """Record the launch of a kernel with these arguments."""
    if settings["dry"] and given:
        source, arguments = given
        pairs = zip(arguments, _times(source, name), strict=True)
        record(name, sum(count * argument.nbytes for argument, count in pairs if count))
    else:
        record(name, sum(map(_size, values)))


def _size(value):
    """Return the bytes of one of CuPy's arrays: address, size, shape and strides."""
    if not value or len(value) % 16:
        return 0  # a number, or an index
    axes = len(value) // 16 - 1
    numbers = np.frombuffer(value, np.int64)
    shape, strides = numbers[2 : 2 + axes], np.abs(numbers[2 + axes :])
    moved = [(int(n), int(step)) for n, step in zip(shape, strides, strict=True) if step]
    item = min((step for n, step in moved if n > 1), default=4)
    return item * math.prod(n for n, _ in moved)


@cache
def _times(source, function):
    """Return for each parameter of a kernel how often it counts: 2 if it is read and written."""
    code = re.sub(r"//.*", "", source)
    start = re.search(rf"void\s+(?:__launch_bounds__\(.*?\)\s+)?{function}\(([^)]*)\)", code)
    body = code[start.end() :].partition('extern "C"')[0]
    found = []
    for parameter in start[1].split(","):
        name = re.search(r"(\w+)\s*$", parameter)[1]
        read = re.search(rf"\b{name}\[(?:[^\[\]]|\[[^\]]*\])*\](?!\s*=[^=])", body)
        found.append(0 if "*" not in parameter else 2 if read and "const" not in parameter else 1)
    return found
