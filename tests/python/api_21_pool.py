# SPDX-License-Identifier: Apache-2.0
"""charm.pool: map, submit, Task; order, chunks, limits, nesting, errors.

With one rank the tasks run there (the reference refuses). exit() in a task, a task that fails without anyone waiting:
errors/exits.py (task, nested_task), errors/uncaught.py (task). A storm of tasks: pool_storm.py.
"""

import collections
import functools
import math
import sys
import threading
import time

from c4py import _c4py
from charm4py import *
from charm4py.charm import Charm4PyError
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


def square(x):
    return x * x


def add(x, y):
    return x + y


def ident(x):
    return x


def where(x):
    return charm.myPe()


def nothing(x):
    return None


def fails_on_13(x):
    if x == 13:
        raise ValueError("unlucky 13")
    return x


def mutates(items):
    items.append(len(items))
    return items


@coro
def fib(n):
    return n if n < 2 else sum(charm.pool.map(fib, [n - 1, n - 2]))


@coro
def fib_submit(n):
    if n < 2:
        return n
    return sum(charm.pool.submit([(fib_submit, n - 1), (fib, n - 2)]))


@coro
def fib_async(n):
    if n < 2:
        return n
    futures = charm.pool.map_async(fib_async, [n - 1, n - 2], multi_future=True)
    return sum(f.get() for f in futures)


@coro
def deep(n):
    """A chain: each task waits for one other."""
    return 0 if n == 0 else 1 + charm.pool.map(deep, [n - 1])[0]


@coro
def wide(n):
    return charm.pool.map(square, range(n))


@coro
def fails_deep(n):
    if n == 0:
        raise KeyError("from the depth")
    return charm.pool.map(fails_deep, [n - 1, n - 1])


@coro
def survives(n):
    try:
        charm.pool.map(fails_deep, [n, n])
    except KeyError:
        return "caught " + str(n)


kept = [1, 2]


@coro
def returns_kept(items):
    items.append("by the task")
    return kept


@coro
def keeps_its_own(x):
    """What a task gives to tasks below it and gets from them is by value, also on one rank."""
    items = [0]
    results = charm.pool.map(returns_kept, [items, items])
    for result in results:
        result.append("by the caller")
    return items, kept, results[0] is not results[1]


@coro
def sleepy(x):
    charm.sleep(0.005)
    return x


@coro
def two_args(x, y):
    charm.sleep(0)
    return (x, y)


def suspends_without_coro(x):
    Future()


def maps_without_coro(x):
    return charm.pool.map(square, [1, 2])


class Counter(Chare):
    def __init__(self):
        self.count = 0

    def hit(self):
        self.count += 1

    def get(self):
        return self.count


counter = None


@coro
def spread(n):
    pass


def spread_plain(n):
    counter.hit()
    for _ in range(2 if n > 0 else 0):
        charm.pool.Task(spread_plain, [n - 1])


class Meter(Chare):
    """Counts the tasks that run, on all ranks."""

    def __init__(self):
        self.running = self.peak = 0

    def enter(self):
        self.running += 1
        self.peak = max(self.peak, self.running)

    def leave(self):
        self.running -= 1

    def get_peak(self):
        return self.peak


@coro
def metered(meter):
    meter.enter(awaitable=True).get()
    charm.sleep(0.001)
    meter.leave(awaitable=True).get()


async def async_square(x):
    await charm.sleep(0)
    return x * x


async def async_fails(x):
    await charm.sleep(0)
    raise LookupError(f"no {x}")


async def fib_await(n):
    return n if n < 2 else sum(await charm.pool.map(fib_await, [n - 1, n - 2]))


async def fib_mixed(n):
    """The tasks below are coroutine functions, which a worker would run on the caller's own stack."""
    return n if n < 2 else sum(await charm.pool.map(fib, [n - 1, n - 2]))


@coro
def forgotten(x):
    charm.sleep(0)


@coro
def waits_for_many(x):
    """Its tasks partly go to other workers and partly end here."""
    return sum(charm.pool.map_async(square, range(40)).get()) + sum(
        charm.pool.map(slow_square, range(20))
    )


@coro
def slow_square(x):
    end = time.perf_counter() + 0.0005
    while time.perf_counter() < end:
        pass
    return x * x


