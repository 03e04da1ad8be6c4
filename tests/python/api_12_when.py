# SPDX-License-Identifier: Apache-2.0
"""@when and self.wait(): when waiting messages and coroutines run, and in which order."""

from charm4py import *
from checks import check, equal, finish, raises

THRESHOLD = 3


class Steps(Chare):
    def __init__(self):
        self.step = 0
        self.log = []
        self.go = False
        self.open = False
        self.seen = []
        self.evaluated = 0

    @when("self.step == step")
    def data(self, step, value):
        """Two messages per step, in whatever order they come."""
        self.log.append((step, value))
        if len(self.log) % 2 == 0:
            self.step += 1

    @when("step == self.step")
    def other_way_round(self, value, step):
        self.log.append((step, value))
        self.step += 1
        return self.step

    @when("self.go")
    def one_at_a_time(self, number):
        self.go = False
        self.seen.append(number)
        return number

    def set_go(self):
        self.go = True

    @when("self.step * 10 <= value and self.go")
    def mixed(self, value):
        self.seen.append(value)
        return value

    @when("msg.tag == self.step")
    def by_attribute(self, msg):
        self.seen.append(msg.payload)
        self.step += 1

    @when("msg['k'] == self.step and msg['v'] > 0")
    def by_item(self, msg):
        self.seen.append(msg["v"])
        self.step += 1

    @when("self.step >= THRESHOLD")
    def by_global(self):
        return "past the threshold"

    @coro
    @when("self.step == step")
    def coro_first(self, step):
        return self.suspend_in_step(step)

    @when("self.step == step")
    @coro
    def coro_second(self, step):
        return self.suspend_in_step(step)

    def suspend_in_step(self, step):
        self.log.append(("begin", step))
        self.step += 1
        self.wait("self.go")
        return ("coro", step)

    @when("limit < self.step")
    def with_default(self, x, limit=2):
        return x, limit

    @when("self.undefined_attribute == x")
    def bad_condition(self, x):
        pass

    def advance(self, by=1):
        self.step += by

    def reset(self):
        self.step = 0
        del self.log[:], self.seen[:]
        self.go = False

    def state(self):
        return self.step, list(self.log), list(self.seen)

    @coro
    def waits_for(self, target):
        self.wait(f"self.step >= {target}")
        self.log.append(("reached", target, self.step))
        return target

    @coro
    def waits_with_global(self):
        self.wait("self.step == THRESHOLD + 1")
        return self.step

    @coro
    def ping_pong(self, rounds):
        """Coroutines of one object that wake each other through conditions only."""
        for i in range(rounds):
            self.wait(f"self.step == {2 * i}")
            self.step += 1

    @coro
    def pong_ping(self, rounds):
        for i in range(rounds):
            self.wait(f"self.step == {2 * i + 1}")
            self.step += 1

    @coro
    def changed_after_resume(self):
        """A change made by a coroutine after it was resumed by a future is noticed too."""
        self.gate = Future()
        self.gate.get()
        self.step = 77

    def open_gate(self):
        self.gate()

    def direct(self):
        return self.by_global()

    def bad_wait(self):
        return self.wait("self.step ==")


class Message:
    def __init__(self, tag, payload):
        self.tag = tag
        self.payload = payload


class Manual(Chare):
    """auto_flush_wait_queues is on here; a flush by hand is allowed too."""

    def __init__(self):
        self.ok = False

    @when("self.ok")
    def guarded(self):
        return "ran"

    def enable(self):
        self.ok = True
        self.__flush_wait_queues__()


