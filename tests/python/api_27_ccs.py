# SPDX-License-Identifier: Apache-2.0
"""Clients outside of the job: handlers on every rank, replies now and later, mistakes of programs and of clients."""

import contextlib
import io
import socket
import struct
import sys

import charm4py
from c4py._ccs import ccs
from ccs_client import ask, connect, exchange, outside, request, rest
from charm4py import Chare, Charm4PyError, Group, charm, coro
from checks import check, equal, finish, raises

sys.argv += ["++server", "++server-limit", "200000"]


class Service(Chare):
    """Handlers on each rank."""

    def __init__(self):
        self.tokens = []
        self.seen = []
        for name in (
            "echo",
            "nothing",
            "late",
            "twice",
            "both",
            "fails",
            "fails_late",
            "quotes",
            "outside",
            "big",
            "nested",
            "total",
        ):
            charm.CcsRegisterHandler(name, getattr(self, name))
        charm.CcsRegisterHandler("x" * 31, self.echo)
        charm.CcsRegisterHandler("replaced", self.fails)
        charm.CcsRegisterHandler("replaced", self.echo)
        if charm.myPe() == charm.numPes() - 1:
            charm.CcsRegisterHandler("last_only", self.echo)

    def echo(self, data):
        assert type(data) is bytes
        assert charm.CcsIsRemoteRequest() is True
        assert charm.threadMgr.isMainThread()
        charm.CcsSendReply(b"%d:" % charm.myPe() + data)

    def nothing(self, data):
        self.seen.append(data)

    def big(self, data):
        charm.CcsSendReply(bytearray(int(data)))

    def nested(self, data):
        charm.callHandler("echo", b"nested " + data)

    def late(self, data):
        self.tokens.append((charm.CcsDelayReply(), data))
        assert charm.CcsIsRemoteRequest() is True
        if data.startswith(b"now"):
            self.thisProxy[self.thisIndex].answer_all()

    @coro
    def answer_all(self):
        """From a coroutine, after it has waited."""
        charm.sleep(0.001)
        assert charm.CcsIsRemoteRequest() is False
        tokens, self.tokens = self.tokens, []
        for token, data in reversed(tokens):
            charm.CcsSendDelayedReply(token, b"late " + data)
            raises(Charm4PyError, charm.CcsSendDelayedReply, token, b"", text="answered already")

    def twice(self, data):
        charm.CcsSendReply(b"first")
        raises(Charm4PyError, charm.CcsSendReply, b"second", text="answered already")
        raises(Charm4PyError, charm.CcsDelayReply, text="answered already")

    def both(self, data):
        token = charm.CcsDelayReply()
        raises(Charm4PyError, charm.CcsSendReply, b"", text="delayed already")
        raises(Charm4PyError, charm.CcsDelayReply, text="delayed already")
        raises(TypeError, charm.CcsSendDelayedReply, "token", b"", text="CcsDelayReply")
        raises(TypeError, charm.CcsSendDelayedReply, token, "text", text="encode")
        charm.CcsSendDelayedReply(token, b"in the handler")

    def fails(self, data):
        raise ValueError("the handler fails, which is expected here")

    def fails_late(self, data):
        self.token = charm.CcsDelayReply()
        raise ValueError("the handler fails after it delayed, which is expected here")

    def quotes(self, data):
        raise ValueError(data.decode())

    def outside(self, data):
        raises(TypeError, charm.CcsSendReply, "text", text="encode")
        raises(TypeError, charm.CcsSendReply, 5, text="not int")
        charm.CcsSendReply(memoryview(b"abcdef")[::2])

    def total(self, data):
        """The answer needs all ranks: a coroutine asks them."""
        self.thisProxy[self.thisIndex].collect(charm.CcsDelayReply(), int(data))

    @coro
    def collect(self, token, n):
        parts = self.thisProxy.part(n, ret=True).get()
        charm.CcsSendDelayedReply(token, b"%d" % sum(parts))

    def part(self, n):
        return n * (charm.myPe() + 1)

    def take_token(self, token):
        raises(
            Charm4PyError, charm.CcsSendDelayedReply, token, b"", text="is to be answered on rank"
        )

    @coro
    def num_tokens(self):
        return len(self.tokens)

    @coro
    def some_wait(self):
        return any(map(ccs.waits, (token for token, _ in self.tokens)))

    @coro
    def take_seen(self):
        return self.seen

    @coro
    def failures(self):
        import checks

        return checks.failed

    @coro
    def show_token(self):
        return self.tokens[0][0]


