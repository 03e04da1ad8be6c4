# SPDX-License-Identifier: Apache-2.0
"""A thousand allreduces in a row interleaved over four collections, while reductions, broadcasts and channels go on."""

import random

from charm4py import Array, Channel, Chare, Future, Group, Reducer, charm, coro

ROUNDS = 1000


class Member(Chare):
    def __init__(self):
        self.sum = 0

    def place(self):
        return self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]

    @coro
    def many(self, count, done):
        rng = random.Random(1)
        for k in range(ROUNDS // 4):
            kind = rng.randrange(3)
            if kind == 0:
                assert (
                    self.allreduce(self.place() + k, Reducer.sum).get()
                    == count * (count - 1) // 2 + k * count
                )
            elif kind == 1:
                assert self.allreduce(k - self.place(), Reducer.max).get() == k
            else:
                assert self.allreduce().get() is None
            if k % 50 == 0:
                self.reduce(done, 1, Reducer.sum)

    def add(self, value):
        self.sum += value

    def get_sum(self):
        return self.sum

    @coro
    def talk(self, peer, count, first):
        """Five thousand messages over one channel, in order."""
        channel = Channel(self, peer)
        if first:
            for i in range(count):
                channel.send(i, "x" * (i % 50))
        else:
            for i in range(count):
                assert channel.recv() == (i, "x" * (i % 50))
        return True


def main(args):
    ranks = charm.numPes()
    collections = [(Group(Member), ranks), (Array(Member, 2 * ranks + 1), 2 * ranks + 1)]
    collections += [(Array(Member, 5), 5), (Chare(Member, onPE=ranks - 1), 1)]
    done = Future(4 * (ROUNDS // 4 // 50))
    finished = [c.many(n, done, awaitable=True) for c, n in collections]
    a, b = Chare(Member, onPE=0), Chare(Member, onPE=ranks - 1)
    talking = [a.talk(b, 5000, True, ret=True), b.talk(a, 5000, False, ret=True)]
    for i in range(200):
        for c, _ in collections:
            c.add(i)
    charm.wait([*finished, *talking])
    for f in [*finished, *talking]:
        f.get()
    assert sorted(done.get()) == sorted([n for _, n in collections] * (ROUNDS // 4 // 50))
    for c, n in collections:
        sums = c.get_sum(ret=True).get()
        assert sums == (199 * 100 if n == 1 and c is collections[3][0] else [199 * 100] * n), sums
    print("collectives are fine")
    charm.exit()


charm.start(main)
