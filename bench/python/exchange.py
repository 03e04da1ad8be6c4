# SPDX-License-Identifier: Apache-2.0
"""Rows between all ranks: streams, all to one, all to all, collectives; against mpi4py and plain MPI in C in the same processes.

mpi4py gets the form that its users choose: its pickling methods (send, bcast and so on) for an int, its buffer methods (Isend, Allreduce and
so on) for arrays.
"""

import functools
import time

import numpy as np

from charm4py import Chare, Future, Group, Reducer, charm, coro
from measure import compare, count, missing, pattern, repetitions, wanted

WINDOW = (
    32  # messages of a stream until the receiver acknowledges them, as in bench/common/yardstick.h
)

without_mpi4py = missing("mpi4py")
if not without_mpi4py:
    import mpi4py

    mpi4py.rc.initialize = False
    mpi4py.rc.finalize = False
    from mpi4py import MPI


# ---- chares ------------------------------------------------------------------------------------


class Peer(Chare):
    """One on each rank. A method of a pattern's name makes `turns` turns; then rank 0 completes `done`."""

    def prepare(self, nbytes, turns, done):
        self.data = np.zeros(nbytes // 8) if nbytes else 1
        self.turns, self.turn, self.came, self.done = turns, 0, [0, 0], done
        self.others = [self.thisProxy[r] for r in range(charm.numPes()) if r != self.thisIndex]

    def mpi(self, name, nbytes, turns):
        return pattern(name, nbytes or 8, turns)

    def mpi4py(self, name, nbytes, turns):
        return timed_mpi4py(MPI4PY[name], nbytes, turns)

    def over(self, turns=1):
        """So many turns are over; true if there are others."""
        self.turn += turns
        if self.turn == self.turns and self.thisIndex == 0:
            self.done()
        return self.turn < self.turns

    def stream(self):
        if self.thisIndex == 0:
            (other,) = self.others
            for _ in range(WINDOW):
                other.take(self.data)

    def take(self, data):
        self.came[0] += 1
        if self.came[0] == WINDOW:
            self.came[0] = 0
            self.others[0].window_over()

    def window_over(self):
        if self.over(WINDOW):
            self.stream()

    def many_to_one(self):
        root = self.thisProxy[0]
        if self.thisIndex:
            for i in range(self.thisIndex - 1, self.turns, charm.numPes() - 1):
                root.one_came(i)

    def one_came(self, i):
        self.over()

    def all_to_all(self):
        for other in self.others:
            other.part(self.turn, self.data)

    def part(self, turn, data):
        """A part of this turn, or of the next one for which a fast peer is ready already."""
        self.came[turn % 2] += 1
        while self.came[self.turn % 2] == len(self.others):
            self.came[self.turn % 2] = 0
            self.turn += 1
            if self.turn < self.turns:
                self.all_to_all()
            else:  # what others still have to take must not come into the next repetition
                self.reduce(self.done)

    @coro
    def bcast(self):
        for _ in range(self.turns if self.thisIndex == 0 else 0):
            self.thisProxy.nothing(1, awaitable=True).get()
            self.over()

    def nothing(self, i):
        pass

    def reduce_int(self):
        for i in range(self.turns):
            self.reduce(self.thisProxy[0].one_came, i, Reducer.sum)

    @coro
    def allreduce_data(self):
        for _ in range(self.turns):
            self.allreduce(self.data, Reducer.sum).get()
            self.over()

    @coro
    def barrier(self):
        for _ in range(self.turns):
            self.allreduce().get()
            self.over()

    @coro
    def quiet(self):
        for _ in range(self.turns if self.thisIndex == 0 else 0):
            charm.waitQD()
            self.over()


# ---- mpi4py ------------------------------------------------------------------------------------


def stream_of_ints(comm, out, into, turns):
    for turn in range(0, turns, WINDOW):
        for _ in range(WINDOW):
            comm.send(1, 1) if comm.rank == 0 else comm.recv(source=0)
        comm.recv(source=1) if comm.rank == 0 else comm.send(turn, 0)


def stream_of_arrays(comm, out, into, turns):
    for turn in range(0, turns, WINDOW):
        if comm.rank == 0:
            MPI.Request.Waitall([comm.Isend(out, 1) for _ in range(WINDOW)])
            comm.recv(source=1)
        else:
            MPI.Request.Waitall([comm.Irecv(into, 0) for _ in range(WINDOW)])
            comm.send(turn, 0)


def many_to_one(comm, out, into, turns):
    if comm.rank == 0:
        for _ in range(turns):
            comm.recv(source=MPI.ANY_SOURCE)
    else:
        for i in range(comm.rank - 1, turns, comm.size - 1):
            comm.send(i, 0)


def all_to_all(comm, out, into, turns):
    out, into = np.tile(out, comm.size), np.tile(into, comm.size)
    for _ in range(turns):
        comm.Alltoall(out, into)


def bcast(comm, out, into, turns):
    for i in range(turns):
        comm.bcast(i)
        comm.Barrier()


def reduce_ints(comm, out, into, turns):
    for i in range(turns):
        comm.reduce(i)


def allreduce_ints(comm, out, into, turns):
    for i in range(turns):
        comm.allreduce(i)


def allreduce_arrays(comm, out, into, turns):
    for _ in range(turns):
        comm.Allreduce(out, into)


def barrier(comm, out, into, turns):
    for _ in range(turns):
        comm.Barrier()


MPI4PY = {f.__name__: f for f in (stream_of_ints, stream_of_arrays, many_to_one, all_to_all, bcast, reduce_ints,
                                  allreduce_ints, allreduce_arrays, barrier)}  # fmt: skip


def timed_mpi4py(run, nbytes, turns):
    """Seconds for each turn; all ranks call together."""
    comm = MPI.COMM_WORLD
    out, into = np.zeros(nbytes // 8), np.empty(nbytes // 8)
    run(comm, out, into, turns // 10 + 1)  # only warms up
    comm.Barrier()
    start = time.perf_counter()
    run(comm, out, into, turns)
    seconds = (time.perf_counter() - start) / turns
    comm.Barrier()
    return seconds


# ---- rows --------------------------------------------------------------------------------------

# Name, method of Peer, function with mpi4py, pattern in C, bytes (0: an int), turns of one repetition.
ROWS = (
    ("stream_int", "stream", "stream_of_ints", "stream", 0, 1 << 11),
    ("stream_64k", "stream", "stream_of_arrays", "stream", 1 << 16, 512),
    ("stream_1m", "stream", "stream_of_arrays", "stream", 1 << 20, 64),
    ("many_to_one", "many_to_one", "many_to_one", "many_to_one", 0, 1 << 11),
    ("all_to_all", "all_to_all", "all_to_all", "all_to_all", 1 << 10, 256),
    ("bcast", "bcast", "bcast", "bcast", 0, 256),
    ("reduce", "reduce_int", "reduce_ints", "reduce", 0, 512),
    ("allreduce", "allreduce_data", "allreduce_ints", "allreduce", 0, 256),
    ("allreduce_8k", "allreduce_data", "allreduce_arrays", "allreduce", 1 << 13, 256),
    ("barrier", "barrier", "barrier", "barrier", 0, 256),
    ("quiet", "quiet", "barrier", "barrier", 0, 128),
)  # fmt: skip


def c4py_seconds(peers, method, nbytes, turns):
    done = Future()
    peers.prepare(nbytes, turns, done, awaitable=True).get()
    start = time.perf_counter()
    getattr(peers, method)()
    done.get()
    return (time.perf_counter() - start) / turns


def on_all(method, *args):
    """Run a method on all ranks; what it returns on rank 0."""
    return method(*args, ret=True).get()[0]


def main(args):
    peers = Group(Peer)
    for name, method, with_mpi4py, in_c, nbytes, turns in ROWS:
        row, n = f"py_{name}_{charm.numPes()}", count(turns, WINDOW)
        if not wanted(row):
            continue
        contenders = {
            "C4Py": functools.partial(c4py_seconds, peers, method, nbytes, n),
            "mpi4py": without_mpi4py or functools.partial(on_all, peers.mpi4py, with_mpi4py, nbytes, n),
            "MPI in C": functools.partial(on_all, peers.mpi, in_c, nbytes, n),
        }  # fmt: skip
        compare(row, contenders, "mpi4py", repetitions(31))
    exit()


charm.start(main)
