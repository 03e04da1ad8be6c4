# SPDX-License-Identifier: Apache-2.0
"""Nothing that a program does over and over may leave memory behind. Counted on all ranks: blocks of Python's allocator, objects
that the garbage collector knows, and bytes that C code has allocated, those of the runtime among them."""

import array as arrays
import collections
import ctypes
import gc
import pickle
import sys

import numpy as np

from charm4py import *
from charm4py import ray
from checks import check, finish

ROUNDS = 100
#: Caches and free lists may take a few; a leak takes at least one in each round.
ALLOWED = ROUNDS * 2 // 3
#: The same for bytes; the smallest piece that malloc() gives takes 32.
ALLOWED_BYTES = 32 * ALLOWED


class Heap(ctypes.Structure):
    """What mallinfo2() of glibc returns."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
if mallinfo is not None:
    mallinfo.restype = Heap


def heap_bytes():
    """Bytes that are allocated with malloc(), large pieces included; 0 where nobody counts them."""
    if mallinfo is None:
        return 0
    heap = mallinfo()
    return heap.uordblks + heap.hblkhd


class Trouble(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


class Member(Chare):
    def __init__(self):
        self.n = 0
        self.channel = None
        self.loop = None

    def echo(self, *args):
        return args

    def keywords(self, x, y=2, *, z=3):
        return x, y, z

    def fail(self):
        raise Trouble(1, 2)

    @coro
    def suspends(self, x):
        charm.sleep(0)
        return x

    async def asynchronous(self, x):
        return x

    @when("self.n == k")
    def conditional(self, k):
        pass

    def reduces(self, target, data, reducer):
        self.reduce(target, data, getattr(Reducer, reducer))

    @coro
    def everywhere(self):
        return self.allreduce(1, Reducer.sum).get()

    @coro
    def talks(self, other):
        if self.channel is None:
            self.channel = Channel(self, other)
        self.channel.send([1, 2])
        return self.channel.recv()

    @coro
    def talks_to_itself(self, other):
        if self.loop is None:
            self.loop = Channel(self, other)
        self.loop.send(np.ones(500), b"bytes")
        for channel in charm.iwait([self.loop]):
            channel.recv()

    @coro
    def fails_later(self):
        charm.sleep(0)
        raise Trouble(1, 2)

    async def fails_asynchronously(self):
        await charm.sleep(0)
        raise Trouble(1, 2)

    def conditions(self, count):
        """All different, and true; they are compiled, but only some are kept. How many there are."""
        for i in range(count):
            self.wait(f"{i} == {i}")
        return self.kinds()["Cond"]

    @coro
    def waits_first(self, value):
        self.wait(f"self.n == {value}")

    def set(self, value):
        self.n = value

    @when("self.n == k and k >= 0")
    def mixed(self, k):
        pass

    async def asks(self, other):
        values = await other.echo(1, ret=True)
        await charm.wait([other.echo(2, awaitable=True)])
        return values

    @coro
    def everywhere_barrier(self):
        self.allreduce().get()
        return self.allreduce((1, 2.0), Reducer.tuple(Reducer.sum, Reducer.max)).get()

    def answers(self, future, value):
        future(value)

    @coro
    def maps(self, count):
        return charm.pool.map(task_of_coroutine, list(range(count)))

    def reduces_in(self, target, section):
        self.reduce(target, np.ones(9), Reducer.sum, section)

    @coro
    def everywhere_in(self, section):
        return self.allreduce(1, Reducer.sum, section).get()

    def result(self, *args):
        pass

    def measure(self):
        gc.collect()
        return sys.getallocatedblocks(), len(gc.get_objects()), heap_bytes()

    def kinds(self):
        return collections.Counter(type(thing).__name__ for thing in gc.get_objects())


class Element(Chare):
    """Made and deleted again."""

    def __init__(self, data):
        self.data = data
        self.me = self.thisProxy[self.thisIndex]

    @coro
    def talk(self, other):
        channel = Channel(self, self.thisProxy[other])
        channel.send(self.data)
        return len(channel.recv())


class Traveller(Chare):
    """Moves there and back, with all that it has."""

    def __init__(self, trouble=None):
        self.data = {"list": [1, 2], "array": np.ones(300), "me": self}
        self.trouble = trouble
        self.home = charm.myPe()
        self.n = 0
        self.done = None

    def __setstate__(self, state):
        if state["trouble"] == "unpack" and state["home"] != charm.myPe():
            raise TypeError("not here")
        self.__dict__.update(state)

    @coro
    def connect(self):
        self.channel = Channel(self, self.thisProxy[1 - self.thisIndex[0]])
        self.channel.send(1)
        self.channel.recv()

    @when("self.n == k")
    def gated(self, k, what):
        return what

    def set(self, n):
        self.n = n

    def fill(self, trouble):
        self.trouble = (x for x in ()) if trouble == "pack" else trouble

    def sync(self, done):
        self.done = done
        self.AtSync()

    def resumeFromSync(self):
        self.done()


def move(chare):
    for pe in (charm.numPes() - 1, 0):
        chare.migrate(pe, awaitable=True).get()


def move_waiting(chare):
    answer = chare.gated(1, [1, np.ones(9)], ret=True)
    move(chare)
    chare.set(1)
    answer.get()
    chare.set(0)


def move_in_vain(chare, trouble):
    chare.fill(trouble)
    if charm.numPes() > 1:
        fails(chare.migrate(charm.numPes() - 1, awaitable=True).get)
    chare.fill(None)


def synchronize(array, count):
    done = Future(count)
    array.sync(done)
    done.get()


def task_of_coroutine_inner(x):
    return x * 2


@coro
def task_of_coroutine(x):
    return charm.pool.map(task_of_coroutine_inner, [x, x])


def task_fails(x):
    raise Trouble(x, 2)


@ray.remote
def remote_task(x):
    return x


@ray.remote
def remote_failure():
    raise Trouble(1, 2)


@ray.remote
class Actor:
    def __init__(self, start):
        self.sum = start

    def add(self, x):
        self.sum += x
        return self.sum


def joined(contributions):
    return "".join(sorted("".join(contributions)))


Reducer.addReducer(joined, pre=lambda data, chare: data * 2, post=lambda result: result[::-1])


def abs_of(future):
    return abs(future.get()[0])


@ray.remote
def double(x):
    return x * 2


@ray.remote
class Echo:
    def echo(self, x):
        return x


def fails(func, *args, **kwargs):
    try:
        func(*args, **kwargs)
    except (Trouble, KeyError, TypeError, Charm4PyError, IndexError, AttributeError):
        return
    raise AssertionError("no exception")


def future_of(func, *args):
    f = Future()
    func(f, *args)
    return f.get()


def operations(group, array):
    last = group[charm.numPes() - 1]
    here = group[0]
    mutable = [1, {"a": 2}]
    numbers = np.ones((3, 3))
    yield "proxies", lambda: [group[0], array[1], hash(array[(2,)]), array[1] == array[1]]
    yield "same rank", lambda: here.echo(1, mutable, ret=True).get()
    yield "other rank", lambda: last.echo(1, mutable, np.ones(300), ret=True).get()
    yield "keywords", lambda: last.keywords(1, z=5, ret=True).get()
    yield "broadcast", lambda: group.echo(mutable, ret=True).get()
    yield "awaited broadcast", lambda: array.echo(mutable, awaitable=True).get()
    yield "no answer", lambda: last.echo(1)
    yield "block", lambda: last.echo(1, block=True)
    yield "coroutine", lambda: last.suspends(mutable, ret=True).get()
    yield "async", lambda: last.asynchronous(mutable, ret=True).get()
    yield "condition", lambda: last.conditional(0, awaitable=True).get()
    yield "callbacks", lambda: last.echo(here.echo, array.echo, group, ret=True).get()
    yield "exception", lambda: fails(last.fail(ret=True).get)
    yield "exceptions", lambda: group.fail(ret=True).get()
    yield "unpicklable", lambda: fails(last.echo, (x for x in ()))
    yield "unpicklable, awaited", lambda: fails(last.echo, (x for x in ()), ret=True)
    yield "future sent by itself", lambda: Future().send(1)
    yield "bad keyword", lambda: fails(last.keywords, 1, nosuch=2)
    yield "bad class", lambda: fails(Array, int, 3)
    yield "direct call", lambda: fails(Member)
    yield "bad index", lambda: fails(lambda: group[charm.numPes()])
    yield "no such method", lambda: fails(lambda: last.nosuch)
    yield "allreduce", lambda: group.everywhere(awaitable=True).get()
    yield "timer", lambda: future_of(lambda f: charm.scheduleCallableAfter(f, 0, [3]))
    yield "priority", lambda: last.echo(1, priority=-5)
    yield "bad priority", lambda: fails(last.echo, priority="x")
    yield "done-callback", lambda: last.echo(1, ret=True).add_done_callback(abs_of)
    yield "for threads", lambda: last.echo(1, ret=True).as_concurrent().result()
    yield "for threads, in vain", lambda: fails(last.fail(ret=True).as_concurrent().result)
    yield "iwait", lambda: [f.get() for f in charm.iwait([last.echo(i, ret=True) for i in (1, 2)])]
    yield "progress", lambda: list(charm.progress([1, 2], style="off"))
    yield "put", lambda: ray.get(ray.put(mutable))
    yield "task", lambda: ray.get(double.remote(ray.put(3)))
    yield "failing task", lambda: fails(ray.get, double.remote(None))
    yield "actor", lambda: ray.get(actor.echo.remote([ray.put(bytes(2000))]))
    yield "references to a group", lambda: group.echo(ray.put(1), ret=True).get()
    yield "pool", lambda: charm.pool.map(abs, [1, 2])
    if charm.numPes() > 1:
        yield (
            "channel",
            lambda: [f.get() for f in (here.talks(last, ret=True), last.talks(here, ret=True))],
        )
    yield "proxies pickled", lambda: pickle.loads(pickle.dumps([group, last.echo, array[1]]))
    yield "proxies compared", lambda: {array[i]: i for i in range(4)}[array[2]] and group != array
    yield "future of several", lambda: several(last)
    yield "futures for nobody", lambda: [Future(), Future(3)]
    yield "future sent away", lambda: future_of(last.answers, numbers)
    yield "exception sent", lambda: fails(future_of, last.answers, KeyError("sent"))
    yield "wait", lambda: charm.wait([last.echo(i, ret=True) for i in range(3)])
    yield "iwait", lambda: [f.get() for f in charm.iwait([last.echo(i, ret=True) for i in (1, 2)])]
    yield "coroutine fails", lambda: fails(last.fails_later(ret=True).get)
    yield "async fails", lambda: fails(last.fails_asynchronously(ret=True).get)
    yield "async asks", lambda: last.asks(here, ret=True).get()
    yield "awaited exceptions", lambda: fails(group.fail(awaitable=True).get)
    yield "mixed condition", lambda: last.mixed(0, awaitable=True).get()
    yield "state waited for", lambda: state(last)
    yield "loopback", lambda: last.talks_to_itself(last, awaitable=True).get()
    yield "barrier", lambda: group.everywhere_barrier(awaitable=True).get()
    yield "quiescence", lambda: (charm.startQD(last.result), charm.waitQD())
    yield "sleep", lambda: charm.sleep(0)
    yield (
        "timer to a method",
        lambda: (charm.scheduleCallableAfter(last.echo, 0, [1]), charm.sleep(0)),
    )
    yield "eval", lambda: charm.thisProxy[charm.numPes() - 1].eval("1 + 1", ret=True).get()
    yield "exec", lambda: charm.thisProxy.exec("leak_test = 1", awaitable=True).get()
    yield (
        "updateGlobals",
        lambda: charm.thisProxy.updateGlobals({"some": numbers, "more": [1]}, awaitable=True).get(),
    )
    yield "pool, chunks", lambda: charm.pool.map(abs, list(range(10)), chunksize=3)
    yield "pool, few cores", lambda: charm.pool.map(abs, list(range(10)), ncores=1)
    yield "pool, one future", lambda: charm.pool.map_async(abs, [1, 2]).get()
    yield (
        "pool, many futures",
        lambda: [f.get() for f in charm.pool.map_async(abs, [1, 2], multi_future=True)],
    )
    yield "pool, submit", lambda: charm.pool.submit([(abs, -1), (len, "abc")])
    yield "pool, task", lambda: charm.pool.Task(abs, [-1], ret=True).get()
    yield "pool, nested", lambda: charm.pool.map(task_of_coroutine, [1, 2])
    yield "pool, from a chare", lambda: last.maps(3, ret=True).get()
    yield "pool, exception", lambda: fails(charm.pool.map, task_fails, [1, 2])
    yield "pool, unpicklable", lambda: fails(charm.pool.map, abs, [(x for x in ())])
    yield "given away", lambda: last.result(give(np.ones(300)), give(np.ones(30_000)))
    yield "large", lambda: last.echo(np.ones(30_000), bytes(300_000), ret=True).get()
    yield (
        "kinds of arrays",
        lambda: last.echo(
            *(arrays.array("d", [1.0]), bytearray(9), np.float32(2), np.ones((4, 4))[::2].T),
            *(
                np.array([(1, 2.0)], "i4,f8"),
                np.array(["a"]),
                np.array([None]),
                memoryview(b"x").tobytes(),
            ),
            ret=True,
        ).get(),
    )
    section = charm.split(array, 1, elems=[[(0,), (1,), (3,)]])[0]
    yield "section, answers", lambda: section.echo(mutable, ret=True).get()
    yield "section, awaited", lambda: section.echo(mutable, awaitable=True).get()
    yield "section, exceptions", lambda: fails(section.fail(awaitable=True).get)
    yield "section, reduction", lambda: future_of(section.reduces_in, section)
    yield "section, allreduce", lambda: section.everywhere_in(section, awaitable=True).get()
    pair = Array(Traveller, 2)
    pair.connect(awaitable=True).get()
    yield "moves", lambda: move(pair[0])
    yield "moves with a call that waits", lambda: move_waiting(pair[1])
    yield "cannot be packed", lambda: move_in_vain(pair[0], "pack")
    yield "cannot be unpacked", lambda: move_in_vain(pair[0], "unpack")
    yield "no such rank", lambda: fails(pair[0].migrate(-3, awaitable=True).get)
    synced = Array(Traveller, 6, useAtSync=True)
    yield "synchronization point", lambda: synchronize(synced, 6)
    if charm.numPes() > 1:
        yield from ray_operations()
    elements = Array(Element, ndims=1)
    elements.ckDoneInserting()
    yield "elements made and deleted", lambda: insert_and_delete(elements)
    yield "elements with channels", lambda: insert_and_delete(elements, talk=True)
    for data, reducer in (
        (1, "sum"),
        ([1, 2], "max"),
        (numbers, "sum"),
        (np.ones(20_000), "sum"),
        ([1, 2.5], "sum"),
        (1, "sum_ordered"),
        (True, "logical_and"),
        ((2, 7), "maxloc"),
        ("ab", "joined"),
        (None, "nop"),
        ((1, "x"), "gather"),
    ):
        what = f"{reducer} of {str(data)[:20]}"
        yield what, lambda d=data, r=reducer: future_of(array.reduces, d, r)
        yield (
            f"{what} to methods",
            lambda d=data, r=reducer: (
                array.reduces(here.result, d, r),
                array.reduces(group.result, d, r),
            ),
        )


def ray_operations():
    ray.init()
    actor = Actor.remote(5)
    yield "ray, stored", lambda: ray.get(ray.put([1, 2]))
    yield "ray, stored large", lambda: ray.get(ray.put(np.ones(20_000)))
    yield "ray, task", lambda: ray.get(remote_task.remote(1))
    yield "ray, reference as argument", lambda: ray.get(remote_task.remote(remote_task.remote(1)))
    yield "ray, large", lambda: ray.get(remote_task.remote(ray.put(np.ones(20_000))))
    yield "ray, wait", lambda: ray.wait([remote_task.remote(i) for i in (1, 2)], num_returns=2)
    yield "ray, exception", lambda: fails(ray.get, remote_failure.remote())
    yield "ray, actor", lambda: ray.get(actor.add.remote(ray.put(2)))
    yield "ray, not fetched", lambda: remote_task.remote(1)


def several(chare):
    future = Future(3)
    for i in range(3):
        chare.answers(future, [i])
    future.get()


def state(chare):
    global number
    number = number % 10 + 1
    waiting = chare.waits_first(number, awaitable=True)
    chare.set(number)
    waiting.get()
    chare.set(0)


def insert_and_delete(array, talk=False):
    indexes = [0, charm.numPes() + 1]
    for index in indexes:
        array.ckInsert(index, [b"x" * 100])
    if talk:
        for future in [array[i].talk(j, ret=True) for i, j in (indexes, indexes[::-1])]:
            assert future.get() == 100
    for index in indexes:
        array.ckDestroy(index)
    charm.waitQD()


number = 0


def growth(measure, kinds, operation):
    """(blocks, objects, bytes) more after many rounds, and how many objects of each kind."""
    kinds_before = kinds()
    before = measure()
    for _ in range(ROUNDS):
        operation()
    after, more = measure(), kinds()
    more.subtract(kinds_before)
    return [b - a for a, b in zip(before, after)], {k: n for k, n in more.items() if n > 9}


def main(args):
    group = Group(Member)
    array = Array(Member, 4)
    global actor
    ray.init()
    actor = [Echo.remote() for _ in range(charm.numPes())][-1]

    def measure():
        charm.waitQD()
        return [sum(column) for column in zip(*group.measure(ret=True).get())]

    def kinds():
        return sum(group.kinds(ret=True).get(), collections.Counter())

    few = group[0].conditions(10, ret=True).get()
    many = group[0].conditions(5000, ret=True).get()
    check(many <= few + 1100, f"{many} compiled conditions are kept, {few} before")

    chosen = args[1:]
    for name, operation in operations(group, array):
        if chosen and name not in chosen:
            continue
        for _ in range(8):  # caches fill up at first; a leak goes on for ever
            (blocks, objects, heap), more = growth(measure, kinds, operation)
            if blocks <= ALLOWED and objects <= ALLOWED and heap <= ALLOWED_BYTES:
                break
        where = f"{name}, {ROUNDS} rounds:"
        check(blocks <= ALLOWED, f"{where} {blocks} blocks more; objects: {more}")
        check(objects <= ALLOWED, f"{where} {objects} objects more: {more}")
        check(heap <= ALLOWED_BYTES, f"{where} {heap} bytes more")
    finish(0 if chosen else 200)


charm.options.remote_exec = True
charm.start(main)
