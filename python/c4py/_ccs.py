# SPDX-License-Identifier: Apache-2.0
"""Clients outside of the job (CCS): handlers by name on every rank, and the server on rank 0 that brings their requests.

The way of a request: the scheduler of rank 0 looks at the server's sockets between messages, about
every 10 ms; a complete request goes as a call of `CcsAgent.request` to the rank that it names; the
agent runs the handler there, outside of coroutines; the reply goes back as a call and is written on
rank 0. Nothing that a client sends is unpickled or evaluated: handlers get bytes.
"""

from __future__ import annotations

import inspect
import struct
import sys
from collections.abc import Callable
from typing import Any

from . import _c4py
from ._c4py import Chare
from ._ccs_server import MAX_NAME, MAX_REPLY, Limits, Log, Server, is_loopback
from ._chare import is_coroutine
from ._errors import Charm4PyError, format_exception

Handler = Callable[[bytes], Any]

#: Exit status when the server cannot be had.
_NO_SERVER = 69
#: How many answered requests are remembered, to say so when one is answered again.
_REMEMBERED = 1024


class CcsToken:
    """Stands for a request that is answered later; made by ``charm.CcsDelayReply()``. Valid on the rank that made it."""

    __slots__ = ("_number", "_rank")

    def __init__(self, rank: int, number: int) -> None:
        self._rank = rank
        self._number = number

    def __repr__(self) -> str:
        return f"<CcsToken of request {self._number} on rank {self._rank}>"


class CcsAgent(Chare):
    """The ear of the client-server interface on each rank: its methods are messages to and from rank 0."""

    def request(self, number: int, name: bytes, data: bytes) -> None:
        """Rank 0 has a request for this rank."""
        ccs._run(self.thisProxy[0], number, name, data)

    def answered(self, number: int, data: bytes) -> None:
        """To rank 0: the reply."""
        ccs._answered(number, data)

    def put_off(self, number: int) -> None:
        """To rank 0: the handler has ended and will answer later."""
        ccs._put_off(number)

    def refused(self, number: int, why: str) -> None:
        """To rank 0: there will be no answer."""
        ccs._refused(number, why)

    def lost(self, number: int) -> None:
        """From rank 0: nobody waits for this answer any more."""
        ccs._delayed.pop(number, None)


class _Request:
    """The request whose handler runs."""

    def __init__(self, origin: Any, number: int) -> None:
        self.origin = origin  # the agent on rank 0
        self.number = number
        self.state = ""  # what became of it: "", "answered" or "delayed"


