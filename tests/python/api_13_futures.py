# SPDX-License-Identifier: Apache-2.0
"""Futures: values, several values, several waiters, travelling, wait and iwait."""

import asyncio
import concurrent.futures
import pickle

import charm4py
from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises


class Sender(Chare):
    def send_to(self, future, *values):
        for value in values:
            future.send(value)

    def call(self, future, *values):
        future(*values)

    def send_named(self, future, value):
        future.send(result=value)

    def call_named(self, future, value):
        future(result=value)

    def call_nested(self, box):
        box["deep"][0]("nested")

    def get_elsewhere(self, future):
        try:
            future.get()
        except Charm4PyError as error:
            return "refused: " + error.message
        return "got"

    def give_exception(self, future):
        future(ValueError("sent as a value"))

    @coro
    def answer_after(self, secs, value):
        charm.sleep(secs)
        return value

    def echo(self, x):
        return x

    @coro
    def own_future_elsewhere_waited(self):
        self.f = Future()
        return self.f

    @coro
    def waits_on_own(self):
        return self.f.get()

    @coro
    def several_waiters(self, n):
        self.f = Future()
        me = self.thisProxy[self.thisIndex]
        waits = [me.waits_on_own(ret=True) for _ in range(n)]
        charm.waitQD()
        self.f("for all")
        return [w.get() for w in waits]


class Collective(Chare):
    """13.4: the future of allreduce()."""

    @coro
    def run(self):
        f = self.allreduce(1, Reducer.sum)
        facts = [
            isinstance(f, charm4py.threads.Future),
            type(f) is charm4py.threads.CollectiveFuture,
            refusal(pickle.dumps, f),
            refusal(f.send, 5),
            refusal(f),
        ]
        charm.wait([f])
        return [*facts, f.ready(), f.get(), f.get()]

    def contribute_to(self, future):
        self.reduce(future, 1, Reducer.sum)


def refusal(func, *args):
    try:
        func(*args)
    except Exception as error:
        return type(error).__name__


class Copies(Chare):
    def facts(self, f):
        """13.2: what can be seen of a future on another rank than its own."""
        table = {f: 1, Future: 2}
        return (f.fid, f.src, table[f], refusal(f.get), refusal(f.ready), refusal(charm.wait, [f]))

    def send_readonly(self):
        readonlies.shared_future(charm.myPe())

    def send_global(self):
        shared_global.send(charm.myPe())

    def returns_exception(self):
        return ValueError("returned")

    def raises_exception(self):
        raise ValueError("raised")


