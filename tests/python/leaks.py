# SPDX-License-Identifier: Apache-2.0
"""Nothing that a program does over and over may leave memory behind: blocks of Python's allocator are counted, on all ranks."""

import gc
import sys

import numpy as np

from charm4py import *
from checks import check, finish

ROUNDS = 100
#: Caches and free lists may take a few blocks; a leak takes at least one in each round.
ALLOWED = ROUNDS * 2 // 3


class Trouble(Exception):
    def __init__(self, a, b):
        super().__init__(a)
        self.b = b


class Member(Chare):
    def __init__(self):
        self.n = 0
        self.channel = None

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

    def result(self, *args):
        pass

    def blocks(self):
        gc.collect()
        return sys.getallocatedblocks()


def abs_of(future):
    return abs(future.get()[0])


@ray.remote
def double(x):
    return x * 2


@ray.remote
class Actor:
    def echo(self, x):
        return x


def fails(func, *args, **kwargs):
    try:
        func(*args, **kwargs)
    except (Trouble, TypeError, Charm4PyError, IndexError, AttributeError):
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
    for data, reducer in (
        (1, "sum"),
        ([1, 2], "max"),
        (numbers, "sum"),
        ([1, 2.5], "sum"),
        (None, "nop"),
        ((1, "x"), "gather"),
    ):
        yield f"{reducer} of {data}", lambda d=data, r=reducer: future_of(array.reduces, d, r)
        yield (
            f"{reducer} of {data} to methods",
            lambda d=data, r=reducer: (
                array.reduces(here.result, d, r),
                array.reduces(group.result, d, r),
            ),
        )


def main(args):
    group = Group(Member)
    array = Array(Member, 4)
    global actor
    ray.init()
    actor = [Actor.remote() for _ in range(charm.numPes())][-1]

    def blocks():
        charm.waitQD()
        return sum(group.blocks(ret=True).get())

    for name, operation in operations(group, array):
        for _ in range(8):  # caches fill up at first; a leak goes on for ever
            before = blocks()
            for _ in range(ROUNDS):
                operation()
            grown = blocks() - before
            if grown <= ALLOWED:
                break
        check(grown <= ALLOWED, f"{name}: {grown} blocks more after {ROUNDS} rounds")
    finish(30)


charm.start(main)
