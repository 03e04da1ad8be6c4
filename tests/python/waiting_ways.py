# SPDX-License-Identifier: Apache-2.0
"""Ways of waiting: async methods, several waiters, loops over what becomes ready, many coroutines, coroutines inside coroutines."""

import gc
import pickle
import sys
import weakref

from c4py import Array, Channel, Chare, Future, Group, charm, coro
from c4py.charm import Charm4PyError as charm4py_error
from c4py.threads import Future as FutureType
from c4py.threads import LocalFuture, NotThreadedError
from checks import check, equal, finish, raises


class Foreign:
    """Awaitable of some other library."""

    def __await__(self):
        yield self


async def helper(future):
    return await future + 1


class Worker(Chare):
    def __init__(self):
        self.log = []
        self.value = 0

    def answer(self, x):
        return x

    def fail(self):
        raise KeyError("on purpose")

    def set_value(self, value):
        self.value = value

    def get_log(self):
        log, self.log = self.log, []
        return log

    async def adds(self, other, x):
        return await other.answer(x, ret=True) + await helper(other.answer(10, ret=True))

    async def catches(self, other):
        try:
            await other.fail(awaitable=True)
        except KeyError as error:
            return error.args[0]

    async def fails_after(self, other):
        await other.answer(1, ret=True)
        raise ValueError("later")

    async def awaits_foreign(self):
        try:
            await Foreign()
        except TypeError as error:
            self.log.append(str(error))
        return await self.thisProxy[self.thisIndex].later(ret=True)

    def later(self):
        return "went on"

    async def plain_get(self, other):
        try:
            other.answer(1, ret=True).get()
        except NotThreadedError as error:
            return str(error)

    async def awaits_condition(self):
        await self.wait("self.value == 3")
        return self.value

    async def awaits_all(self, other):
        futures = [other.answer(i, ret=True) for i in range(5)]
        await charm.wait(futures)
        return [f.get() for f in futures]

    async def awaits_each(self, other):
        futures = [other.answer(i, ret=True) for i in range(5)]
        return sorted([f.get() async for f in charm.iwait(futures)])

    async def sleeps(self, secs):
        await charm.sleep(secs)
        return "rested"

    async def talks(self, peer, first, count):
        channel = Channel(self, peer)
        if first:
            await channel.send(0)
        for _ in range(count):
            value = await channel.recv()
            await channel.send(value + 1)
        return await channel.recv() if first else None

    async def nothing(self):
        pass

    @coro
    def loop_that_waits(self, other):
        """The body of the loop waits for something else while more things become ready."""
        futures = [other.answer(i, ret=True) for i in range(6)]
        got = []
        for f in charm.iwait(futures):
            got.append(f.get() + other.answer(100, ret=True).get())
        return sorted(got)

    @coro
    def iwait_of_another(self, waiting):
        return [f.get() for f in charm.iwait(waiting)]

    @coro
    def first_of(self, peers):
        """Channels and futures together, each once, in the order in which they become ready."""
        channels = [Channel(self, p) for p in peers]
        future = Future()
        peers[0].sends_late(self.thisProxy, future, 1)
        for p in peers[1:]:
            p.sends_late(self.thisProxy, None, 0)
        order = []
        for ready in charm.iwait([*channels, future]):
            order.append(ready.get() if isinstance(ready, FutureType) else ready.recv())
        return order

    @coro
    def sends_late(self, peer, future, rounds):
        channel = Channel(self, peer)
        for _ in range(rounds):
            charm.sleep(0.02)
        channel.send(rounds)
        if future is not None:
            charm.sleep(0.02)
            future.send("last")

    @coro
    def waits(self, future, tag):
        self.log.append((tag, future.get()))

    @coro
    def holds(self, future):
        return future.get()

    @coro
    def depth(self, n):
        if n == 0:
            return 0
        return 1 + self.thisProxy[self.thisIndex].depth(n - 1, ret=True).get()

    def try_get(self, future):
        for what in (future.get, future.ready):
            try:
                what()
            except Exception as error:
                return type(error).__name__, str(error)

    @coro
    def roundtrip(self, future):
        """On the owner's rank a future that comes back is the same object."""
        return future

    @coro
    def pickles_channel(self, peer):
        """What a chare that moves takes along: both references stay one channel, messages that came are in it."""
        channel = Channel(self, peer)
        raises(charm4py_error, pickle.dumps, channel, text="not connected")
        channel.send("from me")
        while not channel.ready():
            charm.sleep(0.001)
        charm.sleep(0.02)
        one, two = pickle.loads(pickle.dumps([channel, channel]))
        equal((one.port, one.remote_port, one is two), (channel.port, channel.remote_port, True))
        check(one.remote == peer and one.ready())
        got = [one.recv(), one.recv(), one.recv()]
        equal(got, [(1, "a"), [2], b"c" * 5000], "messages that had arrived")
        equal([channel.recv() for _ in range(3)], got, "the original still has them")

    @coro
    def feeds_channel(self, peer):
        charm.sleep(0.01)
        channel = Channel(self, peer)
        channel.send(1, "a")
        channel.send([2])
        channel.send(b"c" * 5000)
        return channel.recv()

    def get_threads(self):
        return self._numthreads


