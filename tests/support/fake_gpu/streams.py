"""Streams and events that run work as late as CUDA allows: when the host waits for it or asks."""

from collections import Counter, deque
from collections.abc import Callable
from itertools import count

from fake_gpu.binding import Float, Int, Pointer, Unsigned, stands_for, write
from fake_gpu.errors import Error, refuse
from fake_gpu.recording import settings

NON_BLOCKING = 1  # cudaStreamNonBlocking: neither waits for the null stream nor the reverse
SPECIAL = 2  # handles up to this one are the null stream, as legacy and per thread

counts = Counter()  # what happened: "launches", "waits", ...
_handles = count(4096, 16)
_streams, _events = {}, {}


class Capture:
    """What a stream keeps for a graph instead of doing it."""

    def __init__(self, origin: "Stream", mode: int) -> None:
        self.origin, self.mode = origin, mode
        self.nodes, self.streams, self.valid = [], {origin}, True

    def invalidate(self, error: Error) -> None:
        """Refuse a call that the capture does not survive."""
        self.valid = False
        refuse(error)


class Stream:
    """A queue of work; with ``early`` it is done as early as it may be."""

    early = False

    def __init__(self, blocking: bool) -> None:
        self.blocking, self.work = blocking, deque()
        self.queued = self.done = 0
        self.capture = None
        self.tail = self.joined = 0  # in a capture: its last node, and the last one waited for

    def put(self, name: str, work: Callable[[], None]) -> None:
        """Append work, or a node to the graph that is captured."""
        if self.capture is None:
            if self is NULL:
                for other in _streams.values():
                    if other.blocking and other.capture:
                        other.capture.invalidate(Error.StreamCaptureImplicit)
                    if other.blocking:
                        self._wait_for(other, other.queued)
            elif self.blocking:
                self._wait_for(NULL, NULL.queued)
            self._append(work)
            if self.early:
                self.run_to(self.queued)
        elif self.capture.valid:
            self.capture.nodes.append((name, work))
            self.tail = len(self.capture.nodes)
        else:
            refuse(Error.StreamCaptureInvalidated)

    def _append(self, work):
        self.work.append(work)
        self.queued += 1

    def _wait_for(self, other, place):
        self._append(lambda: other.run_to(place))

    def run_to(self, place: int) -> None:
        """Do the work that was appended up to a place."""
        while self.done < place and self.work:
            work = self.work.popleft()
            if not settings["dry"]:
                work()
            self.done += 1

    def finish(self) -> None:
        """Let the host wait for the stream, if there is something to wait for."""
        counts["waits"] += bool(self.work)
        self.run_to(self.queued)

    def run_one(self) -> None:
        """Do a little, so that asking again and again comes to an end."""
        self.run_to(self.done + 1)


class Event:
    """A place in a stream, or in a capture."""

    def __init__(self) -> None:
        self.stream, self.place, self.capture = None, 0, None

    @property
    def pending(self) -> bool:
        """True if the work before the event is not done."""
        return self.stream is not None and self.stream.done < self.place


NULL = Stream(blocking=False)


def stream_of(handle: int | None) -> Stream:
    """Return the stream of a handle."""
    if (handle or 0) <= SPECIAL:
        return NULL
    return _streams[handle] if handle in _streams else refuse(Error.InvalidResourceHandle)


def run_everything() -> None:
    """Do all work on all streams."""
    for stream in (NULL, *_streams.values()):
        stream.run_to(stream.queued)


def refuse_unless_relaxed() -> None:
    """Refuse what only a relaxed capture survives, such as allocating memory."""
    for stream in _streams.values():
        if stream.capture and stream.capture.mode != RELAXED:
            stream.capture.invalidate(Error.StreamCaptureUnsupported)


RELAXED = 2


def refuse_in_any_capture() -> None:
    """Refuse what waits for all streams."""
    for stream in _streams.values():
        if stream.capture:
            stream.capture.invalidate(Error.StreamCaptureUnsupported)


@stands_for
def cudaDeviceSynchronize():
    refuse_in_any_capture()
    counts["waits"] += 1
    run_everything()


@stands_for
def cudaStreamCreateWithPriority(at: Pointer, flags: Unsigned, priority: Int):
    handle = next(_handles)
    _streams[handle] = Stream(blocking=not flags & NON_BLOCKING)
    write(Pointer, at, handle)


@stands_for
def cudaStreamCreateWithFlags(at: Pointer, flags: Unsigned):
    cudaStreamCreateWithPriority(at, flags, 0)


@stands_for
def cudaStreamCreate(at: Pointer):
    cudaStreamCreateWithPriority(at, 0, 0)


@stands_for
def cudaStreamDestroy(handle: Pointer):
    stream = stream_of(handle)
    stream.run_to(stream.queued)
    _streams.pop(handle, None)


@stands_for
def cudaStreamSynchronize(handle: Pointer):
    stream = stream_of(handle)
    if stream.capture:
        stream.capture.invalidate(Error.StreamCaptureUnsupported)
    stream.finish()


@stands_for
def cudaStreamQuery(handle: Pointer):
    stream = stream_of(handle)
    if stream.capture:
        stream.capture.invalidate(Error.StreamCaptureUnsupported)
    stream.run_one()
    return Error.NotReady if stream.work else Error.Success


@stands_for
def cudaEventCreateWithFlags(at: Pointer, flags: Unsigned):
    handle = next(_handles)
    _events[handle] = Event()
    write(Pointer, at, handle)


@stands_for
def cudaEventCreate(at: Pointer):
    cudaEventCreateWithFlags(at, 0)


@stands_for
def cudaEventDestroy(handle: Pointer):
    _events.pop(handle, None)


@stands_for
def cudaEventRecord(handle: Pointer, stream: Pointer):
    event, stream = _events[handle], stream_of(stream)
    if stream.capture is None:
        stream.put("event", lambda: None)
    elif not stream.capture.valid:
        refuse(Error.StreamCaptureInvalidated)
    event.stream, event.capture = stream, stream.capture
    event.place = stream.tail if stream.capture else stream.queued


def _uncaptured(handle):
    event = _events[handle]
    if event.capture:
        event.capture.invalidate(Error.CapturedEvent)
    return event


@stands_for
def cudaEventQuery(handle: Pointer):
    event = _uncaptured(handle)
    if event.pending:
        refuse_unless_relaxed()
        event.stream.run_one()
    return Error.NotReady if event.pending else Error.Success


@stands_for
def cudaEventSynchronize(handle: Pointer):
    event = _uncaptured(handle)
    if event.pending:
        counts["waits"] += 1
        event.stream.run_to(event.place)


@stands_for
def cudaEventElapsedTime(at: Pointer, start: Pointer, end: Pointer):
    write(Float, at, 1.0)  # ms: there is no time here


@stands_for
def cudaStreamWaitEvent(stream: Pointer, handle: Pointer, flags: Unsigned):
    stream, event = stream_of(stream), _events[handle]
    if event.capture:
        if event.capture.origin.capture is not event.capture:
            refuse(Error.CapturedEvent)
        if stream.capture is None:  # it takes part from now on
            stream.capture = event.capture
            event.capture.streams.add(stream)
            stream.tail, stream.joined = 0, -1
        event.stream.joined = event.place
    elif stream.capture:
        stream.capture.invalidate(Error.StreamCaptureIsolation)
    elif event.stream is not None:
        other, place = event.stream, event.place
        stream.put("wait", lambda: other.run_to(place))
