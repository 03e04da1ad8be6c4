# SPDX-License-Identifier: Apache-2.0
"""Channels: pairing, order, several per pair, loopback, who waits."""

import array
import random

from charm4py import *
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


class End(Chare):
    def __init__(self):
        self.channels = {}

    @coro
    def ping(self, peer, rounds):
        ch = Channel(self, remote=peer)
        for i in range(rounds):
            ch.send(i)
            assert ch.recv() == ("back", i)
        return ch.remote == peer

    @coro
    def pong(self, peer, rounds):
        ch = Channel(self, remote=peer)
        for i in range(rounds):
            assert ch.recv() == i
            ch.send(("back", i))
        return ch.remote == peer

    @coro
    def stream_out(self, peer, count):
        ch = Channel(self, peer)
        for i in range(count):
            ch.send(i, b"x" * (i % 7))

    @coro
    def stream_in(self, peer, count):
        ch = Channel(self, peer)
        for i in range(count):
            assert ch.recv() == (i, b"x" * (i % 7)), i
        return count

    @coro
    def shapes_out(self, peer):
        ch = Channel(self, peer)
        ch.send()
        ch.send(1)
        ch.send((1, 2))
        ch.send(1, 2)
        ch.send([1], {"k": 2}, None)
        ch.send(None)

    @coro
    def shapes_in(self, peer):
        ch = Channel(self, peer)
        return [ch.recv() for _ in range(6)]

    @coro
    def arrays(self, peer, lead):
        ch = Channel(self, peer)
        a = np.arange(12.0).reshape(3, 4)
        if lead:
            ch.send(a[:, 1], 5, a.T)
            a[:] = 0  # later changes are not seen
            ch.send(np.zeros(20000), array.array("i", [1, 2]))
        else:
            column, five, transposed = ch.recv()
            assert column.tolist() == [1.0, 5.0, 9.0] and five == 5
            assert transposed.tolist() == np.arange(12.0).reshape(3, 4).T.tolist()
            column[0] = 9  # received arrays may be written
            zeros, ints = ch.recv()
            assert zeros.shape == (20000,) and ints == array.array("i", [1, 2])
        return True

    @coro
    def many(self, peer, count, lead):
        """The n-th channel of one side belongs to the n-th of the other."""
        channels = [Channel(self, peer) for _ in range(count)]
        for n in random.sample(range(count), count):
            channels[n].send((lead, n))
        return [ch.recv() for ch in channels] == [(not lead, n) for n in range(count)]

    @coro
    def loop(self):
        me = self.thisProxy[self.thisIndex]
        one, two = Channel(self, me), Channel(self, me)
        one.send("one")
        two.send("two")
        one.send("again")
        return [two.recv(), one.recv(), one.recv(), one.ready(), two.ready()]

    @coro
    def iwait_all(self, peers):
        channels = [Channel(self, p) for p in peers]
        got = []
        for _ in range(3):
            for ch in charm.iwait(channels):
                got.append(ch.recv())
        return sorted(got)

    @coro
    def feed(self, peer, tag):
        ch = Channel(self, peer)
        for i in range(3):
            ch.send((tag, i))

    def open_plainly(self, peer):
        """Outside a coroutine a channel may be made."""
        self.channels[0] = Channel(self, peer)

    def recv_plainly(self):
        try:
            return self.channels[0].recv()
        except NotThreadedError as error:
            return "refused: " + str(error)

    def send_plainly(self, value):
        self.channels[0].send(value)

    def is_ready(self):
        return self.channels[0].ready()

    @coro
    def unpicklable(self, peer):
        ch = Channel(self, peer)
        try:
            ch.send(1, (i for i in range(3)))
        except Exception as error:
            ch.send("still works")
            return type(error).__name__
        return "no error"

    @coro
    def recv_one(self, peer):
        return Channel(self, peer).recv()


class Opener(Chare):
    """One channel at a time, opened and used as the caller says."""

    def __init__(self, peer=None):
        self.refused = None
        if peer is not None:
            self.channel = Channel(self, peer)
            self.refused = self.send_plainly("too early")

    def open(self, peer):
        self.channel = Channel(self, peer)

    def open_local(self, peer):
        self.channel = Channel(chare=self, remote=peer, local=self.thisProxy[self.thisIndex])

    def open_and_send(self, peer):
        """The request of the peer is here already: no wait, hence no coroutine is needed."""
        self.channel = Channel(self, peer)
        return self.send_plainly("at once"), self.channel.remote_port

    def send_plainly(self, *args):
        try:
            return self.channel.send(*args)
        except NotThreadedError:
            return "refused"

    def get_refused(self):
        return self.refused

    @coro
    def send(self, *args):
        return self.channel.send(*args)

    @coro
    def recv(self):
        return self.channel.recv()

    def send_many(self, count):
        for i in range(count):
            self.channel.send(i)

    @coro
    def recv_many(self, count):
        return all(self.channel.recv() == i for i in range(count))

    def state(self):
        ch = self.channel
        return ch.remote, ch.port, ch.remote_port, ch.ready()

    def wrong(self, other):
        calls = [
            lambda: self.channel.send(1, key=2),
            lambda: self.channel.recv(1),
            lambda: Channel(self),
            lambda: Channel(self, self.thisProxy[self.thisIndex], 5),
            lambda: Channel(self, other, other),
        ]
        return [kind_of_error(call) for call in calls]