class User(Chare):
    """Chares on any rank use the pool."""

    def jobs_left(self):
        return len(charm.pool._jobs)

    def by_reference(self, flag):
        _c4py.set_option("local_msg_optim", flag)

    @coro
    def use(self, n):
        return (
            charm.pool.map(square, range(n)),
            charm.pool.map(fib, [n, n]),
            charm.pool.map(add, [(n, 1)]),
        )

    async def awaits(self, n):
        return (
            await charm.pool.map(square, range(n)),
            await charm.pool.map(fib, [n, n]),
            await charm.pool.submit([(add, (n, 1))]),
        )

    async def awaits_failure(self):
        try:
            await charm.pool.map(fails_on_13, [13])
        except ValueError as error:
            return str(error)

    def plain(self):
        try:
            charm.pool.map(square, [1])
        except NotThreadedError:
            return "refused"


# ---- what may be a function, an item, an argument ------------------------------------------------------

Two = collections.namedtuple("Two", "x y")


class Times:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    def plus(self, x):
        return x + self.factor


def with_default(x, y=5):
    return x, y


def returns_error(x):
    return ValueError(x)


def returns_lock(x):
    return threading.Lock() if x == 1 else x


def sends(future, value):
    future.send(value)


def hits(proxy):
    proxy.hit()


@coro
def asks(proxy):
    return proxy.get(ret=True).get()


class LosesItself(Exception):
    def __init__(self, one, two):
        super().__init__("needs two arguments")


def fails_unpicklably(x):
    raise LosesItself(1, 2)


def fails_unknown(x):
    raise sys.modules["__main__"].OnlyOnWorkers("not known to the caller")


def functions_and_items(pool):
    """21: func and items"""
    equal(pool.map(lambda x: x + 1, [1, 2]), [2, 3], "21: a lambda, by value")
    equal(pool.map(math.sqrt, [4, 9]), [2.0, 3.0], "21: a builtin")
    equal(pool.map(str.upper, "ab"), ["A", "B"], "21: a method of a type, a text as iterable")
    equal(pool.map(int, ["1", "2"]), [1, 2], "21: a class")
    equal(pool.map(Times(3), [1, 2]), [3, 6], "21: an object that can be called")
    equal(pool.map(Times(3).plus, [1, 2]), [4, 5], "21: a bound method")
    equal(pool.map(functools.partial(add, 10), [1]), [11], "21: a partial function")
    equal(pool.map(add, [Two(1, 2)]), [3], "21: a named tuple is a tuple")
    equal(pool.map(ident, {"a": 1, "b": 2}), ["a", "b"], "21: the keys of a dict")
    equal(pool.map(ident, "abc", chunksize=2), ["a", "b", "c"])
    equal(pool.map(square, (i for i in range(5)), chunksize=2), [0, 1, 4, 9, 16], "33.7: generator")
    equal(sorted(pool.map(square, {1, 2, 3}, chunksize=2)), [1, 4, 9], "33.7: a set, in chunks")
    if np is not None:
        equal(pool.map(square, np.arange(4)), [0, 1, 4, 9], "21: an array as iterable")
        rows = pool.map(ident, np.arange(4).reshape(2, 2), chunksize=2)
        equal([r.tolist() for r in rows], [[0, 1], [2, 3]], "21: its rows")
        equal(pool.map(square, range(3), chunksize=np.int64(2), ncores=np.int32(1)), [0, 1, 4])
    equal(sum(pool.map(square, range(5000))), sum(i * i for i in range(5000)), "21: many")


def signatures(pool):
    """21: parameters by position and by keyword, results of each call"""
    equal(pool.map(square, range(5), 2, 1), [0, 1, 4, 9, 16])
    equal(pool.map(func=square, iterable=[2], chunksize=1, ncores=-1), [4])
    equal([f.get() for f in pool.map_async(square, range(5), 2, 1, True)], [0, 1, 4, 9, 16])
    equal(pool.map_async(func=square, iterable=[2], multi_future=False).get(), [4])
    equal(pool.submit(tasks=[(square, 2)], chunksize=1, ncores=-1), [4])
    equal([f.get() for f in pool.submit_async([(square, 1), (square, 2)], 2, 1, True)], [1, 4])
    equal(pool.Task(func=add, args=[1, 2], ret=True, awaitable=False).get(), 3)
    equal(pool.Task(with_default, [1], True).get(), (1, 5), "21: defaults")
    equal(pool.Task(dict, [], ret=True).get(), {}, "21: no argument")
    raises(TypeError, pool.map, square, [1], allow_nested=True, text="allow_nested")
    for chunk in (1, 3):  # 33.7: nothing to do
        equal(pool.map(square, [], chunksize=chunk), [])
        equal(pool.submit((), chunksize=chunk), [])
        equal(pool.map_async(square, (), chunksize=chunk).get(), [])
        equal(pool.map_async(square, (), chunksize=chunk, multi_future=True), [])
        equal(pool.submit_async([], chunksize=chunk).get(), [])
        equal(pool.submit_async([], chunksize=chunk, multi_future=True), [])


