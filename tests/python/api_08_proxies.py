# SPDX-License-Identifier: Apache-2.0
"""Proxies: kinds, indexing, equality, travelling; callbacks."""

import pickle

from charm4py import *
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


class Worker(Chare):
    def __init__(self):
        self.box = []

    def take(self, *values):
        self.box.append(values)

    def taken(self):
        return self.box

    def echo(self, x):
        return x

    def hash_of(self, proxy):
        return hash(proxy)

    def compare(self, mine, proxies):
        """Which of the proxies equals the one that this element has made itself?"""
        own = self.thisProxy[self.thisIndex]
        assert (own == mine) == (hash(own) == hash(mine)) or own != mine
        return [p == own for p in proxies]

    def call_back(self, cb, *values):
        cb(*values)

    def use_dict(self, table, key):
        return table[key]

    def local_branch(self, group):
        return group.ckLocalBranch() is self

    def index_with(self, i):
        return self.thisProxy[i]


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        last = ranks - 1
        g, g2 = Group(Worker), Group(Worker)
        a = Array(Worker, 6)
        b = Array(Worker, (3, 4))
        c = Chare(Worker, onPE=last)

        names = [type(p).__name__ for p in (self.thisProxy, g, g[0], a, a[1], c)]
        equal(
            names,
            [
                "MainProxy",
                "WorkerGroupProxy",
                "WorkerGroupProxy",
                "WorkerArrayProxy",
                "WorkerArrayProxy",
                "WorkerArrayProxy",
            ],
            "type names",
        )
        equal(
            {type(p).__module__ for p in (g, a, self.thisProxy)},
            {"__main__"},
            "proxy types live in the module of the class",
        )
        equal(
            (g.elemIdx, g[last].elemIdx, a.elemIdx, a[3].elemIdx, b[1, 2].elemIdx),
            (-1, last, (), (3,), (1, 2)),
            "elemIdx",
        )
        equal((a.ndims, b.ndims, g.issec, a.issec), (1, 2, False, False), "ndims, issec")
        check(not hasattr(g, "section") and not hasattr(a, "section"), "no section")
        check(hasattr(g, "gid") and hasattr(a, "aid") and hasattr(self.thisProxy, "cid"), "ids")
        check(not isinstance(g, Group) and not isinstance(a, Array), "factories")

        same = [
            (a[3], a[(3,)]),
            (a[3], a[[3]]),
            (b[1, 2], b[(1, 2)]),
            (b[1, 2], b[[1, 2]]),
            (g[0], g[0]),
            (a[2][3], a[3]),
        ]
        if np is not None:
            same += [(a[np.int64(3)], a[3]), (b[np.int32(1), 2], b[1, 2]), (g[np.uint8(0)], g[0])]
            same += [(b[tuple(np.array([1, 2]))], b[1, 2])]
        same += [(a[True], a[1])]
        for left, right in same:
            equal(left, right, "two spellings of one index")
            equal(hash(left), hash(right), "equal proxies have equal hashes")
        different = [g, g2, a, b, c, self.thisProxy, g[0], g2[0], a[0], a[1], b[0, 0], b[0, 1]]
        for i, left in enumerate(different):
            for j, right in enumerate(different):
                equal(left == right, i == j, "equality")
                equal(left != right, i != j, "inequality")
        for other in (None, 5, "x", Worker, object()):
            equal(g == other, False, "unrelated objects")
            equal(g != other, True, "unrelated objects")
        table = {p: i for i, p in enumerate(different)}
        equal(len(table), len(different), "as keys of a dict")

        raises(AssertionError, lambda: a[1, 2])
        raises(AssertionError, lambda: b[1])
        raises(TypeError, lambda: a["x"])
        raises(TypeError, lambda: a[1.5])
        raises(TypeError, lambda: a[None])

        # There and back, to another rank and into containers.
        for p in different:
            equal(c.echo(p, ret=True).get(), p, "a proxy travels")
            equal(c.hash_of(p, ret=True).get(), hash(p), "the hash is the same on another rank")
            equal(pickle.loads(pickle.dumps(p)), p, "a proxy pickles")
        equal(c.echo({"k": [a[1], (g, b)]}, ret=True).get(), {"k": [a[1], (g, b)]}, "in containers")
        equal(c.use_dict(table, a[1], ret=True).get(), table[a[1]], "as keys on another rank")
        equal(
            a[3].compare(a[3], [a[2], a[3], g[0], b[0, 3]], ret=True).get(),
            [False, True, False, False],
        )
        equal(
            g[last].compare(g[last], [g, g[last], g2[last]], ret=True).get(), [False, True, False]
        )
        equal(a[0].index_with(5, ret=True).get(), a[5])
        equal(g.local_branch(g, ret=True).get(), [True] * ranks, "ckLocalBranch")
        check(isinstance(g.ckLocalBranch(), Worker), "ckLocalBranch here")
        made = Group(Worker)
        check(hasattr(made, "creation_future"), "creation_future")
        check(
            not hasattr(pickle.loads(pickle.dumps(made)), "creation_future"), "it does not travel"
        )
        raises(TypeError, type(g))
        for name in ("migrate", "setMigratable", "AtSync"):
            equal(
                [hasattr(p, name) for p in (g, g[0], self.thisProxy, a, a[0])],
                [False] * 3 + [True] * 2,
                name,
            )

        # Callbacks of every kind, called by anyone.
        for target, read in (
            (a[4].take, a[4].taken),
            (g[last].take, g[last].taken),
            (c.take, c.taken),
        ):
            g[0].call_back(target, awaitable=True).get()
            c.call_back(target, 1, "two", awaitable=True).get()
            charm.waitQD()
            equal(read(ret=True).get(), [(), (1, "two")], "a method of one element as callback")
        c.call_back(b.take, 7, awaitable=True).get()
        charm.waitQD()
        equal(b.taken(ret=True).get(), [[(7,)]] * 12, "a method of a whole array as callback")
        c.call_back(g2.take, 8, awaitable=True).get()
        charm.waitQD()
        equal(g2.taken(ret=True).get(), [[(8,)]] * ranks, "a method of a whole group as callback")
        self.got = None
        c.call_back(self.thisProxy.receive, 9)
        self.wait("self.got == 9")
        f = Future()
        c.call_back(f, "value")
        equal(f.get(), "value", "a future as callback")
        cb = c.echo(a[4].take, ret=True).get()
        cb("again")
        charm.waitQD()
        equal(a[4].taken(ret=True).get()[-1], ("again",), "a callback that travelled twice")
        equal(cb, a[4].take, "callbacks compare by target")
        stored = pickle.loads(pickle.dumps(g[0].echo))
        equal(stored(5, ret=True).get(), 5, "a pickled callback is a full method")
        finish(300)

    def receive(self, value):
        self.got = value


charm.start(Main)