def kind_of_error(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__


class Fan(Chare):
    """Channels opened in the constructor, to all members and to itself."""

    def __init__(self, n):
        self.channels = [Channel(self, self.thisProxy[j]) for j in range(n)]

    @coro
    def exchange(self):
        me = self.thisIndex[0]
        for j, ch in enumerate(self.channels):
            ch.send(me, j)
        return [ch.recv() for ch in self.channels]

    @coro
    def first_ready(self, known):
        """`known` gets a future of this coroutine's: the element may have moved to any rank."""
        future, got = Future(), []
        known(future)
        for thing in charm.iwait([future, *self.channels]):
            if thing is future:
                got.append(thing.get())
            else:
                check(thing.ready(), "what iwait yields is ready")
                got.append((self.channels.index(thing), thing.recv()))
        return got

    @coro
    def all_ready(self):
        charm.wait(self.channels)
        return [ch.ready() for ch in self.channels], [ch.recv() for ch in self.channels]

    def give(self, to, what):
        self.channels[to].send(what)


def opening(ranks):
    # 14: n-th with n-th; what each side sees; send before and after the other end is open.
    a, b = Chare(Opener, onPE=0), Chare(Opener, onPE=ranks - 1)
    a.open(b, awaitable=True).get()
    charm.waitQD()
    equal(a.state(ret=True).get(), (b, 0, -1, False), "not connected yet")
    equal(a.send_plainly(1, ret=True).get(), "refused", "before the other end is open")
    held = a.send("held", ret=True)
    charm.waitQD()
    equal(held.ready(), False)
    equal(b.open_and_send(a, ret=True).get(), (None, 0), "established when it is opened")
    equal((held.get(), b.recv(ret=True).get(), a.recv(ret=True).get()), (None, "held", "at once"))
    equal(a.state(ret=True).get(), (b, 0, 0, False))
    equal(b.wrong(a, ret=True).get(), ["TypeError"] * 4 + ["ValueError"])
    # Two coroutines receive on one channel.
    both = [b.recv(ret=True), b.recv(ret=True)]
    charm.waitQD()
    a.send_plainly("one")
    a.send_plainly("two")
    equal([f.get() for f in both], ["one", "two"])
    # More than 40000 messages may be on their way.
    a.send_many(45000)
    equal(b.recv_many(45000, ret=True).get(), True, "forty-five thousand, in order")
    # In a constructor.
    c = Chare(Opener, args=[b], onPE=0)
    equal(c.get_refused(ret=True).get(), "refused")
    b.open(c)
    c.send("from a constructor's channel")
    equal(b.recv(ret=True).get(), "from a constructor's channel")
    # All kinds of chares, with and without `local`, equality of proxies.
    group, some = Group(Opener), Group(Opener, onPEs=[0, ranks - 1])
    grid, line = Array(Opener, (2, 2)), Array(Opener, 3)
    for one, other in (
        (group[0], grid[1, 1]),
        (some[ranks - 1], line[2]),
        (grid[0, 1], c),
        (group[ranks - 1], some[0]),
    ):
        one.open(other)
        other.open_local(one)
        one.send("to other")
        other.send("to one")
        equal((one.recv(ret=True).get(), other.recv(ret=True).get()), ("to one", "to other"))
        equal(one.state(ret=True).get()[0] == other, True, "remote equals a fresh proxy")
    fan = Array(Fan, 5, args=[5])
    equal(
        fan.exchange(ret=True).get(),
        [[(j, i) for j in range(5)] for i in range(5)],
        "all with all, also oneself",
    )
    known = Future()
    got = fan[0].first_ready(known, ret=True)
    future = known.get()
    for step in (3, 0, "future", 1, 4, 2):
        if step == "future":
            future("a future")
        else:
            fan[step].give(0, step)
        charm.waitQD()
    equal(
        got.get(),
        [(3, 3), (0, 0), "a future", (1, 1), (4, 4), (2, 2)],
        "in the order in which they become ready, together with a future",
    )
    got = fan[0].all_ready(ret=True)
    for step in (3, 0, 1, 4):
        fan[step].give(0, step)
    charm.waitQD()
    equal(got.ready(), False, "wait() wants all")
    fan[2].give(0, 2)
    equal(got.get(), ([True] * 5, [0, 1, 2, 3, 4]))


def moving(ranks):
    """14: a channel goes on when either end moves, with what was not received."""
    ends = Array(Opener, 2)
    a, b = ends[0], ends[1]
    a.open(b)
    b.open(a)
    charm.waitQD()
    b.send_plainly("before", 1)
    charm.waitQD()
    for end, to in ((a, ranks - 1), (b, ranks - 1), (a, 0), (b, ranks // 2)):
        end.migrate(to)
        a.send_plainly("to b")
        b.send_plainly("to a")
        charm.waitQD()
    got = [a.recv(ret=True).get() for _ in range(5)]
    equal(got, [("before", 1)] + ["to a"] * 4, "nothing lost, in order")
    equal([b.recv(ret=True).get() for _ in range(4)], ["to b"] * 4)
    equal(a.state(ret=True).get(), (b, 0, 0, False))


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        opening(ranks)
        moving(ranks)
        group = Group(End)
        cells = Array(End, 2 * ranks)
        c0, c1 = Chare(End, onPE=0), Chare(End, onPE=ranks - 1)
        pairs = [
            (cells[0], cells[2 * ranks - 1]),
            (c0, c1),
            (group[0], cells[1]),
            (cells[0], cells[1]),
        ]
        if ranks > 1:
            pairs.append((group[0], group[ranks - 1]))
        for a, b in pairs:
            # 14: ping-pong, order, what recv gives, direct path, pairing, refused arguments.
            equal(
                [f.get() for f in (a.ping(b, 50, ret=True), b.pong(a, 50, ret=True))],
                [True, True],
                "ping-pong",
            )
            done = b.stream_in(a, 2000, ret=True)
            a.stream_out(b, 2000)
            equal(done.get(), 2000, "strictly in order")
            future = b.shapes_in(a, ret=True)
            a.shapes_out(b)
            equal(
                future.get(),
                [(), 1, (1, 2), (1, 2), ([1], {"k": 2}, None), None],
                "what recv gives",
            )
            if np is not None:
                both = [a.arrays(b, True, ret=True), b.arrays(a, False, ret=True)]
                equal([f.get() for f in both], [True, True], "arrays")
            both = [a.many(b, 30, True, ret=True), b.many(a, 30, False, ret=True)]
            equal([f.get() for f in both], [True, True], "thirty channels between one pair")
            both = [a.unpicklable(b, ret=True), b.recv_one(a, ret=True)]
            equal(both[1].get(), "still works", "a refused send sends nothing")
            check(both[0].get() != "no error", "unpicklable arguments raise at the sender")

        # 14: channels to oneself; iwait.
        for c in (cells[0], group[ranks - 1], c1):
            equal(
                c.loop(ret=True).get(), ["two", "one", "again", False, False], "channels to oneself"
            )

        future = cells[0].iwait_all([cells[i] for i in range(1, 2 * ranks)], ret=True)
        for i in range(1, 2 * ranks):
            cells[i].feed(cells[0], i)
        equal(
            future.get(),
            sorted((t, i) for t in range(1, 2 * ranks) for i in range(3)),
            "iwait over channels",
        )

        # 14: without a coroutine.
        a, b = Chare(End, onPE=0), Chare(End, onPE=ranks - 1)
        a.open_plainly(b, awaitable=True).get()
        check(
            a.recv_plainly(ret=True).get().startswith("refused"),
            "recv without data needs a coroutine",
        )
        b.open_plainly(a, awaitable=True).get()
        charm.waitQD()
        b.send_plainly("plain", awaitable=True).get()
        charm.waitQD()
        equal(a.is_ready(ret=True).get(), True, "ready")
        equal(a.recv_plainly(ret=True).get(), "plain", "an established channel needs no coroutine")

        # The main chare as an end.
        future = c1.ping(self.thisProxy, 20, ret=True)
        ch = Channel(self, c1)
        equal(ch.remote, c1)
        for i in range(20):
            equal(ch.recv(), i)
            ch.send(("back", i))
        equal(future.get(), True, "a channel with the main chare")
        raises(TypeError, Channel, self, group)
        raises(TypeError, Channel, self, 5)
        raises(TypeError, Channel, 5, c1)

        # Random pairs, pairs with oneself too.
        rng = random.Random(7)
        count = 2 * ranks
        futures = []
        for _ in range(40):
            i, j = rng.randrange(count), rng.randrange(count)
            if i == j:
                futures.append(cells[i].loop(ret=True))
            else:
                futures += [
                    cells[i].ping(cells[j], 3, ret=True),
                    cells[j].pong(cells[i], 3, ret=True),
                ]
        equal([bool(f.get()) for f in futures], [True] * len(futures), "random pairs")
        finish(80)


charm.start(Main)