class Main(Chare):
    def __init__(self, args):
        last = charm.numPes() - 1
        for pe in {0, last}:
            self.on(Chare(Steps, onPE=pe))
        array = Array(Steps, 5)
        for step in (3, 1, 0, 2):
            array.data(step, "a")
            array.data(step, "b")
        charm.waitQD()
        states = array.state(ret=True).get()
        equal([s[0] for s in states], [4] * 5, "broadcasts with a condition")
        equal(
            [sorted(s[1]) == [(i, v) for i in range(4) for v in "ab"] for s in states], [True] * 5
        )
        future = array.one_at_a_time(7, ret=True)
        array.set_go()
        equal(
            future.get(),
            [7] * 5,
            "the future of a conditional broadcast completes when all have run",
        )

        self.flag = 0
        self.thisProxy.raise_flag()
        self.wait("self.flag == 1")
        equal(self.flag, 1, "wait in the main chare")
        self.thisProxy.guarded_main(1)
        self.thisProxy.guarded_main(0)
        self.flag = 0
        self.wait("self.flag == 2")
        equal(self.order, [0, 1], "@when in the main chare")
        equal(Chare(Manual).guarded.__name__, "guarded")
        manual = Chare(Manual, onPE=last)
        future = manual.guarded(ret=True)
        manual.enable()
        equal(future.get(), "ran", "flush by hand")
        finish(40)

    order = []

    def raise_flag(self):
        self.flag = 1

    @when("self.flag == number")
    def guarded_main(self, number):
        self.order.append(number)
        self.flag += 1

    def on(self, c):
        for step in (2, 1, 0, 1, 2, 0):
            c.data(step, f"v{step}")
        charm.waitQD()
        equal(
            c.state(ret=True).get()[:2],
            (3, [(0, "v0")] * 2 + [(1, "v1")] * 2 + [(2, "v2")] * 2),
            "by tag",
        )
        c.reset()
        futures = [c.other_way_round("x", step, ret=True) for step in (4, 3, 2, 1, 0)]
        equal(
            [f.get() for f in futures], [5, 4, 3, 2, 1], "futures complete when the method has run"
        )

        c.reset()
        for number in range(5):
            c.one_at_a_time(number)
        charm.waitQD()
        equal(c.state(ret=True).get()[2], [], "all wait")
        for count in range(1, 6):
            c.set_go(awaitable=True).get()
            equal(
                c.state(ret=True).get()[2],
                list(range(count)),
                "each event lets one through, the oldest first",
            )

        c.reset()
        for value in (5, 15, 25):
            c.mixed(value)
        c.advance(2)
        c.set_go(awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25], "state and argument")
        c.advance(-1, awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25, 15])
        c.advance(-1, awaitable=True).get()
        equal(c.state(ret=True).get()[2], [25, 15, 5])

        c.reset()
        for tag in (2, 0, 1):
            c.by_attribute(Message(tag, f"p{tag}"))
        equal(c.state(ret=True).get()[2], ["p0", "p1", "p2"], "an attribute of an argument")
        c.reset()
        for k in (1, 0):
            c.by_item({"k": k, "v": k + 1})
        equal(c.state(ret=True).get()[2], [1, 2], "an item of an argument")

        c.reset()
        f = c.by_global(ret=True)
        c.advance(2)
        charm.waitQD()
        equal(f.ready(), False)
        c.advance(1)
        equal(f.get(), "past the threshold", "a global of the module")
        equal(c.direct(ret=True).get(), "past the threshold", "a direct call")

        for method in ("coro_first", "coro_second"):
            c.reset()
            futures = [getattr(c, method)(step, ret=True) for step in (1, 0)]
            charm.waitQD()
            equal(
                c.state(ret=True).get()[1],
                [("begin", 0), ("begin", 1)],
                "suspended counts as an occasion to look",
            )
            check(not futures[0].ready() and not futures[1].ready(), "both wait")
            c.set_go()
            equal(
                [f.get() for f in futures],
                [("coro", 1), ("coro", 0)],
                "a conditional coroutine's value",
            )
        c2 = Chare(Steps, onPE=0)
        equal(sorted([c2.with_default(1, limit=-1, ret=True).get()]), [(1, -1)], "argument given")
        f = c2.with_default(7, ret=True)
        c2.advance(2)
        charm.waitQD()
        equal(f.ready(), False, "the default takes part in the condition")
        c2.advance(1)
        equal(f.get(), (7, 2), "the default is applied before the condition")
        raises(AttributeError, c2.bad_condition(1, ret=True).get, text="undefined_attribute")
        raises(SyntaxError, c2.bad_wait(ret=True).get)

        c.reset()
        waits = [c.waits_for(target, ret=True) for target in (3, 1, 2, 0, 1)]
        charm.waitQD()
        equal(
            [w.ready() for w in waits],
            [False, False, False, True, False],
            "a true condition does not wait",
        )
        c.advance(1, awaitable=True).get()
        charm.waitQD()
        equal([w.ready() for w in waits], [False, True, False, True, True])
        c.advance(5)
        equal([w.get() for w in waits], [3, 1, 2, 0, 1])
        c.reset()
        f = c.waits_with_global(ret=True)
        c.advance(4)
        equal(f.get(), 4, "a global in a wait")
        c.reset()
        both = [c.ping_pong(20, awaitable=True), c.pong_ping(20, awaitable=True)]
        charm.wait(both)
        equal(c.state(ret=True).get()[0], 40, "coroutines that wake each other")
        c.reset()
        f = c.waits_for(77, ret=True)
        c.changed_after_resume()
        c.open_gate()
        equal(f.get(), 77, "a change made after a resumption is noticed")


charm.start(Main)