class Ccs:
    """Handlers and requests of this rank; on rank 0 the server, too."""

    def __init__(self) -> None:
        self._handlers: dict[bytes, Handler] = {}
        self._now: _Request | None = None
        self._delayed: dict[int, Any] = {}  # request -> agent on rank 0
        self._done: dict[int, None] = {}  # the last ones of those that were answered late
        self._server: Server | None = None
        self._agents: Any = None
        self._failures = Log(_write_block, 10)
        self._ranks_of: dict[int, int] = {}  # on rank 0: requests that are put off -> who answers

    # ---- handlers --------------------------------------------------------------------------------

    def register(self, name: str | bytes, handler: Handler) -> None:
        """See ``charm.CcsRegisterHandler``."""
        key = _key(name, "CcsRegisterHandler")
        if not key or len(key) > MAX_NAME or b"\0" in key:
            raise Charm4PyError(
                f"CcsRegisterHandler: the name {name!r} must have 1 to {MAX_NAME} bytes, none of them zero"
            )
        if not callable(handler):
            raise TypeError(
                f"CcsRegisterHandler: the handler must be a function, not {type(handler).__name__}"
            )
        if inspect.iscoroutinefunction(handler) or is_coroutine(handler):
            raise Charm4PyError(
                f"CcsRegisterHandler: {getattr(handler, '__qualname__', handler)} is a coroutine, but handlers must "
                "not wait; register a plain function that takes charm.CcsDelayReply() and calls the coroutine "
                "through a proxy"
            )
        self._handlers[key] = handler

    def call(self, name: str | bytes, data: Any) -> Any:
        """See ``charm.callHandler``."""
        handler = self._handlers.get(_key(name, "callHandler"))
        if handler is None:
            known = ", ".join(sorted(repr(_text(k)) for k in self._handlers)) or "none"
            raise Charm4PyError(
                f"callHandler: rank {_c4py.rank()} has no handler {name!r}; those registered here: {known}"
            )
        return handler(data)

    def _run(self, origin: Any, number: int, name: bytes, data: bytes) -> None:
        """Run a handler for a client. What it raises is the end of the connection, not of the program."""
        handler = self._handlers.get(name)
        if handler is None:
            self._tell(
                origin, number, "refused", f"rank {_c4py.rank()} has no handler {_text(name)!r}"
            )
            return
        request = self._now = _Request(origin, number)
        try:
            handler(data)
        except Exception as error:
            self._log_failure(name, error)
            self._delayed.pop(number, None)
            if request.state != "answered":
                text = f"the handler {_text(name)!r} failed on rank {_c4py.rank()}"
                self._tell(origin, number, "refused", text)
        else:
            if not request.state:
                self._tell(origin, number, "answered", b"")
            elif request.state == "delayed" and number not in self._done:
                self._tell(origin, number, "put_off")
        finally:
            self._now = None

    def _log_failure(self, name: bytes, error: Exception) -> None:
        """Like other lines about clients not without limit: clients may be what makes it fail."""
        self._failures(
            _c4py.time_s(),
            f"rank {_c4py.rank()}: the handler {_text(name)!r} failed, its client gets no answer, "
            f"the program goes on:\n{format_exception(error)}",
        )

    def _tell(self, origin: Any, number: int, what: str, *args: Any) -> None:
        """Say what became of a request: on rank 0 directly, so that an exit that follows does not overtake it."""
        if _c4py.rank() == 0:
            getattr(self, f"_{what}")(number, *args)
        else:
            getattr(origin, what)(number, *args)

    # ---- what handlers call ----------------------------------------------------------------------

    def send_reply(self, data: Any) -> None:
        """See ``charm.CcsSendReply``."""
        reply = _reply_bytes(data, "CcsSendReply")
        request = self._need_request("CcsSendReply")
        request.state = "answered"
        self._tell(request.origin, request.number, "answered", reply)

    def delay_reply(self) -> CcsToken:
        """See ``charm.CcsDelayReply``."""
        request = self._need_request("CcsDelayReply")
        request.state = "delayed"
        self._delayed[request.number] = request.origin
        return CcsToken(_c4py.rank(), request.number)

    def send_delayed_reply(self, token: Any, data: Any) -> None:
        """See ``charm.CcsSendDelayedReply``."""
        if not isinstance(token, CcsToken):
            raise TypeError(
                f"CcsSendDelayedReply needs what CcsDelayReply() returned, not {type(token).__name__}"
            )
        if token._rank != _c4py.rank():
            raise Charm4PyError(
                f"CcsSendDelayedReply: the request is to be answered on rank {token._rank}, where CcsDelayReply() was "
                f"called, not on rank {_c4py.rank()}"
            )
        reply = _reply_bytes(data, "CcsSendDelayedReply")
        number = token._number
        if number in self._done:
            raise Charm4PyError("CcsSendDelayedReply: this request has been answered already")
        self._done[number] = None
        if len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]
        origin = self._delayed.pop(number, None)
        if origin is not None:  # else its client has gone
            self._tell(origin, number, "answered", reply)

    def is_remote_request(self) -> bool:
        """See ``charm.CcsIsRemoteRequest``."""
        return self._now is not None

    def waits(self, token: CcsToken) -> bool:
        """Whether the client of a request on this rank still waits, as far as is known here."""
        return token._number in self._delayed

    def _need_request(self, what: str) -> _Request:
        request = self._now
        if request is None:
            raise Charm4PyError(
                f"{what}: no request is being handled on rank {_c4py.rank()}; call it while a handler runs for a "
                "client, or answer later with CcsDelayReply() and CcsSendDelayedReply()"
            )
        if request.state:
            raise Charm4PyError(f"{what}: this request has been {request.state} already")
        return request

    # ---- the server, on rank 0 -------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int] | None:
        """Where the server listens: (host, port)."""
        return self._server.address if self._server is not None else None

    def listen(self, host: str, port: int, limits: Limits) -> None:
        """Open the server on rank 0 and print where it is; ends the job with status 69 if that is impossible."""
        try:
            self._server = Server(
                host,
                port,
                _c4py.num_ranks(),
                self._deliver,
                self._lost,
                lambda text: _c4py.log("warn", text),
                limits,
            )
        except OSError as error:
            _c4py.abort(
                f"the server cannot listen on {host}, port {port} (++server-host, ++server-port): "
                f"{error.strerror or error}",
                _NO_SERVER,
            )
            return
        shown, chosen = self._server.address
        print(f"ccs: Server IP = {shown}, Server port = {chosen} $", flush=True)
        if not is_loopback(shown):
            _c4py.log(
                "warn",
                f"ccs: whoever reaches {shown}, port {chosen}, can call the handlers of this program: "
                "there are no passwords",
            )

    def attach(self, agents: Any) -> None:
        """From now on requests are served. agents: the group of CcsAgent."""
        self._agents = agents
        assert self._server is not None
        _c4py.listen_outside(self._server.fileno(), self._server.serve)

    def close(self) -> None:
        """The program has ended: the last replies go out, nothing is listened to any more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _deliver(self, number: int, rank: int, name: bytes, data: bytes) -> None:
        if name == b"ccs_getinfo":
            ranks = _c4py.num_ranks()
            self._answered(number, struct.pack(f"!{ranks + 1}I", ranks, *[1] * ranks))
            return
        self._ranks_of[number] = rank
        self._agents[rank].request(number, name, data)

    def _lost(self, number: int) -> None:
        if self._server is not None and not self._server.is_running(number):
            self._forget(number)  # otherwise _put_off() sees to it

    def _forget(self, number: int) -> None:
        rank = self._ranks_of.pop(number)
        if rank == 0:
            self._delayed.pop(number, None)
        else:
            self._agents[rank].lost(number)

    def _answered(self, number: int, data: bytes) -> None:
        self._ranks_of.pop(number, None)
        if self._server is not None:
            self._server.reply(number, data)

    def _put_off(self, number: int) -> None:
        if self._server is not None and not self._server.put_off(number):
            self._forget(number)

    def _refused(self, number: int, why: str) -> None:
        self._ranks_of.pop(number, None)
        if self._server is not None:
            self._server.refuse(number, why)


def _write_block(text: str) -> None:
    """Several lines to standard error, in one piece. What a client sent may be in them: it must not steer a terminal."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text.rstrip())
    sys.stdout.flush()
    sys.stderr.write(f"c4py: {shown}\n")
    sys.stderr.flush()


def _key(name: Any, what: str) -> bytes:
    if isinstance(name, bytes):
        return name
    if isinstance(name, str):
        return name.encode()
    raise TypeError(f"{what}: the name of a handler is a string, not {type(name).__name__}")


def _text(name: bytes) -> str:
    """A name that came from outside, to be shown with !r."""
    return name.decode("ascii", "backslashreplace")


def _reply_bytes(data: Any, what: str) -> bytes:
    if isinstance(data, str):
        raise TypeError(f"{what}: a reply is bytes, not a string; use .encode()")
    try:
        reply = data if isinstance(data, bytes) else memoryview(data).tobytes()
    except TypeError:
        raise TypeError(f"{what}: a reply is bytes, not {type(data).__name__}") from None
    if len(reply) > MAX_REPLY:
        raise Charm4PyError(f"{what}: a reply has at most {MAX_REPLY} bytes, not {len(reply)}")
    return reply


ccs = Ccs()