# 27 CcsRegisterHandler, callHandler, CcsIsRemoteRequest; errors outside of requests
def programs(service):
    """Mistakes of the program, and what needs no client."""
    equal(charm.CcsIsRemoteRequest(), False, "no request here")
    raises(Charm4PyError, charm.CcsSendReply, b"", text="no request is being handled on rank 0")
    raises(Charm4PyError, charm.CcsDelayReply, text="no request is being handled")
    raises(Charm4PyError, charm.callHandler, "missing", b"", text="has no handler 'missing'")
    raises(TypeError, charm.callHandler, 5, b"", text="is a string")
    raises(TypeError, charm.CcsRegisterHandler, 5, print, text="is a string")
    raises(TypeError, charm.CcsRegisterHandler, "x", 5, text="must be a function")
    for bad in ("", "x" * 32, "a\0b", "\u00e4" * 16):
        raises(Charm4PyError, charm.CcsRegisterHandler, bad, print, text="1 to 31 bytes")

    async def waits(data):
        pass

    raises(Charm4PyError, charm.CcsRegisterHandler, "x", waits, text="is a coroutine")
    raises(
        Charm4PyError,
        charm.CcsRegisterHandler,
        "x",
        service.ckLocalBranch().num_tokens,
        text="is a coroutine",
    )
    calls = []
    charm.CcsRegisterHandler(
        name="local", func=lambda data: calls.append((data, charm.CcsIsRemoteRequest())) or 7
    )
    equal(charm.callHandler("local", b"data"), 7, "callHandler returns what the handler does")
    equal(calls, [(b"data", False)], "callHandler calls it, and it is no remote request")
    raises(ValueError, service.ckLocalBranch().fails, b"")
    host, port = charm.CcsServerAddress()
    equal(host, "127.0.0.1", "loopback unless asked for something else")
    check(0 < port < 65536, "a port")


# 27 the wire protocol; CcsSendReply; data over 1024 bytes; unknown handlers; ccs_getinfo; one rank only
def requests(service):
    ranks = charm.numPes()
    for pe in range(ranks):
        equal(outside(ask, b"echo", b"data", pe), b"%d:data" % pe, "reply")
        equal(outside(ask, b"x" * 31, b"", pe), b"%d:" % pe, "longest name")
        equal(outside(ask, b"replaced", b"", pe), b"%d:" % pe, "a handler that was replaced")
        equal(outside(ask, b"nothing", b"seen", pe), b"", "no answer: an empty reply")
        equal(service[pe].take_seen(awaitable=True).get(), [b"seen"], "it was called once")
        equal(outside(ask, b"twice", b"", pe), b"first", "the first answer counts")
        equal(outside(ask, b"both", b"", pe), b"in the handler", "delayed, and answered at once")
        equal(outside(ask, b"outside", b"", pe), b"ace", "a buffer that is not contiguous")
        equal(
            outside(ask, b"nested", b"x", pe), b"%d:nested x" % pe, "a handler called by a handler"
        )
        equal(outside(ask, b"fails", b"", pe), None, "a handler that fails")
        equal(outside(ask, b"fails_late", b"", pe), None, "a handler that fails later")
        equal(outside(ask, b"missing", b"", pe), None, "no such handler")
        equal(outside(ask, b"late", b"now", pe), b"late now", "a delayed reply")
        want = 7 * ranks * (ranks + 1) // 2
        equal(outside(ask, b"total", b"7", pe), b"%d" % want, "an answer of all ranks")
        long = bytes(range(256)) * 700
        equal(outside(ask, b"echo", long, pe), b"%d:" % pe + long, "more than 1024 bytes")
        equal(outside(ask, b"big", b"5000000", pe), bytes(5000000), "a reply of many packets")
    equal(
        outside(ask, b"ccs_getinfo", b"", ranks - 1),
        struct.pack(f"!{ranks + 1}I", ranks, *[1] * ranks),
        "info",
    )
    equal(
        outside(ask, b"last_only", b"", ranks - 1), b"%d:" % (ranks - 1), "registered on one rank"
    )
    if ranks > 1:
        equal(outside(ask, b"last_only", b"", 0), None, "and not on others")
    charm.CcsRegisterHandler("future", charm_future := charm.Future())
    outside(ask, b"future", b"value")
    equal(charm_future.get(), b"value", "a future as handler gets the data")