def futures_and_chares(pool):
    """21: what tasks may use; their futures are like others"""
    future = Future()
    pool.Task(sends, (future, "by a task"))
    equal(future.get(), "by a task", "21: a future as argument")
    made = Chare(Counter)
    pool.map(hits, [made] * 5)
    charm.waitQD()
    equal(pool.map(asks, [made, made]), [5, 5], "21: tasks call chares and wait for them")
    futures = pool.map_async(square, range(4), multi_future=True)
    equal(sorted(f.get() for f in charm.iwait(futures)), [0, 1, 4, 9], "21: iwait")
    futures = pool.map_async(square, range(3), multi_future=True)
    charm.wait(futures)
    equal([f.get() for f in futures], [0, 1, 4], "21: wait")
    values = pool.map(returns_error, [1, 2])
    equal([type(v) for v in values], [ValueError] * 2, "21: an exception as a value")


def failures(pool, ranks):
    """21: exceptions; texts that say which function, where, and what to do"""
    raises(ValueError, pool.map, fails_on_13, range(40), ncores=1)
    futures = pool.map_async(fails_on_13, range(10, 16), ncores=1, multi_future=True)
    equal([f.get() for f in futures[:3]], [10, 11, 12], "21: those before it have their values")
    for future in futures[3:]:
        raises(ValueError, future.get, text="unlucky 13")
    futures = pool.map_async(fails_on_13, range(10, 16), 2, 1, True)
    equal([f.get() for f in futures[:2]], [10, 11])
    for future in futures[2:]:
        raises(ValueError, future.get, text="unlucky 13")
    raises(TypeError, pool.map, square, [(1, 2)], text="square() takes 1")
    raises(TypeError, pool.Task(square, [1, 2], ret=True).get, text="square() takes 1")
    worker = "on rank 0" if ranks == 1 else "on rank"
    for get in (
        lambda: pool.map(fails_unpicklably, [1]),
        pool.Task(fails_unpicklably, [1], ret=True).get,
        lambda: pool.submit([(fails_unpicklably, 1)], chunksize=2),
    ):
        error = raises(Charm4PyError, get, text="LosesItself: needs two arguments")
        for text in ("raise LosesItself(1, 2)", worker, "missing 1 required", "__reduce__"):
            check(text in error.message, f"21, 33.19b: {text} in {error.message}")
    for get in (
        lambda: pool.map(returns_lock, [0, 1, 2]),
        pool.map_async(returns_lock, [0, 1, 2], multi_future=True)[1].get,
        lambda: pool.submit([(returns_lock, 1)]),
        pool.Task(returns_lock, [1], ret=True).get,
    ):
        error = raises(Charm4PyError, get, text=f"the result of pool task returns_lock {worker}")
        check("cannot pickle" in error.message and "; send" in error.message, error.message)
    for call in (pool.map, pool.map_async):
        error = raises(TypeError, call, ident, [0, [threading.Lock()]], text="item 1 for ident")
        check("its part [0]" in str(error) and "; send" in str(error), str(error))
    raises(
        TypeError, pool.submit, [(square, 1), (ident, threading.Lock())], text="item 1 for ident"
    )
    raises(TypeError, pool.Task, ident, [threading.Lock()], text="item 0 for ident")
    if ranks > 1:
        text = "cannot be sent to a worker"
        raises(Charm4PyError, pool.map, Times(threading.Lock()), [1], text=text)
        raises(Charm4PyError, pool.map_async(Times(threading.Lock()), [1]).get, text=text)
        for rank in range(1, ranks):
            source = "class OnlyOnWorkers(Exception): pass"
            charm.thisProxy[rank].exec(source, awaitable=True).get()
        error = raises(Charm4PyError, pool.map, fails_unknown, [1], text="not known to the caller")
        check("Can't get attribute 'OnlyOnWorkers'" in error.message, "21: a class of theirs")
    equal(pool.map(square, [3]), [9], "21: the pool stays usable")


