"""A team: threads that share the chunks of a compiled job without taking the interpreter's lock.

`firstlight.fast.blocked.parallel` hands Python functions to Python threads, which takes 100 µs. A
job for a team is a compiled function and the address of its arguments. Its threads wait awake for a
while after each job, so that the next one starts within a microsecond, and then sleep.

A job has a number of chunks, and each thread takes the next one as long as any are left. A thread
that is late or asleep does not delay the others. Chunks must not depend on each other, nor on the
thread that runs them, so that results are reproducible.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from firstlight.fast.compiled.code_cache import cached_njit
from firstlight.support.array import Array

# Words of a team's state; those that several threads write are in cache lines of their own.
TICKET, DONE, FUNCTION, JOB, CHUNKS, BUSY, ASLEEP, WORDS = 0, 8, 16, 17, 18, 24, 32, 40
LEFT = 2**32 - 1  # in a ticket: the chunks left; above it the number of the job
PATIENCE = 1_000  # times that a waiting thread looks before it offers its core to others, 20 µs
AWAKE = 3_000  # times that an idle thread looks before it sleeps, 1 to 2 ms

_WORD = ir.IntType(64)
_PAUSE = {
    **dict.fromkeys(("x86_64", "AMD64"), ("llvm.x86.sse2.pause", ())),
    **dict.fromkeys(("aarch64", "arm64"), ("llvm.aarch64.hint", (ir.IntType(32)(1),))),
}

_system = ctypes.windll.kernel32 if os.name == "nt" else ctypes.CDLL(None)
_give_way = getattr(_system, "SwitchToThread" if os.name == "nt" else "sched_yield")
YIELD = "firstlight_yield"
llvmlite.binding.add_symbol(YIELD, ctypes.cast(_give_way, ctypes.c_void_p).value)
_yield = types.ExternalFunction(YIELD, types.int32())

chunk_signature = types.void(types.int64, types.int64, types.int64)  # (job, chunk, thread)


def _pointer(builder, address):
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def _read(_, address):
    def write(context, builder, signature, values):
        return builder.load_atomic(_pointer(builder, values[0]), "seq_cst", 8)

    return types.int64(types.int64), write


@intrinsic
def _write(_, address, value):
    def write(context, builder, signature, values):
        builder.store_atomic(values[1], _pointer(builder, values[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), write


@intrinsic
def _add(_, address, value):
    def write(context, builder, signature, values):
        return builder.atomic_rmw("add", _pointer(builder, values[0]), values[1], "seq_cst")

    return types.int64(types.int64, types.int64), write


@intrinsic
def _exchange(_, address, expected, value):
    """Write a value if the word is as expected, and return whether it was."""

    def write(context, builder, signature, values):
        pair = builder.cmpxchg(_pointer(builder, values[0]), *values[1:], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64), write


@intrinsic
def _pause(_):
    def write(context, builder, signature, values):
        name, values = _PAUSE.get(platform.machine(), (None, ()))
        if name is not None:
            kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)
        return context.get_dummy_value()

    return types.void(), write


@intrinsic
def _call(_, function, job, chunk, thread):
    """Call the compiled function at an address."""

    def write(context, builder, signature, values):
        kind = ir.FunctionType(ir.VoidType(), [_WORD] * 3)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), write


@cached_njit()
def run(state: Array, function: int, job: int, chunks: int) -> None:
    """Call ``function(job, chunk, thread)`` for each chunk, in the threads of a team.

    Without a team, that is with an empty ``state``, and while another thread uses the team, this
    thread makes all the calls.
    """
    at = state.ctypes.data
    if state.size == 0 or chunks == 1 or not _exchange(at + 8 * BUSY, 0, 1):
        for chunk in range(chunks):
            _call(function, job, chunk, 0)
        return
    _write(at + 8 * FUNCTION, function)
    _write(at + 8 * JOB, job)
    _write(at + 8 * CHUNKS, chunks)
    _write(at + 8 * DONE, 0)
    number = (_read(at + 8 * TICKET) >> 32) + 1
    _write(at + 8 * TICKET, (number << 32) | chunks)
    while _take(at, 0):
        pass
    waited = 0
    while _read(at + 8 * DONE) < chunks:
        waited = _wait(waited)
    _write(at + 8 * BUSY, 0)


@cached_njit()
def _take(at, thread):
    """Take a chunk and run it; return False if none is left."""
    while True:
        ticket = _read(at + 8 * TICKET)
        left = ticket & LEFT
        if left == 0:
            return False
        if _exchange(at + 8 * TICKET, ticket, ticket - 1):
            # The job cannot change before this chunk is done.
            chunk = _read(at + 8 * CHUNKS) - left
            _call(_read(at + 8 * FUNCTION), _read(at + 8 * JOB), chunk, thread)
            _add(at + 8 * DONE, 1)
            return True


@cached_njit()
def _wait(times):
    """Wait a little, after so many times; return their new number."""
    if times < PATIENCE:
        _pause()
    else:
        _yield()
    return times + 1


@cached_njit()
def _serve(state, thread):
    """Run chunks until there have been none for a while."""
    at, idle = state.ctypes.data, 0
    while idle < AWAKE:
        idle = 0 if _take(at, thread) else _wait(idle)


_callback = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)
_teams = {}
_NOBODY = np.empty(0, "int64")


def state_of(threads: int) -> Array:
    """Return the state of a team of so many threads, for `run`; wake those that sleep."""
    if threads == 1:
        return _NOBODY
    if threads not in _teams:
        _teams[threads] = Team(threads)
    return _teams[threads].ready()


def call(function: Callable[[int], Any], count: int, threads: int) -> None:
    """Call a Python function with 0 ... count - 1 in the threads of a team.

    Raises
    ------
    BaseException
        The first one that a call has raised, when all have ended.
    """
    failures = []

    def chunk(_, index, __):
        try:
            function(index)
        except BaseException as failure:
            failures.append(failure)

    callback = _callback(chunk)
    # Unlike ctypes.cast, this makes no reference cycle, which would keep the function's arrays.
    address = ctypes.c_void_p.from_buffer(callback).value
    run(state_of(threads), address, 0, count)
    if failures:
        raise failures[0]


class Team:
    """Threads besides the caller's, and the state that they share."""

    def __init__(self, threads: int) -> None:
        self.state = _aligned(WORDS)
        _serve(self.state, 0)  # compiles it, in this thread
        self._alarms = [SimpleQueue() for _ in range(threads - 1)]
        for number, alarm in enumerate(self._alarms, 1):
            name = f"firstlight-team-{number}"
            threading.Thread(
                target=self._work, args=(number, alarm), name=name, daemon=True
            ).start()

    def ready(self) -> Array:
        """Wake the threads that sleep, and return the state, for `run`."""
        if self.state[ASLEEP]:
            for number, alarm in enumerate(self._alarms, 1):
                if self.state[ASLEEP + number]:
                    self.state[ASLEEP + number] = 0
                    alarm.put(None)
            self.state[ASLEEP] = 0
        return self.state

    def _work(self, number, alarm):
        while True:
            self.state[ASLEEP + number] = 1
            self.state[ASLEEP] = 1
            alarm.get()
            _serve(self.state, number)


def _aligned(words):
    memory = np.zeros(words + 8, "int64")
    start = -memory.ctypes.data % 64 // 8
    return memory[start : start + words]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_teams.clear)  # a forked process does not have these threads
