# SPDX-License-Identifier: Apache-2.0
"""Rows between two ranks, against plain blocking MPI (r) of the same size in the same processes."""

import time

import c4py
from charm4py import Channel, Chare, Future, Group, Reducer, charm, coro
from measure import Row, count, kernels, missing, pingpong, repetitions, wanted

try:
    import numpy as np
except ImportError:  # the rows with arrays are left out
    np = None

without_mpi4py = missing("mpi4py")
if not without_mpi4py:
    import mpi4py

    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = False


class Peer(Chare):
    def __init__(self):
        self.other = self.thisProxy[1 - self.thisIndex]

    def yardstick(self, nbytes, reps):
        return pingpong(nbytes, reps)

    def ping(self, left, done):
        if left:
            self.other.ping(left - 1, done)
        else:
            done()

    def prepare(self, nbytes):
        """Each side has an array of its own to send, as in the yardstick: what arrives is looked at and dropped."""
        self.array = np.ones(nbytes, dtype=np.uint8)
        self.fixed = np.ones(nbytes, dtype=np.uint8)
        self.fixed.flags.writeable = False

    def ping_array(self, left, array, done):
        if left:
            self.other.ping_array(left - 1, self.array, done)
        else:
            done()

    def ping_fixed(self, left, array, done):
        if left:
            self.other.ping_fixed(left - 1, self.fixed, done)
        else:
            done()

    def ping_given(self, left, array, done):
        if left:
            self.other.ping_given(left - 1, c4py.give(array), done)
        else:
            done()

    def flood(self, n, done):
        other = self.other
        for i in range(n):
            other.sink(i)
        other.flooded(done)

    def sink(self, i):
        pass

    def flooded(self, done):
        done()

    @coro
    def calls(self, n, done):
        other = self.other
        for _ in range(n):
            other.value(awaitable=True).get()
        done()

    @coro
    def failing_calls(self, n, done):
        other = self.other
        for _ in range(n):
            try:
                other.fail(awaitable=True).get()
            except ValueError:
                pass
        done()

    def fail(self):
        raise ValueError("as asked")

    def value(self):
        return 5

    @coro
    def channels(self, n, done):
        channel = Channel(self, remote=self.other)
        for i in range(n):
            if self.thisIndex == 0:
                channel.send(i)
                channel.recv()
            else:
                channel.recv()
                channel.send(i)
        if self.thisIndex == 0:
            done()

    @coro
    def allreduces(self, n, done):
        for i in range(n):
            self.allreduce(i, Reducer.sum).get()
        if self.thisIndex == 0:
            done()


class Mpi4pyPeer(Chare):
    """The same with mpi4py's send and recv of Python objects, in the same processes."""

    def pingpong(self, n, value):
        """Seconds of a round trip."""
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
        start = time.perf_counter()
        for _ in range(n):
            if comm.rank == 0:
                comm.send(value, 1, 99)
                comm.recv(source=1, tag=99)
            else:
                comm.send(comm.recv(source=0, tag=99), 0, 99)
        return (time.perf_counter() - start) / n


def measure(name, peers, n, start, nbytes=8, yard_reps=None, reps=101, mpi4py_like=None):
    """A row: start(done) begins n round trips (or messages) between the peers. mpi4py_like() gives the seconds that one of them takes
    with mpi4py, where there is anything like it."""
    if not wanted(name):
        return
    row = Row(name)
    theirs = []
    for _ in range(repetitions(reps)):
        raw = peers.yardstick(nbytes, yard_reps or n, ret=True).get()
        done = Future()
        begin = time.perf_counter()
        start(done)
        done.get()
        row.add((time.perf_counter() - begin) / n, max(raw))
        if mpi4py_like and not without_mpi4py:
            theirs.append(mpi4py_like())
    without = {"mpi4py": without_mpi4py} if mpi4py_like and without_mpi4py else None
    row.report(against={"mpi4py": theirs} if theirs else None, without=without)


def arrays(peers):
    first = peers[0]
    for name, nbytes, n, reps in (
        ("1k", 1 << 10, count(250), 101),
        ("64k", 1 << 16, count(100), 41),
        ("1m", 1 << 20, count(20), 31),
        ("16m", 1 << 24, count(4), 15),
    ):
        array = np.ones(nbytes, dtype=np.uint8)
        peers.prepare(nbytes, awaitable=True).get()
        kinds = {"array": first.ping_array, "fixed": first.ping_fixed, "given": first.ping_given}
        for kind, ping in kinds.items():

            def start(done, ping=ping, n=n, array=array):
                ping(2 * n, array, done)

            if kind == "array" or nbytes > 1 << 10:
                measure(f"{kind}_{name}", peers, n, start, nbytes=nbytes, reps=reps)


class Parcel:
    """What a small chare is to mpi4py: an object that is sent to where it shall live."""

    def __init__(self):
        self.value, self.left = 1, 0


if np is not None:

    class NativePeer(Chare):
        """Its ping-pong is in C."""

        state = c4py.NativeState("ref other, uint32_t ping[2], int finished")

        @c4py.native(f"{kernels()}:meet", "ref other")
        def meet(self, other):
            """Whom to play with."""

        @c4py.native(f"{kernels()}:ping", "int left")
        def ping(self, left):
            """Once to and once fro."""

        def start(self, hops, done):
            self.done = done
            self.thisProxy[self.thisIndex].ping(hops)

        def finished(self):
            self.done()


class Hopper(Chare):
    """A small chare that moves to and fro."""

    def __init__(self):
        self.value = 1
        self.left = 0

    def hop(self, times, done):
        self.left, self.done = times, done
        self.migrate(1 - charm.myPe())

    def migrated(self):
        self.left -= 1
        if self.left > 0:
            self.migrate(1 - charm.myPe())
        else:
            self.done()


def main(args):
    peers, with_mpi4py = Group(Peer), Group(Mpi4pyPeer)
    first = peers[0]
    n = count(250)

    def round_trip(value):
        return max(with_mpi4py.pingpong(n, value, ret=True).get())

    measure(
        "entry_pingpong",
        peers,
        n,
        lambda done: first.ping(2 * n, done),
        mpi4py_like=lambda: round_trip(1),
    )
    if np is not None:
        native = Group(NativePeer)
        for i in range(2):
            native[i].meet(native[1 - i], awaitable=True).get()
        measure("native_pingpong", peers, n, lambda done: native[0].start(2 * n, done))
    measure("remote_flood", peers, 10 * n, lambda done: first.flood(10 * n, done), yard_reps=n)
    measure("remote_call", peers, n, lambda done: first.calls(n, done))
    measure("remote_error", peers, n, lambda done: first.failing_calls(n, done))
    measure("remote_channel", peers, n, lambda done: peers.channels(n, done))
    measure("allreduce", peers, n, lambda done: peers.allreduces(n, done))
    hopper = Chare(Hopper, onPE=0)
    measure(
        "migrate",
        peers,
        2 * n,
        lambda done: hopper.hop(2 * n, done),
        yard_reps=n,
        mpi4py_like=lambda: round_trip(Parcel()) / 2,
    )
    if np is not None:
        arrays(peers)
    exit()


charm.start(main)
