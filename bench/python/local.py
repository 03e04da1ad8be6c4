# SPDX-License-Identifier: Apache-2.0
"""Rows on one rank, against a bound-method call (m)."""

import gc

import c4py
from charm4py import Array, Channel, Chare, Future, Group, Reducer, charm, coro, when
from measure import (
    Row,
    bound_call,
    count,
    emit,
    missing,
    repetitions,
    resident_bytes,
    timed,
    wanted,
)


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

    def gated(self, n, done):
        """n messages, each the one that is waited for; what a rank sends to itself goes through the gate in order."""
        me = self.me
        self.step = 0
        for i in range(n):
            me.take_step(i)
        me.flooded(done)

    @when("self.step == step")
    def take_step(self, step):
        self.step += 1

    @coro
    def futures(self, n, done):
        for i in range(n):
            future = Future()
            future.send(i)
            future.get()
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


without_numba = missing("numba")
if not without_numba:
    import numba
    from numba import types

    @numba.cfunc(types.void(types.voidptr, types.CPointer(types.int64), types.int64))
    def add_up(rt, total, i):
        total[0] += i

    class Compiled(Chare):
        state = c4py.NativeState("int64_t total")

        @c4py.native(add_up, "int64_t i")
        def add(self, i):
            """One message of the flood."""

        def flood(self, n, done):
            me = self.thisProxy[self.thisIndex]
            for i in range(n):
                me.add(i)
            me.flooded(done)

        def flooded(self, done):
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


def until_done(start, *args):
    """Start something that is given a future at the end, and wait for its value."""
    done = Future()
    start(*args, done)
    done.get()


def call(method, n):
    for _ in range(n):
        method(awaitable=True).get()


def channel_round_trips(a, b, n, done):
    a.channels(b, n, True, done)
    b.channels(a, n, False, done)


def measure(name, n, fn, *args, reps=41):
    """A row of which fn(*args) does n."""
    if not wanted(name):
        return
    row = Row(name)
    for _ in range(repetitions(reps)):
        yardstick = bound_call()
        seconds, cpu = timed(fn, *args)
        row.add(seconds / n, yardstick, cpu / n)
    row.report()


def create(n):
    charm.awaitCreation(Array(Empty, n))


def creation():
    n = count(20_000)
    gc.collect()
    before = resident_bytes()
    create(n)  # the first ones, before there is any memory to use again
    emit(row="create_bytes", bytes=(resident_bytes() - before) / n)
    measure("create", n, create, n, reps=9)


def collectives():
    n = count(20_000)
    members = Array(Member, n)
    charm.awaitCreation(members)
    measure("bcast", n, lambda: members.nothing(1, awaitable=True).get(), reps=15)
    measure("bcast_reduce", n, until_done, members.add, reps=15)
    measure("bcast_reduce_coro", n, until_done, members.coro_add, reps=15)
    if wanted("section_bcast"):
        n = count(1000)
        (section,) = charm.split(members, 1, elems=[[(2 * i,) for i in range(n)]])
        measure("section_bcast", n, lambda: section.nothing(1, awaitable=True).get())


def main(args):
    creation()
    a, b = (Group(Hopper)[0] for _ in range(2))
    n = count(2000)
    measure("hop", n, until_done, a.hop, n)
    measure("local_flood", n, until_done, a.flood, n)
    if not without_numba:
        measure("native_numba", n, until_done, Group(Compiled)[0].flood, n)
    elif wanted("native_numba"):
        emit(row="native_numba", without={"numba": without_numba})
    measure("local_call", n, call, a.value, n)
    measure("local_coro_call", n, call, a.coro_value, n)
    measure("when", n, until_done, a.gated, n)
    measure("future", n, until_done, a.futures, n)
    measure("local_channel", n, until_done, channel_round_trips, a, b, n)
    collectives()
    exit()


charm.start(main)
