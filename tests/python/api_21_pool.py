# SPDX-License-Identifier: Apache-2.0
"""charm.pool: map, submit, Task; order, chunks, limits, nesting, errors."""

import sys
import time

from charm4py.charm import Charm4PyError
from charm4py.threads import NotThreadedError

from c4py import _c4py
from charm4py import *
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


running = 0
peak = 0


@coro
def concurrent(x):
    global running, peak
    running += 1
    peak = max(peak, running)
    charm.sleep(0.002)
    running -= 1
    return charm.myPe(), peak


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

    limited = pool.map(concurrent, range(12), ncores=1)
    equal({p for _, p in limited}, {1}, "ncores=1: one at a time")
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
    finish(79)


def make_generator(x):
    return (i for i in range(x))


charm.start(main)
