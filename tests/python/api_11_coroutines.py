# SPDX-License-Identifier: Apache-2.0
"""Coroutines: @coro and async def, interleaving, direct calls, event notification, what needs no coroutine."""

import decimal

from charm4py import *
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises


@coro
def helper(future, depth):
    """A marked plain function: called directly it runs in the caller's context, at any depth."""
    if depth == 0:
        return future.get()
    return helper(future, depth - 1) + 1


class Worker(Chare):
    def __init__(self):
        self.log = []

    @coro
    def nested(self, peer):
        return helper(peer.value_after(0.002, ret=True), 100)

    @coro
    def value_after(self, secs):
        charm.sleep(secs)
        return 1000

    @coro
    def stages(self):
        """Two coroutines of this object, led through a fixed order by four futures."""
        me = self.thisProxy[self.thisIndex]
        self.gates = {key: Future() for key in ("A1", "A2", "B1", "B2")}
        ends = [me.stage("A", awaitable=True), me.stage("B", awaitable=True)]
        for key in ("B1", "A1", "A2", "B2"):
            charm.waitQD()
            self.gates[key]()
        for end in ends:
            end.get()

    @coro
    def stage(self, name):
        self.log.append((name, "begin"))
        self.gates[name + "1"].get()
        self.log.append((name, "middle"))
        self.gates[name + "2"].get()
        self.log.append((name, "end"))

    def get_log(self):
        return self.log

    def threads(self):
        return self._numthreads

    @coro
    def parked(self):
        self.wait("self.released")
        return self._numthreads

    def release(self):
        self.released = True

    released = False

    def not_coroutine_future(self):
        try:
            Future()
        except NotThreadedError as error:
            return error.message
        return "no error"

    def not_coroutine_wait(self):
        try:
            self.wait("self.nothing_here")
        except NotThreadedError as error:
            return str(error)
        except AttributeError:
            return "evaluated"

    nothing_here = False

    def not_coroutine_ready(self, future_maker):
        self.wait("True")
        return "fine"

    def not_coroutine_sleep(self):
        charm.sleep(0.001)
        return "slept"

    @coro
    def keep_future(self):
        self.future = Future()
        self.future("kept")
        self.future.get()

    def get_kept(self):
        assert self.future.ready()
        return self.future.get()

    async def async_value(self, peer, x):
        value = await peer.value_after(0.001, ret=True)
        return value + x

    async def async_many(self, peer):
        futures = [peer.value_after(0.001 * i, ret=True) for i in range(3)]
        return sum([await f for f in futures])

    async def async_raises(self, peer):
        await peer.value_after(0.001, ret=True)
        raise KeyError("from async")

    async def async_blocking(self, peer):
        try:
            peer.value_after(0, ret=True).get()
        except NotThreadedError as error:
            return str(error)
        return "no error"

    async def async_simple(self):
        return "simple"

    @coro
    def raises_late(self):
        charm.sleep(0.001)
        raise LookupError("late")

    @coro
    def local_state(self, n, peer):
        """Many coroutines of one object: each keeps its own local variables."""
        mine = n
        peer.value_after(0.001 * (n % 3), ret=True).get()
        return mine


class Notified(Chare):
    def __init__(self):
        self.events = []
        self.__addThreadEventSubscriber__(self, "data")

    def threadPaused(self, data):
        self.events.append(("paused", data))

    def threadResumed(self, data):
        self.events.append(("resumed", data))

    @coro_ext(event_notify=True)
    def sleeper(self):
        charm.sleep(0.001)
        charm.sleep(0.001)

    @coro
    def silent(self):
        charm.sleep(0.001)

    def get_events(self):
        return self.events


@coro_ext()
def helper_with_options(x):
    charm.sleep(0)
    return x


