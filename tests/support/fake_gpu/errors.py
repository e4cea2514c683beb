"""The CUDA runtime's errors, by their numbers in driver_types.h."""

from enum import IntEnum

from fake_gpu.binding import Refused


class Error(IntEnum):
    """``cudaError_t``."""

    Success = 0
    InvalidValue = 1
    MemoryAllocation = 2
    InvalidConfiguration = 9
    InvalidDevice = 101
    InvalidImage = 200
    InvalidResourceHandle = 400
    IllegalState = 401
    SymbolNotFound = 500
    NotReady = 600
    LaunchFailure = 719
    NotSupported = 801
    StreamCaptureUnsupported = 900
    StreamCaptureInvalidated = 901
    StreamCaptureUnjoined = 904
    StreamCaptureIsolation = 905
    StreamCaptureImplicit = 906
    CapturedEvent = 907


def refuse(error: Error) -> None:
    """Let the function that C called return an error."""
    raise Refused(error)
