# SPDX-License-Identifier: Apache-2.0
"""Rows on one rank, against a bound-method call (m)."""

import gc

from charm4py import Array, Channel, Chare, Future, Group, Reducer, charm, coro
from measure import Row, bound_call, count, emit, resident_bytes, timed

REPS = 5


class Hopper(Chare):
    def __init__(self):
        self.me = self.thisProxy[self.thisIndex]

    def hop(self, left, done):
        if left:
            self.me.hop(left - 1, done)
        else:
            done()

    def flood(self, n, done):
        me = self.me
        for i in range(n):
            me.sink(i)
        me.flooded(done)

    def sink(self, i):
        pass

    def flooded(self, done):
        done()

    def value(self):
        return 5

    @coro
    def coro_value(self):
        return 5

    @coro
    def channels(self, peer, n, first, done):
        channel = Channel(self, remote=peer)
        for i in range(n):
            if first:
                channel.send(i)
                channel.recv()
            else:
                channel.recv()
                channel.send(i)
        if first:
            done()


class Empty(Chare):
    pass


class Member(Chare):
    def nothing(self, x):
        pass

    def add(self, done):
        self.reduce(done, 1, Reducer.sum)

    @coro
    def coro_add(self, done):
        self.reduce(done, 1, Reducer.sum)


def wait_for(start, *args):
    """Seconds until a future that `start(*args, future)` is given has its value."""

    def run():
        done = Future()
        start(*args, done)
        done.get()

    return timed(run)


def calls(method, n):
    for _ in range(n):
        method(awaitable=True).get()


def main(args):
    a, b = (Group(Hopper)[0] for _ in range(2))
    n = count(50_000)
    rows = {
        'hop': lambda: wait_for(a.hop, n) / n,
        'local_flood': lambda: wait_for(a.flood, n) / n,
        'local_call': lambda: timed(calls, a.value, n // 5) / (n // 5),
        'local_coro_call': lambda: timed(calls, a.coro_value, n // 5) / (n // 5),
        'local_channel': lambda: wait_for(channel_round_trips, a, b, n // 10) / (n // 10),
    }
    for name, measure in rows.items():
        row = Row(name)
        for _ in range(REPS):
            yardstick = bound_call()
            row.add(measure(), yardstick)
        row.report()
    creation()
    collectives()
    exit()


def channel_round_trips(a, b, n, done):
    a.channels(b, n, True, done)
    b.channels(a, n, False, done)


def creation():
    n = count(20_000)
    row = Row('create')
    gc.collect()
    before = resident_bytes()
    Array(Empty, n)
    emit(row='create_bytes', bytes=(resident_bytes() - before) / n)
    for _ in range(REPS):
        yardstick = bound_call()
        row.add(timed(Array, Empty, n) / n, yardstick)
    row.report()


def collectives():
    n = count(20_000)
    members = Array(Member, n)
    charm.awaitCreation(members)
    rows = {
        'bcast': lambda: timed(lambda: members.nothing(1, awaitable=True).get()),
        'bcast_reduce': lambda: wait_for(members.add),
        'bcast_reduce_coro': lambda: wait_for(members.coro_add),
    }
    for name, measure in rows.items():
        row = Row(name)
        for _ in range(REPS + 4):
            yardstick = bound_call()
            row.add(measure() / n, yardstick)
        row.report()


charm.start(main)