class Refused(Chare):
    """What may wait is refused outside of coroutines, and says which method to mark."""

    def __init__(self):
        self.go = False

    def try_all(self):
        me = self.thisProxy[self.thisIndex]
        waits = {
            "Future": lambda: Future(),
            "Future(2)": lambda: charm.createFuture(2),
            "allreduce": lambda: self.allreduce(),
            "ret": lambda: me.try_all(ret=True),
            "awaitable": lambda: self.thisProxy.set_go(awaitable=True),
            "wait": lambda: self.wait("not self.go"),
            "recv": lambda: Channel(self, me).recv(),
            "charm.wait": lambda: charm.wait([Channel(self, me)]),
            "charm.iwait": lambda: list(charm.iwait([Channel(self, me)])),
            "waitQD": lambda: charm.waitQD(),
            "split": lambda: charm.split(self.thisProxy, 1, number_zero),
            "combine": lambda: charm.combine(self.thisProxy),
            "map": lambda: charm.pool.map(abs, [1]),
            "submit": lambda: charm.pool.submit([(abs, 1)]),
            "Task": lambda: charm.pool.Task(abs, [1], ret=True),
        }
        return {name: self.refusal(call) for name, call in waits.items()}

    def refusal(self, call):
        try:
            call()
        except NotThreadedError as error:
            return (
                error.message == str(error) and "Refused.try_all" in error.message or error.message
            )
        return "no error"

    def without_waiting(self):
        """A marked function that need not wait runs where it is called."""
        return helper_with_options(5), charm.threadMgr.isMainThread()

    def set_go(self):
        self.go = True

    @when("self.go")
    @coro_ext(event_notify=False)
    def when_first(self):
        return self.thisIndex, self._numthreads, charm.threadMgr.isMainThread()

    @coro_ext()
    @when("self.go")
    def when_second(self):
        return self.thisIndex, self._numthreads, charm.threadMgr.isMainThread()

    @staticmethod
    @coro
    def static(x):
        charm.sleep(0)
        return x

    def direct(self):
        """A direct call is an ordinary one: no coroutine is started, the condition is ignored."""
        return self.when_first()


def number_zero(chare):
    return 0


class Slow(Chare):
    @coro
    def __init__(self, parent):
        self.counts = [self._numthreads]
        charm.sleep(0.001)
        self.counts.append(self._numthreads)

    def get_counts(self):
        return [*self.counts, self._numthreads]


def decorators(last):
    # 11: decorators mark functions and give them back; with @when in either order.
    def plain(self):
        pass

    check(coro(plain) is plain and coro_ext(True)(plain) is plain, "the function itself")
    check(threaded is coro)
    raises(TypeError, coro_ext, plain, text="@coro_ext(")
    proxy = Group(Refused)
    n = charm.numPes()
    waiting = [proxy.when_first(ret=True), proxy.when_second(ret=True)]
    charm.waitQD()
    check(not waiting[0].ready() and not waiting[1].ready(), "the conditions hold them")
    equal(
        proxy.direct(ret=True).get(),
        [(pe, 0, True) for pe in range(n)],
        "a direct call is in the caller's context",
    )
    proxy.set_go()
    for future in waiting:
        equal(future.get(), [(pe, 1, False) for pe in range(n)], "a coroutine with a condition")
    equal(proxy[last].static(7, ret=True).get(), 7, "a marked static method")
    # 11: what may wait does not, in the main context; it is refused before anything happens.
    for got in proxy.try_all(ret=True).get():
        equal(got, dict.fromkeys(got, True), "refused outside of coroutines")
        equal(len(got), 15)
    equal(proxy[last].without_waiting(ret=True).get(), (5, True), "a direct call of a marked one")
    # 11: constructors may be coroutines; they are counted while they live.
    slow = Group(Slow, args=[5])
    charm.awaitCreation(slow)
    equal(slow.get_counts(ret=True).get(), [[1, 1, 0]] * n, "_numthreads of a constructor")


class Digits(Chare):
    @coro
    def change(self):
        decimal.getcontext().prec = 5
        charm.sleep(0)
        return decimal.getcontext().prec

    @coro
    def get(self):
        return decimal.getcontext().prec


