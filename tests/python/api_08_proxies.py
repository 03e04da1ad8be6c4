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

    def me(self):
        return self.thisIndex

    def globals_now(self):
        return kept_section, kept_element

    @coro
    def exchange(self, peer, value):
        channel = Channel(self, peer)
        channel.send(value)
        return channel.recv()

    def give(self, target, data=None, reducer=None, section=None):
        self.reduce(target, data, reducer, section)

    def contribute_to(self, target):
        self.contribute(1, Reducer.sum, target)


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        last = ranks - 1
        g, g2 = Group(Worker), Group(Worker)
        a = Array(Worker, 6)
        b = Array(Worker, (3, 4))
        c = Chare(Worker, onPE=last)

        # 8.1 kinds, their types and attributes
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

        # 8.2 ways to write an index
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
            same += [(b[tuple(np.array([1, 2]))], b[1, 2]), (b[np.array([1, 2])], b[1, 2])]
            same += [(a[np.array([3])], a[3])]
        same += [(a[True], a[1])]
        for left, right in same:
            equal(left, right, "two spellings of one index")
            equal(hash(left), hash(right), "equal proxies have equal hashes")
        # 8.3 equality and hashes
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

        # 8.2 wrong indexes
        raises(AssertionError, lambda: a[1, 2])
        raises(AssertionError, lambda: b[1])
        raises(TypeError, lambda: a["x"])
        raises(TypeError, lambda: a[1.5])
        raises(TypeError, lambda: a[None])
        raises(IndexError, lambda: g[ranks])
        raises(IndexError, lambda: g[-1])
        raises(TypeError, lambda: g["x"])
        raises(AssertionError, lambda: a[0:], text="start and stop")
        raises(AssertionError, lambda: b[:, 0:1], text="start and stop")
        sections(g, a, b, c)

        # 8.3 there and back, to another rank and into containers
        for p in different:
            equal(c.echo(p, ret=True).get(), p, "a proxy travels")
            equal(c.hash_of(p, ret=True).get(), hash(p), "the hash is the same on another rank")
            equal(pickle.loads(pickle.dumps(p)), p, "a proxy pickles")
            future = Future()
            c.call_back(future, p)
            equal(future.get(), p, "as the value of a future")
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
        # 8.1 ckLocalBranch, methods that only arrays have, names of methods
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

        equal([p.take.__name__ for p in (g, g[0], a, a[0], c, a[0:2])], ["take"] * 6)
        equal(self.thisProxy.receive.__name__, "receive")
        for p in (g, g[0], a, a[0], c, a[0:2], self.thisProxy):
            raises(AttributeError, getattr, p, "no_such_method", text="no_such_method")

        # 8.4 callbacks of every kind, called by anyone
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
        receivers(self)
        finish(400)

    def receive(self, value):
        self.got = value