def main(args):
    global counter
    ranks = charm.numPes()
    pool = charm.pool
    equal(pool.map(square, range(100)), [i * i for i in range(100)], "map, in order")
    equal(pool.map(square, []), [], "nothing")
    equal(pool.map(square, (1, 2, 3)), [1, 4, 9], "a tuple of items")
    equal(pool.map(square, (i for i in range(5))), [0, 1, 4, 9, 16], "a generator")
    equal(sorted(pool.map(square, {1, 2, 3})), [1, 4, 9], "a set")
    equal(pool.map(add, [(1, 2), (3, 4)]), [3, 7], "tuples are several arguments")
    equal(pool.map(ident, [[1, 2], "ab"]), [[1, 2], "ab"], "other sequences are one")
    equal(pool.map(nothing, range(3)), [None] * 3, "None is a result")
    for chunk in (1, 2, 3, 7, 50):
        equal(
            pool.map(square, range(20), chunksize=chunk),
            [i * i for i in range(20)],
            f"chunks of {chunk}",
        )
        equal(
            pool.submit([(square, 2), (ident, "x")] * 5, chunksize=chunk),
            [4, "x"] * 5,
            f"submit, {chunk}",
        )
    equal(
        pool.map(ident, [(1, 2), (3, 4), (5, 6)], chunksize=2),
        [(1, 2), (3, 4), (5, 6)],
        "in chunks tuples are one argument",
    )
    equal(pool.map(square, (1, 2, 3), chunksize=2), [1, 4, 9], "a tuple of items in chunks")
    equal(pool.submit([]), [])
    equal(pool.submit([(add, (1, 2)), (square, 3)]), [3, 9])

    f = pool.map_async(square, range(10))
    equal(f.get(), [i * i for i in range(10)], "map_async")
    fs = pool.map_async(square, range(10), multi_future=True)
    equal([f.get() for f in fs], [i * i for i in range(10)], "one future per item")
    fs = pool.map_async(square, range(10), chunksize=3, multi_future=True)
    equal([f.get() for f in reversed(fs)], [i * i for i in reversed(range(10))], "also in chunks")
    fs = pool.submit_async([(square, 1), (square, 2)], multi_future=True)
    equal([f.get() for f in fs], [1, 4])
    equal(pool.submit_async([(square, 1), (add, (2, 3))]).get(), [1, 5])
    equal(pool.map_async(square, []).get(), [])
    equal(pool.map_async(square, [], multi_future=True), [])
    jobs = [pool.map_async(square, range(n)) for n in range(30)]
    equal(
        [j.get() for j in jobs],
        [[i * i for i in range(n)] for n in range(30)],
        "several jobs at once",
    )

    equal(pool.Task(add, [1, 2], ret=True).get(), 3, "Task")
    equal(pool.Task(add, (1, 2), awaitable=True).get(), 3)
    equal(pool.Task(two_args, (1, 2), ret=True).get(), (1, 2), "Task of a coroutine function")
    equal(pool.Task(square, [2]), None)
    equal(
        pool.map(two_args, [(1, 2), (3, 4)]),
        [(1, 2), (3, 4)],
        "coroutine functions with several arguments",
    )
    equal(pool.submit([(two_args, (1, 2)), (sleepy, 3)]), [(1, 2), 3])

    places = set(pool.map(where, range(200)))
    check(places <= (set(range(1, ranks)) or {0}), "rank 0 runs no tasks unless it is alone")
    items = [1]
    f = pool.map_async(mutates, [items])
    items.append("later")
    equal(f.get(), [[1, 1]], "arguments are captured when submitted")
    equal(items, [1, "later"], "tasks work on copies")
    equal(pool.map(keeps_its_own, [0]), [([0], [1, 2], True)], "by value, however near")
    if np is not None:
        a = np.arange(1000.0)
        out = pool.map(ident, [a, a[::2]])
        check((out[0] == a).all() and (out[1] == a[::2]).all(), "arrays")
        out[0][0] = 5
        equal(a[0], 0.0, "results are copies")

    for cores in (1, 2, 3):
        for chunk in (1, 2):
            meter = Chare(Meter)
            pool.map(metered, [meter] * 8, ncores=cores, chunksize=chunk)
            peak = meter.get_peak(ret=True).get()
            check(1 <= peak <= min(cores, max(1, ranks - 1)), f"ncores={cores}: {peak} at a time")
    raises(AssertionError, pool.map, square, [1], ncores=0, text="ncores")
    equal(pool.map(square, [1, 2], ncores=1000), [1, 4], "more than there are")
    raises(AssertionError, pool.map, square, [1], chunksize=0, text="chunksize")
    raises(TypeError, pool.map, 5, [1], text="function")
    raises(TypeError, pool.map, square, 5, text="iterate")
    raises(TypeError, pool.submit, [square], text="pairs")

    equal(pool.map(fib, [12, 9, 0, 1]), [144, 34, 0, 1], "recursive tasks")
    equal(pool.map(fib_submit, [10]), [55], "by submit")
    equal(pool.map(fib_async, [10]), [55], "by futures")
    equal(fib(11), 89, "started on the entry point's own stack")
    equal(pool.map(deep, [150]), [150], "a long chain of tasks that wait")
    equal(
        pool.map(wide, [50, 3]),
        [[i * i for i in range(50)], [0, 1, 4]],
        "plain tasks below a coroutine task",
    )
    equal(pool.map(sleepy, range(40)), list(range(40)), "suspended tasks free their worker")

    # Errors
    error = raises(ValueError, pool.map, fails_on_13, range(40), text="unlucky 13")
    check(
        isinstance(getattr(error, "remote_stacktrace", (0, ""))[1], str),
        "with the traceback's text",
    )
    equal(pool.map(square, [5]), [25], "the pool works on")
    raises(ValueError, pool.map_async(fails_on_13, range(40)).get)
    fs = pool.map_async(fails_on_13, [1, 13, 2], multi_future=True)
    raises(ValueError, fs[1].get)
    values = []
    for f in (fs[0], fs[2]):
        try:
            values.append(f.get())
        except ValueError:
            values.append("not started")
    check(
        all(v in (1, 2, "not started") for v in values),
        "the others have their values or were not started",
    )
    fs = pool.map_async(fails_on_13, range(10, 20), chunksize=5, multi_future=True)
    for f in fs[:5]:
        raises(ValueError, f.get)
    raises(KeyError, pool.map, fails_deep, [3], text="from the depth")
    equal(
        pool.map(survives, [0, 1, 2, 3]),
        [f"caught {i}" for i in range(4)],
        "an exception is caught on the way up",
    )
    error = raises(
        Charm4PyError, pool.map, suspends_without_coro, [1], text="suspends_without_coro"
    )
    check("@coro" in str(error), "the error says what to do")
    raises(Charm4PyError, pool.map, maps_without_coro, [1], text="maps_without_coro")
    raises(ValueError, pool.Task(fails_on_13, [13], ret=True).get)
    raises(Exception, pool.map, ident, [sys._getframe()])
    raises(Exception, pool.map, make_generator, [1])
    equal(pool.map(fib, [8]), [21], "still works")

    # From chares on every rank at the same time.
    users = Group(User)
    want = ([i * i for i in range(9)], [34, 34], [10])
    equal(users.use(9, ret=True).get(), [want] * ranks, "from every rank")
    equal(users.plain(ret=True).get(), ["refused"] * ranks, "map needs a coroutine")
    equal(users.awaits(9, ret=True).get(), [want] * ranks, "awaited on every rank")
    equal(users.awaits_failure(ret=True).get(), ["unlucky 13"] * ranks, "awaited failure")
    equal(pool.map(fib_await, [8, 1]), [21, 1], "async tasks that await the pool")
    equal(pool.map(fib_mixed, [8, 1], chunksize=2), [21, 1], "the same, two in one task")

    # async def functions, also several in one task.
    for size in (1, 2, 5):
        equal(pool.map(async_square, range(5), chunksize=size), [0, 1, 4, 9, 16], "async def")
        equal(
            pool.submit([(async_square, 3), (square, 4), (fib, 5)], chunksize=size),
            [9, 16, 5],
            "async def and others",
        )
        # Which one of several failures is raised is not promised; the workers race.
        error = raises(LookupError, pool.map, async_fails, [1, 2], chunksize=size)
        check(error.args in (("no 1",), ("no 2",)), "one of those that failed")

    # Arguments by reference are for calls, not for tasks.
    users.by_reference(True, awaitable=True).get()
    items = [1]
    f = pool.map_async(ident, [items])
    items.append("later")
    equal(f.get(), [[1]], "captured when submitted, whatever the options are")
    users.by_reference(False, awaitable=True).get()

    # Nothing stays behind.
    for _ in range(20):
        pool.Task(forgotten, [1])
    want = sum(i * i for i in range(40)) + sum(i * i for i in range(20))
    equal(pool.map(waits_for_many, range(6)), [want] * 6, "parts of jobs on several workers")
    charm.waitQD()
    equal(users.jobs_left(ret=True).get(), [0] * ranks, "jobs that have ended are forgotten")

    functions_and_items(pool)
    signatures(pool)
    futures_and_chares(pool)
    failures(pool, ranks)

    # Tasks without futures, counted by quiescence.
    made = Chare(Counter)
    charm.thisProxy.updateGlobals({"counter": made}, awaitable=True).get()
    charm.pool.Task(spread_plain, [6])
    charm.waitQD()
    equal(
        made.get(ret=True).get(),
        127,
        "a tree of tasks that nobody waits for, all before quiescence",
    )
    finish(170)


def make_generator(x):
    return (i for i in range(x))


raises(Charm4PyError, charm.pool.map, square, [1], text="charm.start()")
charm.options.remote_exec = True
charm.start(main)
