# SPDX-License-Identifier: Apache-2.0
"""Channels: pairing, order, several per pair, loopback, who waits."""

import array
import random

from charm4py.threads import NotThreadedError

from charm4py import *
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


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
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
        finish(50)


charm.start(Main)
