# SPDX-License-Identifier: Apache-2.0
"""The Python side of hosted_test.c."""

import ctypes
import pickle

import numpy as np

from c4py import Chare, Future, Reducer, charm, coro, native

taken = []


@ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_double)
)
def take(runtime, state, n, x):
    taken.extend(x[:n])


class Broken(Exception):
    pass


class Mirror(Chare):
    def __init__(self, name="mirror"):
        self.name = name
        self.kept = None
        self.marks = 0

    def echo(self, value):
        return value

    def type_of(self, value):
        return type(value).__name__

    def describe(self, u):
        return str(u.dtype), u.ndim, float(u.sum()), u.__array_interface__["data"][0]

    def fill(self, u, value):
        u[...] = value

    def open_up(self, u):
        u.flags.writeable = True

    def keep(self, u):
        self.kept = u[1:]

    def first_kept(self):
        return float(self.kept[0])

    def forget(self):
        self.kept = None

    def told(self):
        return self.name

    def mark(self):
        self.marks += 1

    def marked(self):
        return self.marks

    def large(self):
        return np.arange(12, dtype=np.int32).reshape(3, 4)[:, 1:3]

    def things(self):
        return [1, (2.5, "three"), None], {"a": 1}, 2**70, np.float32(1.5), np.int16(-3)

    def breaks(self, text):
        raise Broken(text)

    def breaks_oddly(self):
        raise Broken("no \udc80 luck")

    def stops(self):
        charm.exit(7)

    @native(take, "int n, double x[n]")
    def take(self, n, x): ...

    def all_taken(self):
        return taken

    def count_into(self, future):
        self.reduce(future, np.array([1, 10]), Reducer.sum)

    def element_of(self, proxy, i, j):
        return proxy[i, j]

    def count_section(self, future, section):
        self.reduce(future, 1, Reducer.sum, section=section)

    def hear(self, value):
        self.kept = type(value).__name__, np.atleast_1d(value).tolist()

    def heard(self):
        return repr(self.kept)

    @coro
    def total(self, value):
        return self.allreduce(value, Reducer.sum).get()

    @coro
    def waits_for_ever(self):
        return Future().get()

    @coro
    def asks_the_host(self, host):
        question = Future()
        host.send(question)
        return question.get() + 1

    @coro
    def drive(self, cells):
        """Calls chares in C: this rank's, and all."""
        mine = cells[charm.myPe()]
        mine.add(0.5, 2, np.arange(4.0), "first")
        mine.add(2, 1, np.array([[10.0], [20.0]]), "gr\u00fc\u00df")
        cells.add(1.0, 0, np.array([]), "all", awaitable=True).get()
        return mine.get(100, ret=True).get(), mine.nothing(ret=True).get()

    def meets(self, cells):
        """Gives a chare in C structs and references, by position and by keyword."""
        parts = np.zeros(2, np.dtype([("id", "i4"), ("at", "f8", 2)], align=True))
        parts["id"], parts["at"] = [1, 2], [[0.5, 1.5], [2.5, 3.5]]
        after = (charm.myPe() + 1) % charm.numPes()
        mine = cells[charm.myPe()]
        mine.meet(2, parts, self.thisProxy[after])
        mine.meet(other=cells[after], n=1, parts=parts[1:].tobytes())

    def survives(self, cells):
        """Is a HostChare the same after pickling, and a good key?"""
        one = cells[0]
        again = pickle.loads(pickle.dumps([cells, one]))
        return again == [cells, one] and one != cells and {one: 5}[again[1]] == 5

    @coro
    def fails(self, cell):
        cell.refuse(ret=True).get()

    def mistakes(self, cell):
        x = np.arange(4.0)
        wrong = [
            lambda: cell.add(0.5, 2, x),
            lambda: cell.add(0.5, 3, x, "why"),
            lambda: cell.add(0.5, -1, x, "why"),
            lambda: cell.add(0.5, 2, x.astype(np.float32), "why"),
            lambda: cell.add(0.5, 2, x.reshape(2, 2).T, "why"),
            lambda: cell.add("half", 2, x, "why"),
            lambda: cell.add(0.5, 2.0, x, "why"),
            lambda: cell.add(0.5, 2, x, "w\0y"),
            lambda: cell.get(2**40),
            lambda: cell.get(1, base=2),
            lambda: cell.get(top=2),
            lambda: cell.meet(1, x, cell),
            lambda: cell.meet(0, b"", self.thisProxy),
            lambda: cell.meet(0, b"", cell, ret=True),
            lambda: cell.jump(),
            lambda: cell[0],
        ]
        return [self.what(call) for call in wrong]

    def what(self, call):
        try:
            call()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "nothing was raised"
