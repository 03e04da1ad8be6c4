# SPDX-License-Identifier: Apache-2.0
"""Array elements that move by request while everything that can be under way is under way: calls, conditions, channels,
broadcasts, reductions, sections; and moves that are refused or fail.
"""

import socket

import numpy as np

from charm4py import Array, Channel, Chare, Future, Group, Reducer, charm, coro, when
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises


class Walker(Chare):
    made = 0

    def __init__(self, bag):
        Walker.made += 1
        self.bag = bag
        self.me = self
        self.data = np.arange(1000.0) + self.thisIndex[0]
        self.alias = self.data
        self.arrivals = []
        self.shouts = []
        self.calls = 0

    def migrated(self):
        assert self.me is self and self.alias is self.data, "references within the object stay"
        assert charm.myPe() not in self.arrivals[-1:]
        self.arrivals.append(charm.myPe())

    def call(self, k):
        self.calls += k

    def shout(self, number):
        self.shouts.append(number)

    def where(self):
        return charm.myPe()

    def report(self):
        return self.arrivals, self.calls, self.shouts, float(self.data.sum()), self.bag

    def give(self, k, done):
        self.reduce(done, k + self.thisIndex[0], Reducer.sum)

    def give_to(self, section, k, done):
        self.reduce(done, (k, self.thisIndex[0]), Reducer.gather, section=section)

    def give_array(self, section, done):
        i = self.thisIndex[0]
        self.contribute(np.full((2, 3), i, dtype=np.int16), Reducer.sum, done, section)

    def hop_and_give(self, times, done):
        """A contribution from each of several places."""
        for k in range(times):
            self.reduce(done, k, Reducer.sum)
        self.migrate((charm.myPe() + 1) % charm.numPes())

    @coro
    def wait_for(self, future):
        return future.get()


class Gate(Chare):
    def __init__(self):
        self.open = -1
        self.passed = []

    @when("self.open >= n")
    def enter(self, n, what=None):
        self.passed.append(n)
        return n * n

    def unlock(self, n):
        self.open = n

    def get_passed(self):
        return self.passed


class Talker(Chare):
    """Two of them send numbers over two channels, moving all the time."""

    @coro
    def connect(self):
        other = self.thisProxy[1 - self.thisIndex[0]]
        self.channels = {"a": Channel(self, other), "b": Channel(self, other)}
        self.channel = self.channels["a"]
        for ch in self.channels.values():
            ch.send("hello")
        for ch in self.channels.values():
            ch.recv()
        self.sent = 0
        self.got = []

    def send(self, n):
        assert self.channel is self.channels["a"]
        for _ in range(n):
            self.channel.send(self.sent, np.full(3, self.sent))
            self.channels["b"].send(-self.sent)
            self.sent += 1

    @coro
    def take(self, n):
        for _ in range(n):
            number, array = self.channel.recv()
            assert array.tolist() == [number] * 3 and self.channels["b"].recv() == -number
            self.got.append(number)

    def get_got(self):
        return self.got


class Custom(Chare):
    def __init__(self):
        self.kept = 3
        self.sock = socket.socket()

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.kept = state["kept"] + 1
        self.index_seen = self.thisIndex
        self.sock = None

    def get(self):
        return self.kept, self.sock is None, getattr(self, "index_seen", None)


class Slotted(Chare):
    __slots__ = ("x", "y", "never")

    def __init__(self):
        self.x = [1, 2]
        self.y = self.x

    def get(self):
        return self.x, self.y is self.x, hasattr(self, "never")


class Stubborn(Chare):
    """Cannot be packed, or not be made again anywhere but at home."""

    def __init__(self, how):
        self.n = 0
        self.home = charm.myPe()
        self.how = how
        if how == "pack":
            self.lock = {"deep": [socket.socket()]}

    def __setstate__(self, state):
        if state["how"] == "unpack" and state["home"] != charm.myPe():
            raise ValueError(f"not on {charm.myPe()}")
        self.__dict__.update(state)

    def inc(self):
        self.n += 1
        return self.n

    def where(self):
        return charm.myPe(), self.n


class Reducing(Chare):
    def __reduce__(self):
        return (list, ())


class Idle(Chare):
    def where(self):
        return charm.myPe()