class MakesInside(Chare):
    @coro
    def __init__(self, other):
        self.got = other.answer(7, ret=True).get()

    def get_got(self):
        return self.got


class Leaver(Chare):
    """Its coroutine is left waiting when the job ends: no code of it may run then."""

    @coro
    def wait_forever(self):
        try:
            Future().get()
        finally:
            print("RAN AFTER THE END", flush=True)

    async def await_forever(self):
        try:
            await Future()
        finally:
            print("RAN AFTER THE END", flush=True)


def test_async(here, far):
    for w in (here, far):
        equal(w.adds(here, 5, ret=True).get(), 16, "await in await")
        equal(w.catches(far, ret=True).get(), "on purpose", "an exception comes out of await")
        raises(ValueError, w.fails_after(far, awaitable=True).get, text="later")
        equal(
            w.awaits_foreign(ret=True).get(),
            "went on",
            "a foreign awaitable is refused, the method goes on",
        )
        check("Foreign" in w.get_log(ret=True).get()[0], "and named")
        check(
            "use await" in w.plain_get(here, ret=True).get(), "get() in async code says what to do"
        )
        f = w.awaits_condition(ret=True)
        w.set_value(2)
        w.set_value(3)
        equal(f.get(), 3, "await self.wait()")
        equal(w.awaits_all(far, ret=True).get(), [0, 1, 2, 3, 4], "await charm.wait()")
        equal(w.awaits_each(far, ret=True).get(), [0, 1, 2, 3, 4], "async for over iwait()")
        equal(w.sleeps(0.01, ret=True).get(), "rested", "await charm.sleep()")
        equal(w.nothing(ret=True).get(), None, "an async method that does not wait")
        equal(w.get_threads(ret=True).get(), 0, "no coroutine is left")
    a, b = Chare(Worker, onPE=0), Chare(Worker, onPE=charm.numPes() - 1)
    f, g = a.talks(b, True, 20, ret=True), b.talks(a, False, 21, ret=True)
    equal(f.get(), 41, "channels in async methods")
    g.get()


def test_iwait(here, far):
    equal(
        here.loop_that_waits(far, ret=True).get(),
        [100 + i for i in range(6)],
        "a loop body that waits",
    )
    futures = [Future(), Future()]
    f = here.iwait_of_another(futures, ret=True)
    futures[1].send("b")
    futures[0].send("a")
    if charm.numPes() == 1:
        equal(
            sorted(f.get()),
            ["a", "b"],
            "iwait in another coroutine than the one that made the futures",
        )
    peers = [Chare(Worker, onPE=i % charm.numPes()) for i in range(3)]
    first = Chare(Worker, onPE=0)
    equal(
        first.first_of(peers, ret=True).get(),
        [0, 0, 1, "last"],
        "channels and a future in order of readiness",
    )
    equal(list(charm.iwait([])), [], "of nothing")
    charm.wait([])
    raises(TypeError, charm.wait, Future())
    raises(TypeError, charm.iwait, [3])
    done = [Future() for _ in range(3)]
    for i, f in enumerate(done):
        f(i)
    charm.wait(done)
    equal([f.get() for f in charm.iwait(done)], [0, 1, 2], "ready ones in list order")


def test_channel_state():
    here, far = Chare(Worker, onPE=0), Chare(Worker, onPE=charm.numPes() - 1)
    done = here.pickles_channel(far, awaitable=True)
    equal(far.feeds_channel(here, ret=True).get(), "from me")
    done.get()