class Sized:
    """13.3: a sized collection that is neither list nor tuple."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)


def creation():
    # 13.1
    check(Future is charm.Future and Future is charm.createFuture, "one factory")
    check(not isinstance(Future, type) and isinstance(Future(), charm4py.threads.Future))
    equal([f.nvals for f in (Future(), Future(3), Future(num_vals=4))], [1, 3, 4])
    # 13.2: fields
    f = Future(2)
    equal(
        (f.src, f.nvals, f.values, f.gotvalues, f.error, f.blocked), (0, 2, [], False, None, False)
    )
    f("one")
    charm.waitQD()
    equal((f.values, f.ready(), f.gotvalues), (["one"], False, False), "one of two values")
    f("two")
    equal((f.get(), f.values, f.gotvalues), (["one", "two"], ["one", "two"], True))


def travelling(group, ranks):
    # 13.2: ownership, copies, readonlies, globals.
    copies = Group(Copies)
    f = Future()
    if ranks > 1:
        error = "Charm4PyError"
        equal(copies[ranks - 1].facts(f, ret=True).get(), (f.fid, 0, 1, error, error, error))
    copies.send_readonly()
    readonlies.shared_future.get()
    equal(sorted(readonlies.shared_future.values), list(range(ranks)), "in readonlies")
    g = Future(num_vals=ranks)
    charm.thisProxy.updateGlobals({"shared_global": g}, awaitable=True).get()
    copies.send_global()
    g.get()
    equal(sorted(g.values), list(range(ranks)), "in globals")
    # 13.2: returned or raised: get() raises, each time; the last of several.
    for method in (copies[ranks - 1].returns_exception, copies[ranks - 1].raises_exception):
        for how in ({"ret": True}, {"awaitable": True}):
            f = method(**how)
            raises(ValueError, f.get)
            raises(ValueError, f.get)
            check(f.ready())
    f = Future(3)
    f(KeyError("first"))
    f(5)
    f(ValueError("last"))
    raises(ValueError, f.get, text="last")
    equal([type(v) for v in f.values], [KeyError, int, ValueError])
    # 13.4
    error = "Charm4PyError"
    for got in Group(Collective).run(ret=True).get():
        equal(got, [True, True, "TypeError", error, error, True, ranks, ranks], "of allreduce()")


def waiting(far):
    # 13.3
    fs = [far.echo(i, ret=True) for i in range(3)]
    for objs in (fs, tuple(fs), Sized(fs), set(fs), dict.fromkeys(fs)):
        equal(charm.wait(objs), None)
        equal(sorted(f.get() for f in charm.iwait(objs)), [0, 1, 2])
    equal(charm.wait(objs=fs), None, "by keyword")
    equal(list(charm.iwait(objs=fs)), fs, "ready ones in list order")
    for wrong in (fs[0], 5, None, iter(fs), (f for f in fs), [5], [fs[0], "x"]):
        raises(TypeError, charm.wait, wrong)
        raises(TypeError, lambda wrong=wrong: list(charm.iwait(wrong)))
    failed = Future()
    far.give_exception(failed)
    equal(charm.wait([failed, *fs]), None, "an exception is a value, too")
    equal([f is failed for f in charm.iwait([failed])], [True])
    raises(ValueError, failed.get)
    # A loop that is left before its end takes nothing from the futures.
    fs = [Future() for _ in range(3)]
    fs[1](1)
    for f in charm.iwait(fs):
        equal(f.get(), 1)
        break
    fs[0](0)
    fs[2](2)
    equal([f.get() for f in fs], [0, 1, 2])
    it = charm.iwait(fs)
    check(iter(it) is it and next(it) is fs[0], "an iterator")


def main(args):
    ranks = charm.numPes()
    readonlies.shared_future = Future(ranks)
    group = Group(Sender)
    far, near = group[ranks - 1], group[0]
    creation()
    travelling(group, ranks)
    waiting(far)

    for peer in (near, far):
        f = Future()
        check(not f.ready(), "not ready")
        peer.call(f, 5)
        equal(f.get(), 5, "a value")
        check(f.ready(), "ready")
        equal((f.get(), f.get()), (5, 5), "again and again")
        f = Future()
        peer.call(f)
        equal(f.get(), None, "called without a value")
        f = Future()
        peer.send_named(f, [7])
        equal(f.get(), [7], "send(result=…)")
        f = Future()
        peer.call_named(f, 8)
        equal(f.get(), 8, "called with result=…")
        f = Future()
        peer.send_to(f, {"k": [1, 2]})
        equal(f.get(), {"k": [1, 2]})
        f = Future(5)
        peer.send_to(f, 1, 2, 3, 4, 5)
        equal(f.get(), [1, 2, 3, 4, 5], "several values in the order of arrival")
        f = Future()
        peer.call_nested({"deep": [f]})
        equal(f.get(), "nested", "inside containers")
        equal(peer.echo(f, ret=True).get() is not None, True)
        back = peer.echo(f, ret=True).get()
        equal(back.fid, f.fid, "fid")
        f = Future()
        if peer == far and ranks > 1:
            text = peer.get_elsewhere(f, ret=True).get()
            check(text.startswith("refused"), f"get() on a rank that does not own it: {text}")
        f = Future()
        peer.give_exception(f)
        raises(ValueError, f.get, text="sent as a value")
        raises(ValueError, f.get, text="sent as a value")
        equal(peer.several_waiters(5, ret=True).get(), ["for all"] * 5, "all waiters wake")

    f = Future(2 * ranks)
    group.send_to(f, 1, 1)
    equal(f.get(), [1] * 2 * ranks, "two values from every element")
    f = Future(num_vals=3)
    f(1)
    f.send(ValueError("one of three"))
    f(3)
    raises(ValueError, f.get)
    equal(sorted(v for v in f.values if isinstance(v, int)), [1, 3], "values shows the others")
    check(isinstance(f.error, ValueError), "error")
    f = Future()
    raises(TypeError, f, 1, result=2, text="2 were given")
    raises(TypeError, f.send, 1, 2, text="2 were given")
    raises(TypeError, f.send, value=2, text="'value'")
    raises(TypeError, f, value=2, text="'value'")
    f("local")
    check(not f.ready(), "asynchronous even locally")
    equal(f.get(), "local")
    items = [1]
    f = Future()
    f(items)
    items.append(2)
    equal(f.get(), [1], "captured when sent")
    for attribute in ("fid", "src", "nvals", "values", "gotvalues", "error", "blocked"):
        check(hasattr(f, attribute), attribute)
    equal((f.src, f.nvals, f.gotvalues, f.error), (0, 1, True, None))
    raises(TypeError, f.send, 1, 2)
    raises(TypeError, f, 1, 2)
    raises((TypeError, ValueError, Charm4PyError), Future, "x")
    raises((ValueError, Charm4PyError), Future, 0)
    raises((ValueError, Charm4PyError), Future, -1)
    raises(TypeError, Future, senders=3)
    table = {f: 1, Future(): 2}
    equal(table[f], 1, "futures as keys")
    check(f == f and f != Future(), "identity")
    g = pickle.loads(pickle.dumps(Future()))
    check(isinstance(g, charm4py.threads.Future), "futures pickle")
    f = Future()
    pickle.loads(pickle.dumps(f))("through pickle")
    equal(f.get(), "through pickle")

    # 13.3
    fs = [far.answer_after(0.001 * (3 - i), i, ret=True) for i in range(4)]
    equal(charm.wait(fs), None, "wait")
    check(all(f.ready() for f in fs))
    equal([f.get() for f in fs], [0, 1, 2, 3])
    equal(charm.wait([]), None, "nothing to wait for")
    equal(charm.wait(tuple(fs)), None, "all ready")
    raises(TypeError, charm.wait, fs[0])
    raises(TypeError, lambda: list(charm.iwait(fs[0])))
    fs = [Future() for _ in range(5)]
    fs[3](3)
    fs[1](1)
    charm.wait([fs[3], fs[1]])
    order = []
    for n, f in enumerate(charm.iwait(fs)):
        order.append(fs.index(f))
        check(f.ready(), "what iwait yields is ready")
        if n == 1:
            fs[4](4)
        elif n == 2:
            far.answer_after(0.0, 0, ret=True).get()  # the body may wait for something else
            fs[0](0)
        elif n == 3:
            fs[2](2)
    equal(order, [1, 3, 4, 0, 2], "first those ready in list order, then as they become ready")
    equal(list(charm.iwait([])), [])
    fs = [near.echo(i, ret=True) for i in range(300)]
    equal(sorted(f.get() for f in charm.iwait(fs)), list(range(300)), "three hundred futures")

    several_waiters(far)
    callbacks(far)
    concurrent_futures(far)

    # Defect 6: more futures than 16 bits count, also as targets of reductions.
    for _ in range(3):
        keep = [Future() for _ in range(25000)]
    del keep
    f, g = Future(), Future()
    charm.startQD(f)
    equal(f.get(), None, "a late future as target")
    Group(Collective).contribute_to(g)
    equal(g.get(), ranks, "a late future as the target of a reduction")
    finish(110)


def several_waiters(far):
    """Defects 2 and 11. Coroutines share futures, also those that another coroutine made, in every way of waiting."""
    pool = Chare(Waiting, onPE=0)
    for way in ("get", "wait_all", "iwait", "iwait", "async_get", "async_iwait"):
        pool.start(way)
    charm.waitQD()
    pool.fill(far)
    got = pool.results(ret=True).get()
    equal(got, [[0, 1, 2]] * 6, "each of six coroutines got all three values")
    equal(pool.shared(far, ret=True).get(), 10, "two coroutines take from one iwait()")


class Waiting(Chare):
    def __init__(self):
        self.running = []

    @coro
    def start(self, way):
        """Make the futures in one coroutine; others wait for them."""
        if not self.running:
            self.futures = [Future() for _ in range(3)]
        self.running.append(getattr(self.thisProxy, way)(ret=True))

    def fill(self, far):
        for value, future in reversed(list(enumerate(self.futures))):
            far.send_to(future, value)

    @coro
    def results(self):
        return [sorted(f.get()) for f in self.running]

    @coro
    def get(self):
        return [f.get() for f in self.futures]

    @coro
    def wait_all(self):
        charm.wait(self.futures)
        return [f.get() for f in self.futures]

    @coro
    def iwait(self):
        """The body of the loop waits for something else."""
        values = []
        for f in charm.iwait(self.futures):
            charm.sleep(0)
            values.append(f.get() + self.thisProxy.zero(ret=True).get())
        return values

    async def async_get(self):
        return [await f for f in self.futures]

    async def async_iwait(self):
        values = []
        async for f in charm.iwait(self.futures):
            values.append(await f + await self.thisProxy.zero(ret=True))
        return values

    def zero(self):
        return 0

    @coro
    def take(self):
        return sum(f.get() for f in self.source)

    @coro
    def shared(self, far):
        """Fewer values than coroutines: those that get none learn of the end."""
        futures = [Future(), Future()]
        self.source = charm.iwait(futures)
        sums = [self.thisProxy.take(ret=True) for _ in range(4)]
        charm.waitQD()
        far.send_to(futures[0], 3)
        far.send_to(futures[1], 7)
        return sum(f.get() for f in sums)


def callbacks(far):
    seen = Future(3)

    def note(f):
        check(charm.threadMgr.isMainThread(), "called outside of coroutines")
        seen.send(f.get())

    f = Future()
    f.add_done_callback(note)
    f.add_done_callback(note)
    f("value")
    equal(f.get(), "value")
    f.add_done_callback(note)
    equal(seen.get(), ["value"] * 3, "before and after")
    seen = Future(1)
    far.echo("kept", ret=True).add_done_callback(note)  # nothing else refers to this future
    equal(seen.get(), "kept")
    raises(TypeError, f.add_done_callback, 5, text="int")


def concurrent_futures(far):
    f = far.echo(5, ret=True)
    c = f.as_concurrent()
    check(isinstance(c, concurrent.futures.Future), "the type of the standard library")
    equal(c.result(), 5, "result() suspends the coroutine")
    check(c.done() and not c.cancelled() and not c.cancel())
    equal(c.exception(), None)
    equal(f.as_concurrent().result(timeout=5), 5, "of a future that is ready")
    f = Future()
    c = f.as_concurrent()
    raises(concurrent.futures.TimeoutError, c.result, timeout=0.01)
    far.give_exception(f)
    raises(ValueError, c.result, timeout=30, text="sent as a value")
    check(isinstance(c.exception(), ValueError))
    f = Future(2)
    c = f.as_concurrent()
    far.send_to(f, 1, 2)
    equal(c.result(), [1, 2], "several values")

    # Other threads wait while the runtime goes on.
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        gate = Future()
        waiting = gate.as_concurrent()
        one = threads.submit(waiting.result)
        two = threads.submit(lambda: asyncio.run(wrap(waiting)))
        far.send_to(gate, "for a thread")
        while not (one.done() and two.done()):
            charm.sleep(0.001)
        equal((one.result(), two.result()), ("for a thread",) * 2, "in other threads")


async def wrap(future):
    return await asyncio.wrap_future(future)


charm.start(main)
