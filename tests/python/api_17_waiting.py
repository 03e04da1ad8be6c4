# SPDX-License-Identifier: Apache-2.0
"""Quiescence, sleep, timers, awaitCreation; hosts and trees."""

import pickle
import time

from charm4py import *
from charm4py.charm import Charm4PyError
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


class Slow(Chare):
    """Its constructor takes a while."""

    @coro
    def __init__(self):
        charm.sleep(0.005)
        self.made = True

    def is_made(self):
        return self.made


class Placement(ArrayMap):
    def procNum(self, index):
        return index[0] % charm.numPes()


class Heard(Chare):
    """Remembers how its methods were called."""

    def __init__(self):
        self.calls = []

    def any(self, *args):
        self.calls.append(args)

    def nothing(self):
        self.calls.append("nothing")

    def optional(self, x="default"):
        self.calls.append(x)

    def take(self):
        calls, self.calls = self.calls, []
        return calls

    def ask_quiescence(self, callback):
        return charm.startQD(callback)

    def block(self, secs):
        begin = time.perf_counter()
        result = charm.sleep(secs)
        return result, time.perf_counter() - begin >= secs

    @coro
    def hop(self, step, begin, done):
        """A chain of sleeps over all ranks."""
        charm.sleep(0.02)
        assert time.perf_counter() - begin >= 0.02 * (step + 1), step
        if step == 7:
            done(step)
        else:
            self.thisProxy[(self.thisIndex + 1) % charm.numPes()].hop(step + 1, begin, done)

    @coro
    def stream(self, peer, n, lead):
        channel = Channel(self, self.thisProxy[peer])
        for i in range(n):
            if lead:
                channel.send(i)
            else:
                self.last = channel.recv()
        return n

    def get_last(self):
        return self.last

    @coro
    def send_unreceived(self):
        """Data that nobody receives is no work."""
        me = self.thisProxy[self.thisIndex]
        self.kept = Channel(self, me)
        self.kept.send("for nobody")

    def chain(self, n):
        """One reduction after the other."""
        self.count = n
        if n > 0:
            self.reduce(self.thisProxy.chain, n - 1, Reducer.max)

    def get_count(self):
        return self.count


def await_creation(ranks):
    # 17: awaitCreation
    group, array, single = Group(Slow), Array(Slow, 2 * ranks), Chare(Slow, onPE=ranks - 1)
    check(hasattr(group, "creation_future"))
    raises(Charm4PyError, charm.awaitCreation, pickle.loads(pickle.dumps(group)))
    equal(charm.awaitCreation(group, array, single), None, "coroutine constructors have ended")
    equal(group.is_made(ret=True).get(), [True] * ranks)
    equal(array.is_made(ret=True).get(), [True] * 2 * ranks)
    equal(single.is_made(ret=True).get(), True)
    for used in (group, array, single):
        raises(Charm4PyError, charm.awaitCreation, used, text="once")
    for wrong in (5, None, "x", [group], Slow, Group(Placement), Array(Slow, ndims=1), group[0]):
        raises(Charm4PyError, charm.awaitCreation, wrong)
    one, other = Group(Heard), Group(Heard)
    raises(Charm4PyError, charm.awaitCreation, one, 5)
    charm.awaitCreation(other)