# 27 CcsDelayReply, CcsSendDelayedReply from the rank of the token
def several_at_once(service):
    """Delayed replies reach the client that asked, whatever their order."""
    last = charm.numPes() - 1
    socks = [connect() for _ in range(10)]
    for i, sock in enumerate(socks):
        sock.sendall(request(b"late", b"%d" % i, last))
    while service[last].num_tokens(awaitable=True).get() < 10:
        pass
    token = service[last].show_token(awaitable=True).get()
    if last != 0:
        raises(Charm4PyError, charm.CcsSendDelayedReply, token, b"", text="not on rank 0")
    service[last].answer_all(awaitable=True).get()
    for i, sock in enumerate(socks):
        equal(outside(rest, sock), struct.pack("!I", 6) + b"late %d" % i, "the right one")
        sock.close()


def client_in_pieces(pieces):
    with connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        return rest(sock)


# 27 -1, -n and wrong ranks are refused, so are credentials; nobody else notices
def clients(service):
    """Odd clients, and wrong ones: they lose their connection, and nothing else happens."""
    last = charm.numPes() - 1
    whole = request(b"echo", b"piecewise", last)
    want = struct.pack("!I", 11) + b"%d:piecewise" % last
    equal(
        outside(client_in_pieces, [bytes([b]) for b in whole]),
        want,
        "byte by byte, then closed one side",
    )
    wrong = {
        "too long": request(b"echo", b"", 0, 200001),
        "announces much": request(b"echo", b"", 0, 0x1FFFFFFF),
        "credentials": b"\x20" + request(b"echo"),
        "all bits": b"\xff" * 100,
        "a browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "rank too large": request(b"echo", b"", charm.numPes()),
        "largest rank": request(b"echo", b"", 2**31 - 1),
        "all ranks": request(b"echo", b"", -1),
        "several ranks": request(b"echo", struct.pack("!2i", 0, 0), -2),
        "smallest rank": request(b"echo", b"", -(2**31)),
        "info of all": request(b"ccs_getinfo", b"", -1),
        "name without end": request(b"e" * 32),
        "no name": request(b""),
        "control characters": request(b"\x1b[2J\n\xff"),
        "more than announced": request(b"echo", b"data") + b"x",
    }
    for what, data in wrong.items():
        equal(outside(exchange, data), b"", what)
    for cut in (1, 39, 40, 45):
        equal(
            outside(client_in_pieces, [request(b"echo", b"0123456789")[:cut]]),
            b"",
            f"{cut} bytes only",
        )
    equal(
        outside(ask, b"echo", bytes(200000), last),
        b"%d:" % last + bytes(200000),
        "as long as is allowed",
    )
    # One that vanishes while its answer is made: the answer goes nowhere, the next ones arrive.
    sock = connect()
    sock.sendall(request(b"late", b"gone", last))
    while service[last].num_tokens(awaitable=True).get() < 1:
        pass
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # with a reset
    sock.close()
    while service[last].some_wait(ret=True).get():
        pass
    service[last].answer_all(awaitable=True).get()  # a second answer is refused all the same
    equal(outside(ask, b"echo", b"after", last), b"%d:after" % last, "the others are served")
    # What a client sends reaches the terminal as text, not as commands.
    with contextlib.redirect_stderr(io.StringIO()) as told:
        equal(outside(ask, b"quotes", b"\x1b[2J\xc2\x9b2J\r\tand"), None)
    check(r"ValueError: \x1b[2J\x9b2J\r" + "\tand\n" in told.getvalue(), told.getvalue())


def crowd():
    """More connections than are allowed: those too many are closed, those before them stay."""
    first = connect()
    socks = [connect() for _ in range(40)]
    closed = 0
    for sock in socks[31:]:
        sock.settimeout(20)
        closed += rest(sock) == b""
    equal(closed, 9, "connections too many are closed")
    first.sendall(request(b"echo", b"first"))
    equal(rest(first), struct.pack("!I", 7) + b"0:first", "the first one is served")
    for sock in (first, *socks):
        sock.close()


def main(args):
    equal(args[1:], [], "the flags are taken out")
    service = Group(Service)
    charm.awaitCreation(service)
    programs(service)
    requests(service)
    several_at_once(service)
    clients(service)
    outside(crowd)
    # Quiescence is reached although the server is open, and while a client waits for its answer.
    sock = connect()
    sock.sendall(request(b"late", b"quiet"))
    while service[0].num_tokens(awaitable=True).get() < 1:
        pass
    charm.waitQD()
    service[0].answer_all()
    equal(outside(rest, sock), struct.pack("!I", 10) + b"late quiet", "after quiescence")
    equal(
        [f.get() for f in [service[p].failures(awaitable=True) for p in range(charm.numPes())]][1:],
        [0] * (charm.numPes() - 1),
        "checks on other ranks",
    )
    check(isinstance(charm4py.__version__, str))
    finish(50)


charm.start(main)
