# SPDX-License-Identifier: Apache-2.0
"""The sockets of the client-server interface: from the bytes of strangers to complete requests, and replies back.

This file knows nothing of the runtime. Whatever comes from outside is data: it is never evaluated
or unpickled, lengths are checked before memory is taken for them, and a mistake closes the
connection that made it and nothing else. All sockets are non-blocking; somebody calls
`Server.serve` when `Server.fileno` can be read or when the time that it returned is over.

A request is four bytes with the length of the data, four with the number of a rank, the name of a
handler in 32 bytes filled up with zeros, and the data; numbers have their highest byte first. The
reply is four bytes with its length and the bytes themselves, then the server closes the connection.
"""

from __future__ import annotations

import ipaddress
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

_HEADER = struct.Struct("!Ii32s")
_LENGTH = struct.Struct("!I")

#: Longest name of a handler in bytes; a zero follows it in a request.
MAX_NAME = 31
#: Longest reply: its length must be positive for clients with signed numbers.
MAX_REPLY = 2**31 - 1
#: First bytes from here on announce a request with credentials, which is not served.
_AUTHENTICATED = 0x20

_CHUNK = 65536
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@dataclass
class Limits:
    """What a server puts up with.

    data_bytes: longest data of a request. connections: clients at a time. running: requests that
    were handed to handlers and not yet answered or put off. header_s: time for the first 40 bytes.
    stuck_s: time for the rest and for taking the reply, besides what 64 KiB/s need. half_closed_s:
    how long an answer may take for a client that has closed its side. turn_s: how long one call of
    serve() may work before it lets others go on. log_lines: per minute.
    """

    data_bytes: int = 1 << 20
    connections: int = 32
    running: int = 64
    header_s: float = 5.0
    stuck_s: float = 30.0
    half_closed_s: float = 30.0
    turn_s: float = 0.001
    log_lines: int = 20


class _Refused(Exception):
    """What a client did wrong."""


class _Client:
    """One connection: being read, then waiting for the reply, then being written."""

    def __init__(self, sock: socket.socket, peer: str, due: float) -> None:
        self.sock = sock
        self.peer = peer
        self.due: float | None = due  # close it then
        self.got = bytearray()
        self.need = _HEADER.size
        self.header: tuple[int, bytes] | None = None  # rank, name
        self.number = 0  # of the request, once it is complete
        self.reply: memoryview | None = None
        self.events = _READ


class Log:
    """At most so many lines a minute; then one that says how many are missing."""

    def __init__(self, write: Callable[[str], None], lines: int) -> None:
        self._write = write
        self._lines = lines
        self._begin = -60.0
        self._said = self._left_out = 0

    def __call__(self, now: float, text: str) -> None:
        if now - self._begin >= 60:
            if self._left_out:
                self._write(f"ccs: {self._left_out} lines like the following were left out")
            self._begin, self._said, self._left_out = now, 0, 0
        self._said += 1
        if self._said <= self._lines:
            self._write(f"ccs: {text}")
        else:
            self._left_out += 1
        if self._said == self._lines:
            self._write("ccs: no more lines of this kind for up to a minute")


