"""What CUDA refuses and when it does its work: true on a GPU, and of the fake one, too."""

import sys
from contextlib import suppress

import numpy as np
import pytest
from device_comparisons import upload_batches

from firstlight.support.backend import load_cupy, to_device, using
from firstlight.training.uploads import uploading

pytestmark = pytest.mark.gpu
GLOBAL, RELAXED = 0, 2  # cudaStreamCaptureMode
only_fake = pytest.mark.skipif("fake_gpu" not in sys.modules, reason="tests the fake GPU itself")


@pytest.fixture
def cupy():
    return load_cupy()


@pytest.fixture
def stream(cupy):
    """A stream with a kernel that it has run once, so that nothing is compiled in a capture."""
    with cupy.cuda.Stream(non_blocking=True) as stream:
        cupy.zeros(4, "float32").fill(0)
        stream.synchronize()
        yield stream


def test_what_is_captured_happens_when_the_graph_is_launched(cupy, stream):
    x = cupy.zeros(4, "float32")
    stream.synchronize()
    stream.begin_capture()
    x.fill(1)
    graph = stream.end_capture()
    assert x.sum().get() == 0
    graph.launch(stream)
    assert x.sum().get() == 4


@pytest.mark.parametrize(
    "wait",
    [
        lambda cupy, stream: stream.synchronize(),
        lambda cupy, stream: stream.done,
        lambda cupy, stream: cupy.cuda.Device().synchronize(),
    ],
    ids=["the stream is synchronised", "the stream is queried", "the device is synchronised"],
)
def test_a_capture_does_not_survive_that(cupy, stream, wait):
    stream.begin_capture()
    with suppress(cupy.cuda.runtime.CUDARuntimeError):  # CuPy keeps that of a query to itself
        wait(cupy, stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()


def test_an_event_of_a_capture_cannot_be_waited_for(cupy, stream):
    event = cupy.cuda.Event(disable_timing=True)
    stream.begin_capture()
    event.record(stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CapturedEvent"):
        event.synchronize()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()


def test_an_event_from_outside_cannot_enter_a_capture(cupy, stream):
    event = cupy.cuda.Event(disable_timing=True)
    event.record(cupy.cuda.Stream(non_blocking=True))
    stream.begin_capture()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureIsolation"):
        stream.wait_event(event)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()


@pytest.mark.parametrize("joined", [True, False])
def test_streams_that_take_part_in_a_capture_must_come_back(cupy, stream, joined):
    x, other = cupy.zeros(4, "float32"), cupy.cuda.Stream(non_blocking=True)
    there, back = (cupy.cuda.Event(disable_timing=True) for _ in range(2))
    stream.begin_capture()
    there.record(stream)
    other.wait_event(there)
    with other:
        x.fill(2)
    if joined:
        back.record(other)
        stream.wait_event(back)
        stream.end_capture().launch(stream)
        assert x.sum().get() == 8
    else:
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureUnjoined"):
            stream.end_capture()


def test_memory_is_allocated_in_a_relaxed_capture_only(cupy, stream):
    runtime = cupy.cuda.runtime
    stream.begin_capture(RELAXED)
    runtime.free(runtime.malloc(1024))
    stream.end_capture()
    stream.begin_capture(GLOBAL)
    with pytest.raises(runtime.CUDARuntimeError, match="StreamCaptureUnsupported"):
        runtime.malloc(1024)
    with pytest.raises(runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()


@pytest.mark.parametrize(("grid", "block"), [((1,), (2048,)), ((1, 65536), (32,))])
def test_a_launch_beyond_the_limits_is_refused(cupy, grid, block):
    kernel = cupy.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    with pytest.raises(cupy.cuda.driver.CUDADriverError):
        kernel(grid, block, ())


def test_an_array_of_another_device_is_refused(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two GPUs")
    x = to_device(np.ones(4), "cuda:1")
    if not cupy.cuda.runtime.deviceCanAccessPeer(0, 1):
        with cupy.cuda.Device(0), pytest.raises(ValueError, match="[Dd]evice"):
            cupy.add(x, 1)


@only_fake
def test_streams_work_as_late_as_they_may(cupy, stream):
    memory = cupy.cuda.alloc_pinned_memory(16)
    host = np.frombuffer(memory, "float32", 4)
    host[:] = 1
    x = cupy.empty(4, "float32")
    x.set(host, stream=stream)
    host[:] = 2  # which a program must not do: the copy may read it now
    assert (x.get(stream=stream) == 2).all()


def uploaded_sums():
    with using("cuda:0"), uploading("cuda:0", "float32") as upload:
        found = [upload(batch)[0].sum() for batch in upload_batches(12)]
        return [float(one) for one in found]


@only_fake
@pytest.mark.parametrize(
    ("kind", "method", "early"),
    [
        (None, None, False),
        (None, None, True),
        ("Stream", "wait_event", False),  # work does not wait for its copy
        ("Stream", "wait_event", True),  # a copy does not wait for work that reads the slot
        ("Event", "synchronize", False),  # the host does not wait for pinned memory to be read
    ],
)
def test_an_upload_needs_each_of_its_waits(cupy, monkeypatch, kind, method, early):
    expected = [x.astype("float32").sum() for x, _ in upload_batches(12)]
    if early:
        from fake_gpu import streams

        with using("cuda:0"):
            late = streams.stream_of(cupy.cuda.get_current_stream().ptr)
        monkeypatch.setattr(streams.Stream, "early", property(lambda self: self is not late))
    if kind:
        monkeypatch.setattr(getattr(cupy.cuda, kind), method, lambda *arguments: None)
    assert np.allclose(uploaded_sums(), expected, rtol=1e-5) == (kind is None)


@only_fake
def test_fresh_memory_is_full_of_nan(cupy):
    pointer = cupy.cuda.Memory(64)  # not from the pool, which gives old memory again
    x = cupy.ndarray(16, "float32", cupy.cuda.MemoryPointer(pointer, 0))
    assert np.isnan(x.get()).all()


@only_fake
def test_what_a_kernel_does_wrong_is_found(cupy):
    from fake_gpu.binding import FAULTS
    from fake_gpu.kernels import CHECKED

    code = 'extern "C" __global__ void beyond(float* x) { x[1 << 20] = 1; }'
    cupy.RawKernel(code, "beyond")((1,), (1,), (cupy.zeros(4, "float32"),))
    cupy.cuda.Device().synchronize()
    found, FAULTS[:] = list(FAULTS), []
    assert not CHECKED or found == ["beyond: outside"]


@only_fake
def test_a_missing_function_fails_the_test(cupy):
    from fake_gpu.binding import FAULTS

    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="NotSupported"):
        cupy.cuda.runtime.mallocManaged(16)
    found, FAULTS[:] = list(FAULTS), []
    assert "cudaMallocManaged: the fake GPU lacks this function" in found[0]