def check_basics():
    p = charm.numPes()
    bag = {"list": [1, 2], "text": "x" * 5000}
    walkers = Array(Walker, 2 * p, args=[bag])
    start = walkers.where(ret=True).get()
    for step in range(1, 4):
        for i in range(2 * p):
            walkers[i].migrate((start[i] + step) % p, awaitable=True).get()
            walkers[i].call(i)
        equal(walkers.where(ret=True).get(), [(s + step) % p for s in start], "where they are")
        walkers.shout(step)
    for i, (arrivals, calls, shouts, total, got) in enumerate(walkers.report(ret=True).get()):
        want = [(start[i] + step) % p for step in range(1, 4)] if p > 1 else []
        equal(arrivals, want, "migrated() ran once per move, nothing for a move to where it is")
        equal(calls, 3 * i, "calls")
        equal(shouts, [1, 2, 3], "broadcasts")
        equal(total, 1000.0 * 999 / 2 + 1000.0 * i, "the array")
        equal(got, bag, "other attributes")
    made = sum(charm.thisProxy.eval("Walker.made", ret=True).get())
    equal(made, 2 * p, "constructors ran once")

    # A move of all, and requests by keyword, by numpy integer, from inside.
    walkers.migrate(p - 1, awaitable=True).get()
    equal(walkers.where(ret=True).get(), [p - 1] * (2 * p), "all on one PE")
    walkers[1].migrate(toPe=np.int64(0), awaitable=True).get()
    equal(walkers[1].where(ret=True).get(), 0, "by keyword")
    return walkers