def test_futures(here, far):
    f = Future()
    for i in range(5):
        here.waits(f, i)
    charm.waitQD()
    check(f.blocked, "coroutines wait")
    f("x")
    charm.waitQD()
    equal(here.get_log(ret=True).get(), [(i, "x") for i in range(5)], "all waiters go on, in order")
    f = Future()
    same = far.roundtrip({"f": [f]}, ret=True).get()
    check(same["f"][0] is f, "a future that comes back is the same object")
    kept = {f: 1}
    check(kept[far.roundtrip(f, ret=True).get()] == 1, "as key of a dict")
    f(1)
    f.get()
    check(far.roundtrip(f, ret=True).get() is f, "also after it got its value")
    if charm.numPes() > 1:
        name, text = far.try_get(Future(), ret=True).get()
        equal(name, "Charm4PyError", "another rank cannot wait")
        check("belongs to rank 0" in text, f"and is told why: {text}")
    ref = weakref.ref(Future())
    gc.collect()
    check(ref() is None, "a future that nobody holds goes away")
    f = Future()
    far.roundtrip(f)
    ref = weakref.ref(f)
    back = far.roundtrip(f, ret=True)
    del f
    gc.collect()
    check(back.get() is ref(), "one that was sent away stays, it may come back")
    ref()(1)
    back = None
    charm.waitQD()
    gc.collect()
    check(ref() is None, "until it has its values")
    values = Future(3)
    for v in (1, ValueError("two"), 3):
        values(v)
    raises(ValueError, values.get, text="two")
    raises(ValueError, values.get, text="two")
    equal([type(v) for v in values.values], [int, ValueError, int], "the other values can be seen")
    check(
        isinstance(values.error, ValueError)
        and values.gotvalues
        and values.nvals == 3
        and values.src == 0,
        "fields",
    )
    raises(TypeError, values.send, 1, 2)
    raises(ValueError, Future, 0)
    local = LocalFuture()
    here.holds(local)
    local.send(4)
    equal(local.get(), 4, "a local future")
    if charm.numPes() > 1:
        raises(TypeError, far.answer, local, text="cannot be sent")
    answers = [far.answer(i, ret=True) for i in range(1000)]
    equal(
        [f.get() for f in reversed(answers)],
        list(range(999, -1, -1)),
        "a thousand answers, last first",
    )
    dropped = [far.answer(i, ret=True) for i in range(100)]
    del dropped
    charm.waitQD()


def test_many(here):
    f = Future()
    waiting = [here.holds(f, ret=True) for _ in range(3000)]
    charm.waitQD()
    equal(here.get_threads(ret=True).get(), 3000, "three thousand coroutines wait")
    f(5)
    check(all(w.get() == 5 for w in waiting), "and all go on")
    equal(here.get_threads(ret=True).get(), 0, "none is left")
    equal(here.depth(200, ret=True).get(), 200, "each waits for the next")


def test_nested(far):
    made = Array(MakesInside, 4, args=[far])
    charm.awaitCreation(made)
    equal(made.get_got(ret=True).get(), [7] * 4, "constructors that wait, made inside a coroutine")


def test_collector(here, far):
    """Garbage collection at the worst moments."""
    old = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for i in range(30):
            equal(far.adds(here, i, ret=True).get(), i + 11)
            equal(here.loop_that_waits(far, ret=True).get(), [100 + j for j in range(6)])
    finally:
        gc.set_threshold(*old)


def test_references(here, far):
    """Nothing is kept: the same work again leaves as many objects as before."""

    def work():
        for _ in range(20):
            far.adds(here, 1, ret=True).get()
            here.loop_that_waits(far, ret=True).get()
            far.roundtrip({"a": [1, (2,)]}, ret=True).get()
            raises(KeyError, far.fail(awaitable=True).get)
            f = Future(2)
            f(1)
            far.roundtrip(f, ret=True).get()(2)
            f.get()
        charm.waitQD()
        gc.collect()
        return sys.getallocatedblocks()

    work()
    work()
    before = work()
    for _ in range(25):
        after = work()
    # One block a round would be 500; caches of the interpreter alone make up to 250.
    check(after - before < 400, f"{after - before} blocks more after 500 rounds")


def main(args):
    last = charm.numPes() - 1
    group = Group(Worker)
    here, far = group[0], group[last]
    test_async(here, far)
    test_iwait(here, far)
    test_channel_state()
    test_futures(here, far)
    test_many(here)
    test_nested(far)
    test_collector(here, far)
    test_references(here, far)
    leaver = Group(Leaver)
    leaver.wait_forever()
    leaver.await_forever()
    charm.waitQD()
    finish(150)


charm.start(main)
