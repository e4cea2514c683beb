"""TCPCommunicator: ranks connected by TCP, where there is no MPI."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from firstlight.distributed.communicator import Communicator, on_host
from firstlight.distributed.rendezvous import Meeting, connect, receive_into
from firstlight.support.array import Array

SMALL = 1 << 14  # bytes that are sent whole, and that a socket's buffer takes without waiting
REDUCE = {"sum": np.add, "max": np.maximum}


class TCPCommunicator(Communicator):
    """Ranks started by ``torchrun``, or by anything that sets its environment variables.

    Each rank is connected to every other. An array is cut into one part for each rank; the rank
    receives its part of every array, reduces the parts in the order of the ranks, and sends the
    result to all: each sends and receives 2 (P - 1) / P N bytes of N. The result has the same bytes
    on every rank, and in every run. GPU arrays are copied through the host's memory.

    Parameters
    ----------
    meeting : Meeting

    Raises
    ------
    ConnectionError
        Ranks do not connect, or later: one has ended.

    References
    ----------
    Thakur, Rabenseifner and Gropp, "Optimization of Collective Communication Operations in MPICH",
    2005, section 4 (reduce-scatter and all-gather by pairwise exchange).
    """

    name = "tcp"

    def __init__(self, meeting: Meeting) -> None:
        self.rank: int = meeting.rank
        self.size: int = meeting.size
        self._peers: dict[int, socket.socket] = connect(meeting)
        hosts = self.gather(socket.gethostname())
        before = hosts[: self.rank].count(hosts[self.rank])
        self.local_rank: int = before if meeting.local_rank is None else meeting.local_rank

    def allreduce_(self, array: Array, op: str = "sum") -> None:
        """Replace an array by the sum (or "max") over all ranks' arrays, in place."""
        with on_host(array) as buffer:
            flat = buffer.reshape(-1)
            if flat.nbytes <= SMALL:
                self._reduce(flat, [flat] * self.size, op)
                return
            cuts = [flat.size * rank // self.size for rank in range(self.size + 1)]
            parts = [flat[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
            mine = parts[self.rank]
            self._reduce(mine, parts, op)
            for other in self._partners():
                self._exchange(other, _bytes(mine), _bytes(parts[other]))

    def _reduce(self, mine, parts, op):
        """Replace ``mine`` by the reduction of all ranks' arrays; send part r to rank r."""
        received = {self.rank: mine.copy()}
        for other in self._partners():
            received[other] = np.empty_like(mine)
            self._exchange(other, _bytes(parts[other]), _bytes(received[other]))
        mine[...] = received[0]
        for rank in range(1, self.size):
            REDUCE[op](mine, received[rank], out=mine)

    def bcast_(self, array: Array) -> None:
        """Replace an array by that of rank 0, in place."""
        with on_host(array) as buffer:
            if self.rank == 0:
                for other in range(1, self.size):
                    self._exchange(other, _bytes(buffer), _bytes(np.empty(0)))
            else:
                self._exchange(0, _bytes(np.empty(0)), _bytes(buffer))

    def gather(self, value: Any) -> list[Any]:
        """Return a list of every rank's value, any Python object, on every rank."""
        found, content = {self.rank: value}, pickle.dumps(value, protocol=5)
        for other in self._partners():
            length = np.zeros(1, "int64")
            self._exchange(other, _bytes(np.array([len(content)])), _bytes(length))
            theirs = bytearray(int(length[0]))
            self._exchange(other, memoryview(content), memoryview(theirs))
            found[other] = pickle.loads(theirs)
        return [found[rank] for rank in range(self.size)]

    def barrier(self) -> None:
        """Wait until every rank has called it."""
        self.gather(None)

    def abort(self, code: int = 1) -> None:
        """End this process; the others end when they notice that the connections are closed."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(code)

    def close(self) -> None:
        """Close all connections."""
        for peer in self._peers.values():
            peer.close()

    def _partners(self) -> Iterator[int]:
        """Yield the other ranks so that each exchanges with one other at a time."""
        for turn in range(self.size):
            other = (turn - self.rank) % self.size
            if other != self.rank:
                yield other

    def _exchange(self, other: int, sent: memoryview, received: memoryview) -> None:
        """Send bytes to a rank while receiving as many as a buffer holds."""
        peer = self._peers[other]
        try:
            if len(sent) <= SMALL:
                peer.sendall(sent)
                receive_into(peer, received)
                return
            sender = threading.Thread(target=_send, args=(peer, sent), daemon=True)
            sender.start()
            receive_into(peer, received)
            sender.join()
        except OSError as error:
            raise ConnectionError(
                f"rank {self.rank} of {self.size} has lost rank {other} ({error}); the output of "
                'that rank says why. resume="auto" resumes from the last checkpoint'
            ) from error


def _send(peer, sent):
    with suppress(OSError):  # receiving fails too, or the next exchange
        peer.sendall(sent)


def _bytes(array):
    return memoryview(array.reshape(-1).view(np.uint8))
