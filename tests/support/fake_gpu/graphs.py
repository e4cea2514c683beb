"""Captures and graphs: what is captured is not done, and a graph does it each time."""

import ctypes
from itertools import count
from pathlib import Path

from fake_gpu.binding import Int, Pointer, Size, Unsigned, stands_for, write
from fake_gpu.errors import Error, refuse
from fake_gpu.streams import NULL, Capture, counts, run_everything, stream_of

NONE, ACTIVE, INVALIDATED = range(3)  # cudaStreamCaptureStatus
_handles, _graphs = count(1 << 20, 16), {}  # graphs, and instances of them: lists of nodes


@stands_for
def cudaStreamBeginCapture(handle: Pointer, mode: Int):
    stream = stream_of(handle)
    if stream is NULL:
        refuse(Error.StreamCaptureUnsupported)
    if stream.capture:
        refuse(Error.IllegalState)
    stream.capture = Capture(stream, mode)


@stands_for
def cudaStreamEndCapture(handle: Pointer, at: Pointer):
    write(Pointer, at, 0)
    origin = stream_of(handle)
    capture = origin.capture
    if capture is None or capture.origin is not origin:
        refuse(Error.IllegalState)
    for stream in capture.streams:
        stream.capture = None
    if not capture.valid:
        refuse(Error.StreamCaptureInvalidated)
    if any(stream.joined < stream.tail for stream in capture.streams - {origin}):
        refuse(Error.StreamCaptureUnjoined)
    _new(at, capture.nodes)


def _new(at, nodes):
    handle = next(_handles)
    _graphs[handle] = nodes
    write(Pointer, at, handle)


@stands_for
def cudaStreamIsCapturing(handle: Pointer, at: Pointer):
    capture = stream_of(handle).capture
    write(Int, at, NONE if capture is None else ACTIVE if capture.valid else INVALIDATED)


@stands_for
def cudaGraphInstantiate(at: Pointer, graph: Pointer, flags: Size):
    counts["graphs"] += 1
    _new(at, _graphs[graph])


@stands_for
def cudaGraphLaunch(handle: Pointer, stream: Pointer):
    nodes = _graphs[handle]
    counts["launches"] += 1

    def run():
        for _, work in nodes:
            work()

    stream_of(stream).put("graph", run)


@stands_for
def cudaGraphUpload(handle: Pointer, stream: Pointer):
    pass


@stands_for
def cudaGraphDestroy(handle: Pointer):
    _graphs.pop(handle, None)


@stands_for
def cudaGraphExecDestroy(handle: Pointer):
    run_everything()
    _graphs.pop(handle, None)


@stands_for
def cudaGraphDebugDotPrint(handle: Pointer, path: Pointer, flags: Unsigned):
    names = "\n".join(name for name, _ in _graphs[handle])
    Path(ctypes.string_at(path).decode()).write_text(f"digraph {{\n{names}\n}}\n")
