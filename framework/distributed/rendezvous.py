"""Rendezvous: connect the ranks by TCP; they meet at rank 0, and show that they share a secret.

Messages between ranks contain pickled objects, so that only processes of the same user and job may
connect. Both sides of a connection answer the other's random challenge by a hash (HMAC) with a key.
The key is made of the job's numbers and a secret: the environment variable FIRSTLIGHT_SECRET, or a
file in the user's state folder, which the nodes of a cluster share. What is sent is not encrypted.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import time
from pathlib import Path
from typing import NamedTuple

from firstlight.support.files import write_exclusively

SECRET = "FIRSTLIGHT_SECRET"
PATIENCE = 300.0  # seconds until all ranks must have connected
ANSWER = 10.0  # seconds for the other side's answer to a challenge
# Variables that tell jobs apart, where they exist.
JOB = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT", "TORCHELASTIC_RUN_ID",
       "TORCHELASTIC_RESTART_COUNT")  # fmt: skip


class Meeting(NamedTuple):
    """A process's place among the ranks, and the address at which rank 0 listens."""

    rank: int
    size: int
    local_rank: int | None
    address: str
    port: int


def connect(meeting: Meeting, patience: float = PATIENCE) -> dict[int, socket.socket]:
    """Connect this rank to all others, and return the sockets by rank.

    Raises
    ------
    ConnectionError
        Ranks are missing, or have another secret.
    """
    end, key = time.monotonic() + patience, _key(meeting)
    rank, size, address, port = meeting.rank, meeting.size, meeting.address, meeting.port
    sockets: dict[int, socket.socket] = {}
    # Every rank listens for those of higher numbers, rank 0 at the port that all know.
    try:
        with _listening(port if rank == 0 else 0) as listener:
            own = listener.getsockname()[1]
            if rank > 0:
                sockets[0] = _call((address, port), key, rank, own, end, meeting)
            if rank == 0:
                places = _accept(listener, key, range(1, size), sockets, end)
                table = ";".join(f"{r},{host},{port}" for r, (host, port) in places.items())
                for one in sockets.values():
                    send(one, table.encode())
            else:
                rows = (row.split(",") for row in receive(sockets[0]).decode().split(";"))
                places = {int(r): (host or address, int(port)) for r, host, port in rows}
                for other in range(1, rank):
                    sockets[other] = _call(places[other], key, rank, own, end, meeting)
                _accept(listener, key, range(rank + 1, size), sockets, end)
    except BaseException:
        for one in sockets.values():
            one.close()
        raise
    for one in sockets.values():
        _tune(one)
    return sockets


def send(peer: socket.socket, content: bytes) -> None:
    """Send bytes with their length."""
    peer.sendall(len(content).to_bytes(8, "big") + content)


def receive(peer: socket.socket) -> bytes:
    """Receive what the other side has sent by `send`."""
    length = int.from_bytes(receive_into(peer, bytearray(8)), "big")
    return bytes(receive_into(peer, bytearray(length)))


def receive_into(peer: socket.socket, buffer: bytearray | memoryview) -> bytearray | memoryview:
    """Fill a buffer with received bytes, and return it."""
    view, done = memoryview(buffer), 0
    while done < len(view):
        count = peer.recv_into(view[done:])
        if count == 0:
            raise ConnectionError("the connection was closed")
        done += count
    return buffer


def _listening(port):
    """Return a socket that listens on all interfaces, of IPv6 too where it exists."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
    except OSError as error:
        raise ConnectionError(
            f"rank 0 cannot listen at port {port} ({error.strerror}); choose another MASTER_PORT"
        ) from error


def _accept(listener, key, wanted, sockets, end):
    """Accept these ranks; return host and port at which each listens, by rank."""
    missing, places = set(wanted), {}
    while missing:
        listener.settimeout(max(0.01, end - time.monotonic()))
        try:
            peer, (host, *_) = listener.accept()
        except TimeoutError:
            names = ", ".join(map(str, sorted(missing)))
            raise ConnectionError(
                f"rank {names} did not connect; was every rank started, with the same MASTER_ADDR, "
                f"MASTER_PORT, WORLD_SIZE and {SECRET}?"
            ) from None
        try:
            _authenticate(peer, key, b"listener", b"caller")
            rank, port = map(int, receive(peer).decode().split())
            if rank not in missing:
                raise ValueError
        except (OSError, ValueError):  # no rank of this job
            peer.close()
            continue
        host = host.removeprefix("::ffff:")
        # Beside rank 0; other machines reach it by rank 0's name.
        places[rank] = ("" if host in ("127.0.0.1", "127.0.1.1", "::1") else host), port
        sockets[rank] = peer
        missing.remove(rank)
    return places


def _call(place, key, rank, own, end, meeting):
    """Connect to a rank that listens, or soon will; tell it the own rank and port."""
    refused = "it does not listen"
    while True:
        try:
            peer = socket.create_connection(place, timeout=ANSWER)
        except OSError as error:
            refused = error
        else:
            try:
                _authenticate(peer, key, b"caller", b"listener")
                send(peer, f"{rank} {own}".encode())
                peer.settimeout(max(1.0, end - time.monotonic()))  # the table may take long
                return peer
            except OSError as error:
                peer.close()
                refused = error
        if time.monotonic() > end:
            raise ConnectionError(
                f"rank {rank} of {meeting.size} cannot connect to {place[0]}, port {place[1]}: "
                f"{refused}; every rank needs the same MASTER_ADDR, MASTER_PORT, WORLD_SIZE and "
                f"{SECRET}"
            )
        time.sleep(0.1)


def _authenticate(peer, key, mine, theirs):
    """Prove to the other side to have the key, and check that it has."""
    peer.settimeout(ANSWER)
    challenge = secrets.token_bytes(32)
    peer.sendall(challenge)
    asked = bytes(receive_into(peer, bytearray(32)))
    peer.sendall(hmac.digest(key, mine + asked + challenge, "sha256"))
    answer = bytes(receive_into(peer, bytearray(32)))
    if not hmac.compare_digest(answer, hmac.digest(key, theirs + challenge + asked, "sha256")):
        raise ConnectionError("it belongs to another job, or has another secret")


def _tune(peer):
    """Send small messages at once, and notice within a minute that the other machine is gone."""
    peer.settimeout(None)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # until unacknowledged data close the connection
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)


def _key(meeting):
    """Return the key of this job's ranks."""
    facts = [meeting.size, meeting.port, *(os.environ.get(name) for name in JOB)]
    return hmac.digest(_secret().encode(), repr(facts).encode(), "sha256")


def _secret():
    """Return the user's secret; it is made when it is first needed."""
    if given := os.environ.get(SECRET):
        return given
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "firstlight" / "ranks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    path = folder / "secret"
    if not path.is_file():
        write_exclusively(path, secrets.token_hex(32))
    for _ in range(50):
        if text := path.read_text(encoding="utf-8"):
            return text
        time.sleep(0.1)  # another process is writing it
    raise ConnectionError(f"{path} is empty; delete it")