def main(args):
    last = charm.numPes() - 1
    for one, other in (
        (Chare(Worker, onPE=0), Chare(Worker, onPE=last)),
        (Chare(Worker, onPE=last), Chare(Worker, onPE=0)),
    ):
        # 11: direct calls of marked functions, nested, suspend the coroutine they are in.
        equal(
            one.nested(other, ret=True).get(), 1100, "suspended deep in directly called functions"
        )

        # 11: several coroutines of one object; _numthreads.
        ended = one.stages(awaitable=True)
        ended.get()
        equal(
            one.get_log(ret=True).get(),
            [
                ("A", "begin"),
                ("B", "begin"),
                ("B", "middle"),
                ("A", "middle"),
                ("A", "end"),
                ("B", "end"),
            ],
            "two coroutines of one object in the order that their futures dictate",
        )
        waiting = [one.parked(ret=True) for _ in range(3)]
        charm.waitQD()
        equal(one.threads(ret=True).get(), 3, "live coroutines")
        one.release(awaitable=True).get()
        equal(sorted(w.get() for w in waiting), [1, 2, 3], "each ends by itself")
        equal(one.threads(ret=True).get(), 0, "no live coroutine is left")

        # 11: the error in the main context; what is there already needs no coroutine.
        check(
            "not_coroutine_future" in one.not_coroutine_future(ret=True).get(),
            "the error names the method",
        )
        check("Worker" in one.not_coroutine_future(ret=True).get(), "the error names the class")
        check("@coro" in one.not_coroutine_wait(ret=True).get(), "the error says what to do")
        equal(
            one.not_coroutine_ready(None, ret=True).get(),
            "fine",
            "a true condition needs no coroutine",
        )
        equal(one.not_coroutine_sleep(ret=True).get(), "slept", "sleep blocks elsewhere")
        one.keep_future(awaitable=True).get()
        equal(one.get_kept(ret=True).get(), "kept", "a ready future needs no coroutine")

        # async def, which is more than the chapter asks for.
        equal(one.async_simple(ret=True).get(), "simple", "async def that never waits")
        equal(one.async_value(other, 5, ret=True).get(), 1005, "async def")
        equal(one.async_many(other, ret=True).get(), 3000, "several awaits")
        raises(KeyError, one.async_raises(other, ret=True).get, text="from async")
        check(
            "await" in one.async_blocking(other, ret=True).get(),
            "get() in async def says to use await",
        )
        equal(one.threads(ret=True).get(), 0, "async coroutines are counted and gone")
        # 11: an exception after a resumption belongs to the coroutine's own call.
        raises(LookupError, one.raises_late(ret=True).get, text="late")
        equal(one.threads(ret=True).get(), 0, "also after an exception")

        futures = [one.local_state(n, other, ret=True) for n in range(60)]
        equal([x.get() for x in futures], list(range(60)), "sixty coroutines on one object")

    digits = Chare(Digits)
    equal(digits.change(ret=True).get(), 5)
    equal(digits.get(ret=True).get(), 28, "context variables end with the coroutine")
    charm.sleep(0)
    equal(digits.get(ret=True).get(), 28)

    # 6.3: event_notify
    n = Chare(Notified, onPE=last)
    n.sleeper(awaitable=True).get()
    equal(
        n.get_events(ret=True).get(), [("paused", "data"), ("resumed", "data")] * 2, "event_notify"
    )
    n.silent(awaitable=True).get()
    equal(len(n.get_events(ret=True).get()), 4, "only coroutines that asked for it")

    decorators(last)
    awaits_everything()
    check(not charm.threadMgr.isMainThread())
    raises(TypeError, coro, 5, text="@coro")
    raises(TypeError, coro, Worker, text="@coro")
    finish(60)


class Awaiter(Chare):
    """Each thing that blocks a coroutine can be awaited in an async def."""

    def __init__(self):
        self.count = 0

    def raise_count(self):
        self.count += 1
        return self.count

    async def awaits_everything(self):
        me, got = self.thisProxy[self.thisIndex], {}
        partner = self.thisIndex ^ 1
        future = Future()
        me.raise_count(awaitable=True).add_done_callback(lambda f: future(f.get()))
        got["Future"] = await future
        got["allreduce"] = await self.allreduce(1, Reducer.sum)
        got["ret"] = await me.raise_count(ret=True)
        got["broadcast"] = len(await self.thisProxy.nothing(ret=True))
        got["wait"] = await charm.wait([future])
        got["iwait"] = [await f async for f in charm.iwait([future, future])]
        got["sleep"] = await charm.sleep(0.001)
        got["condition"] = await self.wait("self.count >= 2")
        if partner < charm.numPes():
            channel = Channel(self, self.thisProxy[partner])
            got["send"] = await channel.send(self.thisIndex)
            got["recv"] = await channel.recv()
        chare = Chare(Awaiter, onPE=0)
        got["creation"] = await charm.awaitCreation(chare)
        got["map"] = await charm.pool.map(abs, [-1, -2])
        got["submit"] = await charm.pool.submit([(abs, -3)])
        got["task"] = await charm.pool.Task(abs, [-4], ret=True)
        return got

    def nothing(self):
        pass


def awaits_everything():
    ranks = charm.numPes()
    for index, got in enumerate(Group(Awaiter).awaits_everything(ret=True).get()):
        want = {"Future": 1, "allreduce": ranks, "ret": 2, "broadcast": ranks, "wait": None}
        want |= {"iwait": [1, 1], "sleep": None, "condition": None, "creation": None}
        want |= {"map": [1, 2], "submit": [3], "task": 4}
        if index ^ 1 < ranks:  # of an odd number of ranks the last one has no partner
            want |= {"send": None, "recv": index ^ 1}
        equal(got, want, "awaited")


class Elsewhere(Chare):
    def get_readonly(self):
        return readonlies.from_async


class Runner(Chare):
    @coro
    def run(self, args):
        main(args)


async def begin(args):
    """An async entry point; those checks that block are made in a coroutine."""
    readonlies.from_async = 47
    group = Group(Elsewhere)
    equal(await charm.awaitCreation(group), None, "awaitCreation in async def")
    equal(
        await group.get_readonly(ret=True),
        [47] * charm.numPes(),
        "readonlies until the first await",
    )
    equal(await charm.waitQD(), None, "waitQD in async def")
    await Chare(Runner, onPE=0).run(args, awaitable=True)


charm.start(begin)
