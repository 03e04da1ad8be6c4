# SPDX-License-Identifier: Apache-2.0
"""Quiescence, sleep, timers, awaitCreation; hosts and trees."""

import time

from charm4py.charm import Charm4PyError

from charm4py import *
from checks import check, equal, finish, raises


class Spreader(Chare):
    """A tree of messages: each visit sends on, until the depth is used up."""

    def __init__(self):
        self.visits = 0
        self.called = []

    def spread(self, depth):
        self.visits += 1
        if depth > 0:
            n = charm.numPes()
            for step in (1, 2):
                self.thisProxy[(self.thisIndex + step) % n].spread(depth - 1)

    def get_visits(self):
        visits, self.visits = self.visits, 0
        return visits

    def callback(self, *args):
        self.called.append(args)

    def get_called(self):
        return self.called

    def busy(self, secs):
        end = time.perf_counter() + secs
        while time.perf_counter() < end:
            pass

    @coro
    def parked(self):
        self.wait("self.visits < 0")
        return "released"

    def release(self):
        self.visits = -1

    @when("self.visits < -5")
    def never(self):
        pass

    def timer_here(self, secs, target):
        charm.scheduleCallableAfter(target, secs, [charm.myPe()])

    @coro
    def nap(self, secs):
        begin = time.perf_counter()
        charm.sleep(secs)
        return time.perf_counter() - begin

    @coro
    def wait_qd(self):
        charm.waitQD()
        return "quiet"


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        self.events = []
        g = Group(Spreader)
        for depth in (0, 1, 5, 10):
            g[0].spread(depth)
            charm.waitQD()
            equal(
                sum(g.get_visits(ret=True).get()),
                2 ** (depth + 1) - 1,
                "all of the tree before quiescence",
            )
        f = Future()
        g.spread(6)
        charm.startQD(f)
        equal(f.get(), None, "a future gets None")
        equal(sum(g.get_visits(ret=True).get()), ranks * 127)

        many = [Future() for _ in range(5)]
        for f in many:
            charm.startQD(f)
        charm.wait(many)
        check(True, "several requests at a time")
        charm.startQD(g.callback)
        charm.startQD(g[ranks - 1].callback)
        charm.startQD(self.thisProxy.event)
        self.wait("len(self.events) == 1")
        equal(self.events, [()], "a method is called without argument")
        charm.waitQD()
        called = g.get_called(ret=True).get()
        equal(
            [len(c) for c in called],
            [1] * (ranks - 1) + [2],
            "a whole group and an element as callback",
        )
        waits = g.wait_qd(ret=True)
        equal(waits.get(), ["quiet"] * ranks, "waitQD on every rank at once")

        begin = time.perf_counter()
        g.busy(0.05)
        charm.waitQD()
        check(time.perf_counter() - begin >= 0.05, "not while a method runs")

        # Suspended coroutines, waiting messages, pending timers and messages for nobody do not hold
        # it up.
        parked = g.parked(ret=True)
        g.never()
        Array(Spreader, ndims=1)[5].spread(0)
        self.timer_fired = False
        begin = time.perf_counter()
        charm.scheduleCallableAfter(self.fire, 1.0)
        charm.waitQD()
        check(
            time.perf_counter() - begin < 0.9 and not self.timer_fired, "a pending timer is no work"
        )
        g.release()
        equal(parked.get(), ["released"] * ranks)

        # Timers: not early, in order of time, functions, futures and methods; many at once.
        order = []
        begin = time.perf_counter()
        for secs in (0.03, 0.01, 0.02):
            charm.scheduleCallableAfter(
                lambda s: order.append((s, time.perf_counter() - begin)), secs, [secs]
            )
        f = Future()
        charm.scheduleCallableAfter(f, 0.04, ["from a timer"])
        equal(f.get(), "from a timer", "a future")
        equal([s for s, _ in order], [0.01, 0.02, 0.03], "in order of time")
        check(all(late >= s for s, late in order), "never early")
        f = Future(2 * ranks)
        g.timer_here(0.005, f)
        g.timer_here(0.001, f)
        equal(sorted(f.get()), sorted(2 * list(range(ranks))), "timers on every rank")
        count = []
        for _ in range(500):
            charm.scheduleCallableAfter(count.append, 0.001, [1])
        charm.sleep(0.01)
        while len(count) < 500:
            charm.sleep(0.001)
        check(True, "five hundred timers at once")
        f = Future()
        charm.scheduleCallableAfter(g[ranks - 1].nap, 0.0, [0.0])
        charm.scheduleCallableAfter(f, -1.0)
        equal(f.get(), None, "a time in the past means soon")
        raises(TypeError, charm.scheduleCallableAfter, 5, 0.1)
        raises((TypeError, Charm4PyError, AssertionError), charm.startQD, 5)

        begin = time.perf_counter()
        naps = [g[pe].nap(0.03, ret=True) for pe in range(ranks) for _ in range(5)]
        check(all(0.03 <= f.get() for f in naps), "sleep is never short")
        check(
            time.perf_counter() - begin < 0.03 * len(naps),
            "sleeping coroutines do not block their rank",
        )

        self.trees(ranks)
        finish(46)

    def event(self, *args):
        self.events.append(args)

    def fire(self):
        self.timer_fired = True

    def trees(self, ranks):
        equal(charm.numHosts(), 1)
        equal(charm.getHostPes(charm.myHost()), list(range(ranks)))
        equal([charm.getPeHost(pe) for pe in range(ranks)], [0] * ranks)
        equal([charm.getPeHostRank(pe) for pe in range(ranks)], list(range(ranks)))
        equal((charm.getHostFirstPe(0), charm.getHostNumPes(0)), (0, ranks))
        raises(IndexError, charm.getHostPes, 1)
        raises(IndexError, charm.getPeHost, ranks)
        for root in range(ranks):
            for bfactor in (1, 2, 4):
                reached, todo = set(), [root]
                while todo:
                    pe = todo.pop()
                    parent, children = charm.getTopoTreeEdges(pe, root, bfactor=bfactor)
                    check(len(children) <= bfactor, "fan-out")
                    check((parent is None) == (pe == root), "only the root has no parent")
                    for child in children:
                        equal(
                            charm.getTopoTreeEdges(child, root, bfactor=bfactor)[0],
                            pe,
                            "parent of a child",
                        )
                    reached.add(pe)
                    todo += children
                equal(reached, set(range(ranks)), "the tree spans all")
        pes = [7, 3, 1, 9, 4, 20, 11]
        parts = charm.getTopoSubtrees(7, pes, 2)
        equal(sorted(sum(parts, [])), sorted(pes[1:]), "subtrees part the ranks")
        check(len(parts) <= 2)
        equal(charm.getTopoTreeEdges(7, 7, pes, 2), (None, [p[0] for p in parts]))
        for part in parts:
            equal(
                charm.getTopoTreeEdges(part[0], 7, pes, 2)[1],
                [p[0] for p in charm.getTopoSubtrees(part[0], part, 2)],
            )
        raises(Charm4PyError, charm.getTopoTreeEdges, 7, 3, pes)
        raises(Charm4PyError, charm.getTopoTreeEdges, 5, 7, pes)


charm.start(Main)