def check_storm(walkers):
    """Calls, broadcasts and reductions while all move without waiting for each other."""
    p, n = charm.numPes(), 2 * charm.numPes()
    before = walkers.report(ret=True).get()
    sums = []
    for step in range(30):
        for i in range(n):
            walkers[i].migrate((i * step + step) % p)
            walkers[i].call(1)
        walkers.shout(step)
        sums.append(Future())
        walkers.give(step, sums[-1])
        walkers[step % n].call(1000)
    for step, future in enumerate(sums):
        equal(future.get(), n * step + n * (n - 1) // 2, f"reduction {step}")
    charm.waitQD()
    after = walkers.report(ret=True).get()
    for i in range(n):
        extra = 30 + 1000 * sum(step % n == i for step in range(30))
        equal(after[i][1] - before[i][1], extra, "each call once")
        equal(after[i][2][len(before[i][2]) :], list(range(30)), "each broadcast once, in order")


def check_sections(walkers):
    """Contributions from different places to one section are not taken for each other's."""
    p, n = charm.numPes(), 2 * charm.numPes()
    section = charm.split(walkers, 1, elems=[[(i,) for i in range(0, n, 2)]])[0]
    futures = []
    for k in range(40):
        futures.append(Future())
        section.give_to(section, k, futures[-1])
        for i in range(0, n, 2):
            walkers[i].migrate((i + k) % p)
    for k, future in enumerate(futures):
        got = future.get()
        equal([tuple(pair) for pair in got], [(k, i) for i in range(0, n, 2)], "in step")
    whole = Future()
    section.give_array(section, whole)
    total = whole.get()
    equal((total.shape, total.dtype), ((2, 3), np.int16), "what describes an array comes along")
    equal(total.tolist(), [[n // 2 * (n // 2 - 1)] * 3] * 2, "0 + 2 + ... + n - 2")
    done = Future(5)
    walkers.hop_and_give(5, done)
    equal(sorted(done.get()), [k * n for k in range(5)], "five reductions, then a move")


def check_conditions():
    p = charm.numPes()
    gates = Array(Gate, 2)
    answers = [gates[1].enter(n, what=np.ones(300), ret=True) for n in range(6)]
    futures = [Future() for _ in range(6)]
    for step in range(1, 4):
        gates[1].migrate(step % p, awaitable=True).get()
        check(not any(answer.ready() for answer in answers), "the conditions are false")
    gates[1].unlock(2)
    equal([answer.get() for answer in answers[:3]], [0, 1, 4], "calls that waited and moved")
    gates[1].migrate(0, awaitable=True).get()
    gates[1].unlock(9)
    equal([answer.get() for answer in answers], [n * n for n in range(6)], "the others")
    equal(gates[1].get_passed(ret=True).get(), list(range(6)), "in order")
    del futures

    gates = Array(Gate, 2 * p)
    both = [gates.enter(3, ret=True), gates.enter(3, awaitable=True)]
    charm.waitQD()
    for i in range(2 * p):
        gates[i].migrate((i + 1) % p, awaitable=True).get()
    check(not any(future.ready() for future in both), "the conditions are false")
    gates.unlock(3)
    equal(
        [future.get() for future in both],
        [[9] * (2 * p), None],
        "awaited broadcasts that waited and moved",
    )


def check_channels():
    p = charm.numPes()
    talkers = Array(Talker, 2)
    talkers.connect(awaitable=True).get()
    for step in range(12):
        talkers.send(7)
        talkers[step % 2].migrate(step % p)
        talkers.send(5)
        talkers[(step + 1) % 2].migrate((step * 3 + 1) % p)
        charm.waitQD()
        talkers.take(12, awaitable=True).get()
    equal(talkers.get_got(ret=True).get(), [list(range(144))] * 2, "in the order sent, each once")


def check_states():
    p = charm.numPes()
    custom = Chare(Custom, onPE=0)
    custom.migrate(p - 1, awaitable=True).get()
    moved = p > 1
    equal(
        custom.get(ret=True).get(), (4, True, (0,)) if moved else (3, False, None), "its own state"
    )
    slotted = Array(Slotted, 1)
    for pe in (p - 1, 0):
        slotted[0].migrate(pe, awaitable=True).get()
    equal(slotted[0].get(ret=True).get(), ([1, 2], True, False), "slots")


class Tally(Chare):
    def __init__(self):
        self.ready = {}

    def arrive(self, step):
        self.ready[step] = self.ready.get(step, 0) + 1

    def count(self, step):
        return self.ready[step]


class Stepper(Chare):
    """Waits for all others again and again; moves before it is ready or while it waits, has others made, or dies."""

    def __init__(self, tally, steps, done, step=0):
        self.tally, self.steps, self.done, self.step = tally, steps, done, step
        self.me().go()

    def me(self):
        return self.thisProxy[self.thisIndex]

    def move_on(self):
        self.migrate((charm.myPe() + 1) % charm.numPes())

    @coro
    def go(self):
        who = self.thisIndex[0]
        self.tally.arrive(self.step, ret=True).get()
        if self.step == 5 and who == 0:  # three more take part from now on
            for i in range(100, 103):
                self.thisProxy.ckInsert(i, (self.tally, self.steps, self.done, 5))
        if (self.step + who) % 4 == 0:
            self.move_on()
        self.AtSync()

    def resumeFromSync(self):
        if (self.step + self.thisIndex[0]) % 3 == 0:
            self.move_on()
        self.me().next()

    @coro
    def next(self):
        ready = self.tally.count(self.step, ret=True).get()
        assert ready == everyone(self.step), (self.step, ready)
        self.step += 1
        if self.step == 9 and self.thisIndex[0] == 1:
            self.thisProxy[1].ckDestroy()
        elif self.step < self.steps:
            self.me().go()
        if self.step == self.steps or (self.step == 9 and self.thisIndex[0] == 1):
            self.done()


FIRST = 11


def everyone(step):
    return FIRST + (3 if step >= 5 else 0) - (1 if step >= 9 else 0)


def check_sync():
    """Nobody goes on before all are ready, whoever moves, comes or goes."""
    tally = Chare(Tally, onPE=0)
    steps = 15
    done = Future(FIRST + 3)
    Array(Stepper, FIRST, args=[tally, steps, done], useAtSync=True)
    done.get()
    plain = Array(Idle, 1)
    raises(Charm4PyError, plain[0].AtSync(awaitable=True).get, text="resumeFromSync")
    plain = Array(Walker, 1, args=[None], useAtSync=True)
    raises(Charm4PyError, plain[0].AtSync(awaitable=True).get, text="must define")


def check_refusals():
    p = charm.numPes()
    idle = Array(Idle, 1)
    for pe in (p, -1, 10**12):
        raises(IndexError, idle[0].migrate(pe, awaitable=True).get, text="0 to")
    raises(TypeError, idle[0].migrate("1", awaitable=True).get)
    raises(AssertionError, lambda: idle[0].migrate(awaitable=True), text="toPe")
    raises(AttributeError, lambda: Group(Idle)[0].migrate)
    equal(idle[0].where(ret=True).get(), 0, "still there")

    # A coroutine of it waits.
    walker = Chare(Walker, args=[None], onPE=0)
    future = Future()
    result = walker.wait_for(future, ret=True)
    raises(Charm4PyError, walker.migrate(p - 1, awaitable=True).get, text="coroutines")
    walker.migrate(p - 1)  # nobody hears of that, but a warning is printed
    walker.migrate(p - 1)
    equal(walker.where(ret=True).get(), 0, "it stays")
    future(5)
    equal(result.get(), 5, "the coroutine goes on")
    walker.migrate(p - 1, awaitable=True).get()
    equal(walker.where(ret=True).get(), p - 1, "afterwards it moves")

    for how in ("pack", "unpack"):
        stubborn = Chare(Stubborn, args=[how], onPE=0)
        for _ in range(3):
            answer = stubborn.migrate(p - 1, awaitable=True)
            calls = [stubborn.inc(ret=True) for _ in range(3)]
            if p > 1:
                kind = TypeError if how == "pack" else ValueError
                error = raises(
                    kind, answer.get, text="cannot pickle" if how == "pack" else "not on"
                )
                check("deep" in str(error) or how != "pack", f"says which attribute: {error}")
            for call in calls:
                call.get()
        equal(stubborn.where(ret=True).get(), (0, 9), "stays, works, and nothing is lost")
    if p > 1:
        odd = Chare(Reducing, onPE=0)
        raises(TypeError, odd.migrate(1, awaitable=True).get, text="__getstate__")


def main(args):
    walkers = check_basics()
    check_storm(walkers)
    check_sections(walkers)
    check_conditions()
    check_channels()
    check_states()
    check_sync()
    check_refusals()
    finish(61)


charm.options.remote_exec = True
charm.start(main)