class Server:
    """Listens on a port, hands requests over, sends replies.

    host, port: address to listen on; port 0: one that is free. OSError if that cannot be done.
    num_ranks: requests name one of them. deliver(number, rank, name, data): called from serve()
    with each complete request. lost(number): the client of a request that is not answered yet is
    gone; a reply to it does nothing. write_log(text): one line, already safe to show.
    """

    def __init__(
        self,
        host: str,
        port: int,
        num_ranks: int,
        deliver: Callable[[int, int, bytes, bytes], None],
        lost: Callable[[int], None],
        write_log: Callable[[str], None],
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._num_ranks = num_ranks
        self._deliver = deliver
        self._lost = lost
        self._log = Log(write_log, self._limits.log_lines)
        self._clients: set[_Client] = set()
        self._waiting: dict[int, _Client] = {}  # number of a request -> who wants the answer
        self._running: set[int] = set()  # requests whose handlers have not finished
        self._next_number = 1
        self._accepting = True
        self._listener = _listen(host, port)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._poller = selectors.DefaultSelector()
        self._poller.register(self._listener, _READ, None)

    def fileno(self) -> int:
        """A descriptor that can be read when there is something to do for serve()."""
        return self._poller.fileno()

    # ---- what the program does -------------------------------------------------------------------

    def reply(self, number: int, data: bytes) -> None:
        """Answer a request and forget it; as much as possible is sent at once."""
        self._running.discard(number)
        client = self._waiting.pop(number, None)
        if client is None:
            return
        client.reply = memoryview(_LENGTH.pack(len(data)) + data)
        client.due = self._deadline(len(data))
        self._guarded(client, self._send)

    def is_running(self, number: int) -> bool:
        """Whether the handler of a request has not finished yet."""
        return number in self._running

    def put_off(self, number: int) -> bool:
        """A handler has ended without an answer: it comes later. False if nobody waits for it any more."""
        self._running.discard(number)
        return number in self._waiting

    def refuse(self, number: int, why: str) -> None:
        """Close the connection of a request without an answer, with a line in the log."""
        self._running.discard(number)
        client = self._waiting.pop(number, None)
        if client is not None:
            self._close(client, why)

    def close(self, patience_s: float = 1.0) -> None:
        """Listen no more; replies that are on their way get so much time."""
        until = time.monotonic() + patience_s
        self._stop_accepting()
        while any(c.reply is not None for c in self._clients) and time.monotonic() < until:
            self._poller.select(0.01)
            for client in [c for c in self._clients if c.reply is not None]:
                self._guarded(client, self._send)
        for client in list(self._clients):
            self._drop(client)
        self._poller.close()
        self._listener.close()

    # ---- a turn ----------------------------------------------------------------------------------

    def serve(self) -> float | None:
        """Do what can be done now; never waits. Returns after how many seconds to call again in any case, or None."""
        end = time.monotonic() + self._limits.turn_s
        more = True
        while more and time.monotonic() < end:
            more = False
            for key, events in self._poller.select(0):
                more = True
                if key.data is None:
                    self._accept()
                elif key.data in self._clients:  # else an earlier one closed it
                    self._guarded(key.data, self._send if events & _WRITE else self._receive)
        return self._close_overdue()

    def _guarded(self, client: _Client, act: Callable[[_Client], None]) -> None:
        """Whatever goes wrong with a client is the end of that client only."""
        try:
            act(client)
        except _Refused as error:
            self._close(client, str(error))
        except OSError as error:
            self._close(client, f"the connection broke: {error.strerror or error}")

    def _close_overdue(self) -> float | None:
        now = time.monotonic()
        for client in [c for c in self._clients if c.due is not None and c.due <= now]:
            self._close(client, f"too slow: {_progress(client)}")
        due = min((c.due for c in self._clients if c.due is not None), default=None)
        return None if due is None else max(0.0, due - now)

    # ---- connections -----------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no descriptors left, or the client has gone again
            self._log(time.monotonic(), f"no connection: {error.strerror or error}")
            return
        name = f"{peer[0]} port {peer[1]}"
        now = time.monotonic()
        if len(self._clients) >= self._limits.connections and not self._make_room():
            self._log(now, f"{name}: closed, there are {self._limits.connections} connections")
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(sock, name, now + self._limits.header_s)
        self._clients.add(client)
        self._poller.register(sock, _READ, client)
        self._guarded(client, self._receive)  # mostly the request is there already

    def _make_room(self) -> bool:
        """Drop who waits longest of those that have closed their side: most of them have gone altogether."""
        waiting = (c for c in self._clients if c.number and c.reply is None and c.due is not None)
        oldest = min(waiting, key=lambda c: c.due or 0.0, default=None)
        if oldest is not None:
            self._close(oldest, "it had closed its side, and its place was needed")
        return oldest is not None

    def _stop_accepting(self) -> None:
        if self._accepting:
            self._accepting = False
            self._poller.unregister(self._listener)

    def _watch(self, client: _Client, events: int) -> None:
        if events == client.events:
            return
        if not events:
            self._poller.unregister(client.sock)
        elif not client.events:
            self._poller.register(client.sock, events, client)
        else:
            self._poller.modify(client.sock, events, client)
        client.events = events

    def _close(self, client: _Client, why: str) -> None:
        self._log(time.monotonic(), f"{client.peer}: closed, {why}")
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        self._watch(client, 0)
        client.sock.close()
        if self._waiting.pop(client.number, None) is not None:
            self._lost(client.number)

    def _deadline(self, num_bytes: int) -> float:
        return time.monotonic() + self._limits.stuck_s + num_bytes / 65536

    # ---- reading ---------------------------------------------------------------------------------

    def _receive(self, client: _Client) -> None:
        try:
            data = client.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._half_closed(client)
            return
        if client.number:
            raise _Refused("it sent more than it had announced")
        client.got += data
        if client.header is None:
            self._read_header(client)
        if client.header is not None and len(client.got) >= client.need:
            self._complete(client)

    def _half_closed(self, client: _Client) -> None:
        """The client sends no more: all right after a whole request, of which it may still take the reply."""
        if not client.number:
            raise _Refused(f"it ended the connection: {_progress(client)}")
        self._watch(client, client.events & ~_READ)
        if client.reply is None:
            client.due = time.monotonic() + self._limits.half_closed_s

    def _read_header(self, client: _Client) -> None:
        got = client.got
        if got[0] >= _AUTHENTICATED:
            raise _Refused(
                f"its first byte is 0x{got[0]:02x}: requests with credentials are not served"
            )
        if len(got) < _HEADER.size:
            return
        length, rank, name = _HEADER.unpack_from(got)
        del got[: _HEADER.size]
        if length > self._limits.data_bytes:
            raise _Refused(
                f"it announced {length} bytes of data, more than {self._limits.data_bytes} (++server-limit)"
            )
        if rank < 0:
            raise _Refused(
                f"destination {rank}: requests to several ranks are not served, name one"
            )
        if rank >= self._num_ranks:
            raise _Refused(f"there is no rank {rank}; ranks go from 0 to {self._num_ranks - 1}")
        name, zero, _rest = name.partition(b"\0")
        if not zero:
            raise _Refused(f"the name of the handler is longer than {MAX_NAME} bytes")
        client.header = rank, name
        client.need = length
        client.due = self._deadline(length)

    def _complete(self, client: _Client) -> None:
        if len(client.got) > client.need:
            raise _Refused("it sent more than it had announced")
        if len(self._running) >= self._limits.running:
            raise _Refused(f"{len(self._running)} requests wait for their handlers already")
        assert client.header is not None
        rank, name = client.header
        data = bytes(client.got)
        client.got.clear()
        client.due = None
        client.number = self._next_number
        self._next_number += 1
        self._waiting[client.number] = client
        self._running.add(client.number)
        self._deliver(client.number, rank, name, data)

    # ---- writing ---------------------------------------------------------------------------------

    def _send(self, client: _Client) -> None:
        assert client.reply is not None
        try:
            sent = client.sock.send(client.reply[: 16 * _CHUNK])
        except BlockingIOError:
            sent = 0
        client.reply = client.reply[sent:]
        if client.reply:
            self._watch(client, _WRITE)
        else:
            self._drop(client)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, also for a host that is no address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:  # a part of the name is empty or too long
        raise OSError(f"{host!r} is no name of a host") from None
    family, kind, proto, _name, address = found[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)  # served in short turns, so some wait there
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this host only."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _progress(client: _Client) -> str:
    if client.reply is not None:
        return f"{len(client.reply)} bytes of the reply are left"
    if client.number:
        return "it had closed its side, and there is no answer yet"
    if client.header is None:
        return f"{len(client.got)} of {_HEADER.size} bytes of the header came"
    return f"{len(client.got)} of {client.need} bytes of the data came"
