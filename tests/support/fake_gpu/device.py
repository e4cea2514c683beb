"""What the devices are, and the driver: modules of kernels, and their launches."""

import ctypes
from itertools import count

from fake_gpu.binding import Int, Pointer, Size, Unsigned, stands_for, write
from fake_gpu.errors import Error, refuse
from fake_gpu.memory import DEVICES, LIMIT
from fake_gpu.recording import record_kernel
from fake_gpu.streams import counts, stream_of

VERSION = 13000  # CUDA 13.0
NAME = b"NVIDIA H200 (not there)"
MOST_THREADS, MOST_SHARED = 1024, 48 << 10  # of a block; more needs a function attribute
MOST_BLOCKS = (1 << 31) - 1, 65535, 65535
ATTRIBUTES = {  # cudaDeviceAttr
    1: MOST_THREADS,
    5: MOST_BLOCKS[0],
    8: MOST_SHARED,
    10: 32,  # threads of a warp
    16: 132,  # multiprocessors
    75: 9,  # compute capability
    76: 0,
}
_handles, _modules, _functions = count(1 << 24, 16), {}, {}
load_function = None  # finds a kernel in an image, by its name: `kernels.Function`


class Properties(ctypes.Structure):
    """``cudaDeviceProp``, as far as it is used."""

    _fields_ = [
        ("name", ctypes.c_char * 256),
        ("identity", ctypes.c_char * 32),
        ("memory", Size),
        ("rest", ctypes.c_char * 712),
    ]


@stands_for
def cudaGetDeviceCount(at: Pointer):
    write(Int, at, DEVICES)


@stands_for
def cudaGetDeviceProperties(at: Pointer, device: Int):
    ctypes.memset(at, 0, ctypes.sizeof(Properties))
    found = Properties.from_address(at)
    found.name, found.memory = NAME, LIMIT


@stands_for
def cudaDeviceGetAttribute(at: Pointer, attribute: Int, device: Int):
    write(Int, at, ATTRIBUTES.get(attribute, 0))


@stands_for
def cudaDeviceGetPCIBusId(at: Pointer, length: Int, device: Int):
    ctypes.memmove(at, b"0000:%02d:00.0\0" % device, 13)


@stands_for
def cudaDeviceCanAccessPeer(at: Pointer, device: Int, peer: Int):
    write(Int, at, 0)


@stands_for
def cudaDriverGetVersion(at: Pointer):
    write(Int, at, VERSION)


@stands_for
def cudaRuntimeGetVersion(at: Pointer):
    write(Int, at, VERSION)


_texts = {error: ctypes.create_string_buffer(f"cudaError{error.name}".encode()) for error in Error}


@stands_for
def cudaGetErrorName(error: Int):
    return ctypes.addressof(_texts[Error(error)])


@stands_for
def cudaGetErrorString(error: Int):
    return cudaGetErrorName(error)


@stands_for
def cudaGetLastError():
    return Error.Success


@stands_for
def cuGetErrorName(error: Int, at: Pointer):
    write(Pointer, at, cudaGetErrorName(error))


@stands_for
def cuGetErrorString(error: Int, at: Pointer):
    write(Pointer, at, cudaGetErrorName(error))


@stands_for
def cuCtxGetCurrent(at: Pointer):
    write(Pointer, at, 1)


@stands_for
def cuModuleLoadData(at: Pointer, image: Pointer):
    handle = next(_handles)
    _modules[handle] = ctypes.string_at(image)
    write(Pointer, at, handle)


@stands_for
def cuModuleUnload(handle: Pointer):
    _modules.pop(handle, None)


@stands_for
def cuModuleGetFunction(at: Pointer, module: Pointer, name: Pointer):
    handle, name = next(_handles), ctypes.string_at(name).decode()
    try:
        _functions[handle] = load_function(_modules[module], name)
    except ValueError:
        refuse(Error.SymbolNotFound)
    write(Pointer, at, handle)


@stands_for
def cuFuncGetAttribute(at: Pointer, attribute: Int, function: Pointer):
    write(Int, at, MOST_THREADS)


@stands_for
def cuLaunchKernel(
    handle: Pointer,
    grid_x: Unsigned,
    grid_y: Unsigned,
    grid_z: Unsigned,
    block_x: Unsigned,
    block_y: Unsigned,
    block_z: Unsigned,
    shared: Unsigned,
    stream: Pointer,
    arguments: Pointer,
    more: Pointer,
):
    grid, block = (grid_x, grid_y, grid_z), (block_x, block_y, block_z)
    blocks_fit = all(0 < n <= most for n, most in zip(grid, MOST_BLOCKS, strict=True))
    if not blocks_fit or not 0 < block_x * block_y * block_z <= MOST_THREADS:
        refuse(Error.InvalidConfiguration)
    if shared > MOST_SHARED:
        refuse(Error.InvalidValue)
    function = _functions[handle]
    places = (ctypes.c_void_p * len(function.sizes)).from_address(arguments) if arguments else ()
    values = [ctypes.string_at(at, size) for at, size in zip(places, function.sizes, strict=True)]
    counts["launches"] += 1
    record_kernel(function.name, values)
    work = function.launch(grid, block, shared, values)
    stream_of(stream).put(f"kernel {function.name}", work)