def sections(g, a, b, c):
    """Proxies of sections, and of elements through them."""
    part, cut, line = g[0:1], a[1:4], b[1:2, 0:4]
    # 8.1 what such a proxy shows
    equal(
        [type(p).__name__ for p in (part, cut, charm.combine(a, g), charm.combine(g, a))],
        [
            "WorkerGroupSecProxy",
            "WorkerArraySecProxy",
            "WorkerArraySecProxy",
            "WorkerGroupSecProxy",
        ],
        "type names",
    )
    equal(type(cut).__module__, "__main__", "in the module of the class")
    equal((part.elemIdx, cut.elemIdx, line.elemIdx), (-1, (), ()), "elemIdx")
    equal(
        (part.gid, cut.aid, cut.ndims, line.ndims), (g.gid, a.aid, 1, 2), "of what they are a part"
    )
    equal((part.issec, cut.issec, cut[2].issec, a.issec), (True, True, False, False), "issec")
    equal((cut.section[0], len({p.section[1] for p in (part, cut, line)})), (0, 3), "section")
    # 8.2 an element through its section is the element
    for through, element, index in (
        (part[0], g[0], 0),
        (cut[2], a[2], (2,)),
        (cut[(3,)], a[3], (3,)),
        (line[1, 2], b[1, 2], (1, 2)),
        (cut[1:3][2], a[2], (2,)),
        (cut[2][3], a[3], (3,)),
        (cut[4], a[4], (4,)),  # which is no member
    ):
        equal(through, element, "the same element")
        equal({element: 1}[through], 1, "with the same hash")
        equal(pickle.loads(pickle.dumps(through)), element, "it pickles")
        equal(c.echo(through, ret=True).get(), element, "it travels")
        equal(c.hash_of(through, ret=True).get(), hash(element), "its hash elsewhere")
        equal(through.me(ret=True).get(), index, "it is called")
        equal(through.me(awaitable=True).get(), index, "it is called")
        equal(through.elemIdx, index, "its index")
        equal(type(through), type(element), "its type")
    answers = [a[1].exchange(cut[3], "one", ret=True), a[3].exchange(cut[1], "two", ret=True)]
    equal([answer.get() for answer in answers], ["two", "one"], "channels between its members")
    raises(AssertionError, lambda: line[1])
    raises(IndexError, lambda: part[charm.numPes()])
    raises(TypeError, lambda: charm.combine(a, g)[0], text="several collections")
    # 8.3 equality of sections
    equal(cut == a[1:4], False, "two sections of the same elements are different")
    future = Future()
    c.call_back(future, [cut, cut[2]])
    equal(future.get(), [cut, a[2]], "as the value of a future")
    charm.thisProxy.updateGlobals(
        {"kept_section": cut, "kept_element": cut[2]}, awaitable=True
    ).get()
    for seen in g.globals_now(ret=True).get():
        equal(seen, (cut, a[2]), "as globals")
    equal(
        (cut == pickle.loads(pickle.dumps(cut)), cut == c.echo(cut, ret=True).get()), (True, True)
    )
    equal(c.hash_of(cut, ret=True).get(), hash(cut))
    for other in (a, a[1], g, part, c, charm.thisProxy, None, 5, "x"):
        equal(
            (cut == other, other == cut, cut != other), (False, False, True), "section and others"
        )


def receivers(main):
    """Who may be the callback of a reduction, of quiescence and of a timer."""
    ranks = charm.numPes()
    a, g, c = Array(Worker, 4), Group(Worker), Chare(Worker, onPE=ranks - 1)
    cut = a[1:3]
    for target, read, whole in (
        (c.take, c.taken, False),
        (a[3].take, a[3].taken, False),
        (cut[2].take, a[2].taken, False),
        (g[ranks - 1].take, g[ranks - 1].taken, False),
        (a.take, a.taken, True),
        (g.take, g.taken, True),
        (cut.take, cut.taken, True),
    ):
        contributors = Array(Worker, 3)
        contributors.give(target, 2, Reducer.sum)
        contributors.contribute_to(target)
        charm.waitQD()
        charm.startQD(target)
        charm.waitQD()
        charm.scheduleCallableAfter(target, 0, ["timer"])
        while True:
            charm.sleep(0.001)
            charm.waitQD()
            boxes = read(ret=True).get()
            boxes = boxes if whole else [boxes]
            if ("timer",) in boxes[-1]:
                break
        for box in boxes:
            equal(box[-4:-2] + box[-1:], [(6,), (3,), ("timer",)], "reductions, timer")
            check(box[-2] in ((), (None,)), "quiescence")
    main.got = None
    a.give(main.thisProxy.receive, 2, Reducer.sum)
    main.wait("self.got == 8")
    a.give(charm.thisProxy.myPe)  # the runtime's own methods
    charm.waitQD()
    # Not a callback: said by the contributor.
    for bad in (None, 5, "take"):
        raises(AssertionError, a[0].give(bad, awaitable=True).get, text="callback")
    for bad in (print, len):
        raises(TypeError, a[0].give(bad, awaitable=True).get, text="future or an entry method")
        raises(TypeError, charm.startQD, bad, text="future or an entry method")


charm.start(Main)
