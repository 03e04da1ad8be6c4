# SPDX-License-Identifier: Apache-2.0
"""Mistakes that end the job. Each case is one run; its expected text and status stand in tests/python/CMakeLists.txt.

Usage: uncaught.py CASE. What fails lives on the last rank, so that the report has to come from
another process.
"""

import os
import signal
import sys
import types

from charm4py import *

late = sys.modules["late"] = types.ModuleType("late")
exec("from charm4py import Chare\nclass First(Chare): pass\nclass Second(Chare): pass", vars(late))


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Broken(Chare):
    def __init__(self, fail=False):
        if fail:
            raise RuntimeError("the constructor fails")

    def method(self):
        raise ValueError("the method fails")

    @coro
    def fail_after(self, pid, ready):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready(True)
        charm.sleep(0)
        while lives(pid):
            pass
        raise LookupError("the method fails when the other rank's process is gone")

    @coro
    def coroutine(self):
        charm.sleep(0)
        raise LookupError("the coroutine fails after a suspension")

    async def asynchronous(self):
        raise LookupError("the async method fails")

    def two(self, a, b):
        pass

    def suspends(self, future):
        Future().get()

    def waits(self):
        self.wait("self.never")

    never = False

    @when("self.no_such_attribute == x")
    def conditional(self, x):
        pass

    def reduces(self, future):
        self.reduce(future, 1, Reducer.fails)

    def reduces_strings(self, future):
        self.reduce(future, "text", Reducer.sum)

    def sends_twice(self, future):
        future(1)
        future(2)

    def echo(self, x):
        return x

    def echo_failure(self):
        raise ValueError("the method fails")

    def fail_unpicklable(self):
        raise ValueError("holds a generator", (i for i in range(3)))

    def interrupt(self):
        raise KeyboardInterrupt

    def stops(self):
        raise GeneratorExit("no exception for callers")

    def remote_error(self, peer):
        peer.relay()

    @coro
    def relay(self, peer):
        peer.method(ret=True).get()

    def mutate_shared(self):
        pass

    def timer(self):
        charm.scheduleCallableAfter(timer_fails, 0.0)

    def aborts(self):
        charm.abort("as the program asked")


class BrokenCoroInit(Chare):
    @coro
    def __init__(self):
        charm.sleep(0)
        raise RuntimeError("the coroutine constructor fails")


class BadMap(ArrayMap):
    def procNum(self, index):
        return 1000


class FailingMap(ArrayMap):
    def procNum(self, index):
        raise ValueError("the map fails")


class Unfit(Chare):
    def __init__(self, needs_one):
        pass


def fails(contributions):
    raise ArithmeticError("the reducer fails")


Reducer.addReducer(fails)


def timer_fails():
    raise ValueError("the timer's function fails")


def task_fails(x):
    raise ValueError("the task fails")


class Opaque:
    def __reduce__(self):
        return (explode, ())


def explode():
    raise ValueError("unpickling fails")


def case_method(c, g):
    c.method()


def case_everywhere(c, g):
    g.method()


def case_one_by_one(c, g):
    ready = Future()
    c.fail_after(os.getpid(), ready)
    ready.get()
    raise ValueError("the entry point fails")


def case_coroutine(c, g):
    c.coroutine()


def case_asynchronous(c, g):
    c.asynchronous()


def case_main(c, g):
    raise ValueError("the entry point fails")


def case_constructor(c, g):
    Chare(Broken, args=[True], onPE=charm.numPes() - 1)


def case_constructor_awaited(c, g):
    charm.awaitCreation(Group(Broken, args=[True]))


def case_constructor_coroutine(c, g):
    charm.awaitCreation(Chare(BrokenCoroInit, onPE=charm.numPes() - 1))


def case_constructor_arguments(c, g):
    Chare(Unfit, onPE=charm.numPes() - 1)


def case_argument_count(c, g):
    c.two(1)


def case_suspend(c, g):
    c.suspends(None)


def case_wait(c, g):
    c.waits()


def case_condition(c, g):
    c.conditional(1)


def case_reducer(c, g):
    f = Future()
    g.reduces(f)
    f.get()


def case_reduce_strings(c, g):
    f = Future()
    g.reduces_strings(f)
    f.get()


def case_send_twice(c, g):
    f = Future()
    c.sends_twice(f)
    charm.waitQD()
    f.get()


def case_unpickle(c, g):
    c.echo(Opaque())


def case_interrupt(c, g):
    c.interrupt()


def case_interrupt_awaited(c, g):
    c.interrupt(awaitable=True).get()
    print("not noticed")


def case_stops_awaited(c, g):
    c.stops(awaitable=True).get()
    print("not noticed")


def case_origin(c, g):
    g[0].relay(c)


def case_origin_chain(c, g):
    """The cause of what ends the job came from another rank."""
    try:
        c.echo_failure(ret=True).get()
    except ValueError as error:
        raise LookupError("in the main program") from error


def case_origin_unpicklable(c, g):
    c.fail_unpicklable(ret=True).get()


def case_map_range(c, g):
    Array(Broken, 4, map=Group(BadMap))


def case_map_fails(c, g):
    Array(Broken, 4, map=Group(FailingMap))


def case_insert_twice(c, g):
    a = Array(Broken, ndims=1)
    a.ckInsert(3)
    a.ckInsert(3)


def case_element_name(c, g):
    a = Array(Broken, ndims=2)
    a.ckInsert((2, -3), onPE=charm.numPes() - 1)
    a.ckDoneInserting()
    a[2, -3].method()


def case_timer(c, g):
    c.timer()


def case_task(c, g):
    charm.pool.Task(task_fails, [1])


def case_abort(c, g):
    c.aborts()


def case_unpicklable_readonly(c, g):
    readonlies.generator = (i for i in range(3))


# Classes that come later must come in the same order on all ranks: a number must not mean two classes.
def case_late_order(c, g):
    for pe in range(charm.numPes()):
        order = [late.First, late.Second] if pe == 0 else [late.Second, late.First]
        for cls in order:
            charm.thisProxy[pe].registerNewChareTypes([cls], awaitable=True).get()
    Group(late.First)


# In the caller: an ordinary exception, which here nobody catches.
def case_unpicklable(c, g):
    c.echo([1, {"key": (i for i in range(3))}])


def case_missing_method(c, g):
    c.no_such_method(1)


def case_missing_argument(c, g):
    c.two(b=1)


def case_index(c, g):
    g[charm.numPes()].echo(1)


def case_await_twice(c, g):
    charm.awaitCreation(g)
    charm.awaitCreation(g)


def main(args):
    last = charm.numPes() - 1
    c = Chare(Broken, onPE=last)
    g = Group(Broken)
    globals()["case_" + args[1]](c, g)
    charm.sleep(20)  # the job has to end by the error, not by this program
    print("the error was not noticed")
    charm.exit(99)


charm.start(main)