def quiescence(ranks):
    # 17: startQD with every kind of callback; sections get one None, if the method can take it.
    group, array, single = Group(Heard), Array(Heard, 4), Chare(Heard)
    section = array[0:4:2]
    for target in (group, array, group[ranks - 1], array[1], single, section):
        whole = array if target is section else target
        for name in ("any", "nothing", "optional"):
            equal(charm.startQD(getattr(target, name)), None)
        charm.waitQD()
        calls = whole.take(ret=True).get()
        if not calls or not isinstance(calls[0], list):
            calls = [calls]
        want = [(None,), "nothing", None] if target is section else [(), "nothing", "default"]
        for index, got in enumerate(calls):
            if target is section and index % 2:
                want_here = []
            else:
                want_here = want
            equal(sorted(got, key=repr), sorted(want_here, key=repr), repr(target))
    f = Future(ranks)
    group.ask_quiescence(f)
    f.get()
    equal(f.values, [None] * ranks, "asked for on every rank")
    f = Future()
    equal(charm.startQD(callback=f), None, "by keyword")
    equal(f.get(), None)
    for wrong in (None, 5, group, len, group.any.__name__):
        raises(TypeError, charm.startQD, wrong)
    # Messages of any kind count: channel data, reductions, values of futures, pool tasks.
    if ranks > 1:
        group[0].stream(ranks - 1, 400, True)
        group[ranks - 1].stream(0, 400, False)
        charm.waitQD()
        equal(group[ranks - 1].get_last(ret=True).get(), 399, "channel data")
    group.chain(50)
    charm.waitQD()
    equal(group.get_count(ret=True).get(), [0] * ranks, "a chain of reductions")
    if ranks > 1:
        tasks = charm.pool.map_async(abs, list(range(-50, 0)))
        charm.waitQD()
        check(tasks.ready(), "pool tasks")
    group[ranks - 1].send_unreceived(awaitable=True).get()
    charm.waitQD()


def sleep_and_timers(ranks):
    # 17: sleep
    group, array = Group(Heard), Array(Heard, 4)
    section = array[1:3]
    for secs in (0, 0.001, 1e-9):
        equal(charm.sleep(secs), None)
    equal(charm.sleep(secs=0.001), None, "by keyword")
    raises(ValueError, charm.sleep, -1)
    raises(TypeError, charm.sleep, "x")
    raises(TypeError, charm.sleep)
    equal(group[ranks - 1].block(0.005, ret=True).get(), (None, True), "in the main context")
    done = Future()
    group[0].hop(0, time.perf_counter(), done)
    equal(done.get(), 7, "eight hops, each late enough")
    # 17: timers
    seen = []
    charm.scheduleCallableAfter(lambda *args: seen.append(args), 0.002, [1, 2])
    charm.scheduleCallableAfter(lambda *args: seen.append(args), 0.004)
    charm.scheduleCallableAfter(
        callable=lambda *args: seen.append(args), secs=0.006, args=(charm.myPe(),)
    )
    for target in (group, group[ranks - 1], section, array[0]):
        charm.scheduleCallableAfter(target.any, 0.001, ["late"])
    f = Future(3)
    charm.scheduleCallableAfter(f, 0.008)
    charm.scheduleCallableAfter(f.send, 0.009, [4])
    charm.scheduleCallableAfter(lambda: f(charm.threadMgr.isMainThread()), 0.010)
    equal(f.get(), [None, 4, True], "a future, its send, a function in the main context")
    equal(seen, [(1, 2), (), (0,)], "with arguments and without")
    charm.waitQD()
    calls = group.take(ret=True).get()
    equal([len(c) for c in calls], [1] * (ranks - 1) + [2])
    equal(calls[0][0], ("late",))
    equal([len(c) for c in array.take(ret=True).get()], [1, 1, 1, 0])

    async def not_awaited():
        pass

    raises(TypeError, charm.scheduleCallableAfter, not_awaited, 0.1, text="async def")
    raises(TypeError, charm.scheduleCallableAfter, None, 0.1)
    raises(TypeError, charm.scheduleCallableAfter, len, "x")
    raises(TypeError, charm.scheduleCallableAfter, len, 0.1, 5)
    raises(ValueError, charm.scheduleCallableAfter, len, float("nan"))


class Main(Chare):
    def __init__(self, args):
        ranks = charm.numPes()
        await_creation(ranks)
        quiescence(ranks)
        sleep_and_timers(ranks)
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

        # Defect 9: more than 127 timers. Timers: not early, in order of time, functions, futures and methods; many at once.
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
        finish(120)

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
