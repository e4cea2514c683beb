"""The memory of the devices: fresh memory is NaN, and copies happen as late as CUDA allows."""

import ctypes
import threading
from bisect import bisect_right, insort
from dataclasses import dataclass

from fake_gpu.binding import Int, Pointer, Size, Unsigned, stands_for, write
from fake_gpu.errors import Error, refuse
from fake_gpu.recording import record, settings
from fake_gpu.streams import NULL, counts, refuse_unless_relaxed, run_everything, stream_of

DEVICES = 2
LIMIT = 64 << 30  # bytes of a device
ALIGNMENT = 512
FRESH, PINNED, FREED = 0xFF, 0xEE, 0xDD  # what memory is full of; floats of 0xFF are NaN
TO_DEVICE, TO_HOST, ON_DEVICE, BY_ADDRESS = 1, 2, 3, 4  # cudaMemcpyKind

_c = ctypes.CDLL(None)
_c.aligned_alloc.restype = ctypes.c_void_p
_current = threading.local()
_places, _allocations = [], {}  # addresses in order; allocations by them
used = [0] * DEVICES  # bytes
most_used = [0] * DEVICES


@dataclass(frozen=True)
class Allocation:
    """A piece of memory of a device, or of pinned memory of the host (device None)."""

    start: int
    size: int
    device: int | None


def allocation_of(address: int | None) -> Allocation | None:
    """Return the allocation that holds an address, None if there is none."""
    index = bisect_right(_places, address or 0) - 1
    if index < 0:
        return None
    found = _allocations[_places[index]]
    return found if address < found.start + found.size else None


def on_device(address: int | None, size: int = 1) -> bool:
    """Return True if memory is a device's, to its last byte."""
    found = allocation_of(address)
    return (
        found is not None
        and found.device is not None
        and address + size <= found.start + found.size
    )


def current_device() -> int:
    """Return the device that this thread uses."""
    return getattr(_current, "device", 0)


def _allocate(at, size, device, fill):
    address = _c.aligned_alloc(Size(ALIGNMENT), Size(-(-max(size, 1) // ALIGNMENT) * ALIGNMENT))
    if not settings["dry"]:
        ctypes.memset(address, fill, size)
    _allocations[address] = Allocation(address, size, device)
    insort(_places, address)
    write(Pointer, at, address)


def _free(address):
    run_everything()  # as the real one, it waits for the device
    found = _allocations.pop(address, None) or refuse(Error.InvalidValue)
    _places.remove(address)
    if not settings["dry"]:
        ctypes.memset(address, FREED, found.size)
    _c.free(Pointer(address))
    return found


@stands_for
def cudaSetDevice(device: Int):
    if not 0 <= device < DEVICES:
        refuse(Error.InvalidDevice)
    _current.device = device


@stands_for
def cudaGetDevice(at: Pointer):
    write(Int, at, current_device())


@stands_for
def cudaMalloc(at: Pointer, size: Size):
    refuse_unless_relaxed()
    device = current_device()
    if used[device] + size > LIMIT:
        refuse(Error.MemoryAllocation)
    used[device] += size
    most_used[device] = max(most_used[device], used[device])
    _allocate(at, size, device, FRESH)


@stands_for
def cudaFree(address: Pointer):
    if address:
        refuse_unless_relaxed()
        found = _free(address)
        used[found.device] -= found.size


@stands_for
def cudaHostAlloc(at: Pointer, size: Size, flags: Unsigned):
    refuse_unless_relaxed()
    _allocate(at, size, None, PINNED)


@stands_for
def cudaFreeHost(address: Pointer):
    _free(address)


@stands_for
def cudaMemGetInfo(free: Pointer, total: Pointer):
    write(Size, free, LIMIT - used[current_device()])
    write(Size, total, LIMIT)


class Attributes(ctypes.Structure):
    """``cudaPointerAttributes``."""

    _fields_ = [("type", Int), ("device", Int), ("on_device", Pointer), ("on_host", Pointer)]


@stands_for
def cudaPointerGetAttributes(at: Pointer, address: Pointer):
    found = Attributes.from_address(at)
    found.type, found.device, found.on_device, found.on_host = 0, -2, None, None
    memory = allocation_of(address)
    if memory is not None:
        found.type = 1 if memory.device is None else 2
        found.device, found.on_device = memory.device or 0, address
        found.on_host = address if memory.device is None else None


@stands_for
def cudaMemcpyAsync(to: Pointer, source: Pointer, size: Size, kind: Int, stream: Pointer):
    counts["uploads"] += kind == TO_DEVICE
    device = {TO_DEVICE: [to], TO_HOST: [source], ON_DEVICE: [to, source], BY_ADDRESS: []}[kind]
    if not all(on_device(address, size) for address in device):
        refuse(Error.InvalidValue)
    record("copy", (1 + (kind == ON_DEVICE)) * size)
    queue = stream_of(stream)
    name = f"copy of {size} bytes"
    if allocation_of(source) is None and queue.capture is None:
        kept = ctypes.string_at(source, size)  # pageable memory has been read when CUDA returns
        queue.put(name, lambda: ctypes.memmove(to, kept, size))
        return
    queue.put(name, lambda: ctypes.memmove(to, source, size))
    if allocation_of(to) is None and queue.capture is None:
        queue.finish()  # and has been written, too


@stands_for
def cudaMemcpy(to: Pointer, source: Pointer, size: Size, kind: Int):
    refuse_unless_relaxed()
    cudaMemcpyAsync(to, source, size, kind, 0)
    NULL.finish()


@stands_for
def cudaMemcpyPeerAsync(
    to: Pointer, to_device: Int, source: Pointer, device: Int, size: Size, stream: Pointer
):
    cudaMemcpyAsync(to, source, size, ON_DEVICE, stream)


@stands_for
def cudaMemsetAsync(to: Pointer, value: Int, size: Size, stream: Pointer):
    counts["launches"] += 1
    if not on_device(to, size):
        refuse(Error.InvalidValue)
    record("memset", size)
    stream_of(stream).put(f"set of {size} bytes", lambda: ctypes.memset(to, value, size))


@stands_for
def cudaMemset(to: Pointer, value: Int, size: Size):
    cudaMemsetAsync(to, value, size, 0)
