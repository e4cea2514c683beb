"""Where a kernel finds its arrays: so far apart that an index does not lead from one to another."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.array_utils import byte_bounds

from firstlight.tools.kernel_checker.launching import CheckedArray

GAP = 64 << 20  # bytes of address space beside each array; they take no memory
ALIGNMENT = 512  # as CuPy's


@dataclass
class Region:
    """Host memory of one array, or of several that overlap, and where the kernel finds it.

    Attributes
    ----------
    start, stop : int
        Addresses on the host.
    arrays : list of (str, numpy.ndarray, bool)
        With their names, and whether the kernel only reads them.
    place : numpy.ndarray
        The bytes that the kernel works on.
    """

    start: int
    stop: int
    arrays: list[tuple[str, np.ndarray, bool]] = field(default_factory=list)
    place: np.ndarray = None

    @property
    def writable(self) -> bool:
        """Return True if the kernel may write to it."""
        return any(array.flags.writeable and not constant for _, array, constant in self.arrays)

    def address_of(self, array: np.ndarray) -> int:
        """Return the address of an array's first number for the kernel."""
        return self.place.ctypes.data + array.ctypes.data - self.start

    def checked(self) -> CheckedArray:
        """Return what the machine must know."""
        sizes = [array.itemsize & -array.itemsize for _, array, _ in self.arrays]  # powers of two
        size = self.stop - self.start
        return CheckedArray(self.place.ctypes.data, size, min(sizes), self.writable)

    def host_bytes(self) -> np.ndarray:
        """Return the host's memory as bytes."""
        interface = {"data": (self.start, False), "shape": (self.stop - self.start,)}
        owners = [array for _, array, _ in self.arrays]
        return np.asarray(_Bytes(interface | {"typestr": "|u1", "version": 3}, owners))


class _Bytes:
    def __init__(self, interface, owner):
        self.__array_interface__, self.owner = interface, owner  # which keeps the memory


def regions(named: Sequence[tuple[str, np.ndarray, bool]]) -> list[Region]:
    """Return the regions of host memory of arrays; those that overlap have one together."""
    found = []
    for start, stop, one in sorted(((*byte_bounds(one[1]), one) for one in named), key=_start):
        if found and start < found[-1].stop:
            found[-1].stop = max(found[-1].stop, stop)
        else:
            found.append(Region(start, stop))
        found[-1].arrays.append(one)
    return found


def _start(region):
    return region[0]


class DeviceMemory:
    """Address space that is kept from launch to launch."""

    def __init__(self):
        self.space: np.ndarray | None = None

    def copy_in(self, found: Sequence[Region]) -> None:
        """Give each region its place and copy the host's memory to it."""
        sizes = [-(-(region.stop - region.start) // ALIGNMENT) * ALIGNMENT for region in found]
        needed = sum(sizes) + GAP * (len(found) + 1)
        if self.space is None or self.space.size < needed:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
            self.space = np.frombuffer(mmap.mmap(-1, needed, flags=flags), np.uint8)
        offset = GAP
        for region, size in zip(found, sizes, strict=True):
            shift = region.start % ALIGNMENT  # a view into an array begins where it begins
            region.place = self.space[offset + shift :][: region.stop - region.start]
            region.place[...] = region.host_bytes()
            offset += size + GAP

    def copy_out(self, found: Sequence[Region]) -> None:
        """Copy what a kernel has written back to the host."""
        for region in found:
            if region.writable:
                region.host_bytes()[...] = region.place
