# SPDX-License-Identifier: Apache-2.0
"""Ways to end a program, and the status that the launcher must return. Usage: exits.py CASE."""

import atexit
import sys

from charm4py import *


class Ender(Chare):
    def __init__(self, code=None):
        if code is not None:
            sys.exit(code)

    def by_sys_exit(self, code):
        sys.exit(code)

    def by_charm_exit(self, code):
        charm.exit(code)
        print("this line must not be reached")

    @coro
    def by_coroutine(self, code):
        charm.sleep(0)
        exit(code)

    async def by_async(self, code):
        quit(code)

    def contributes(self):
        self.reduce(charm.thisProxy.exit)

    def noop(self):
        pass

    def partial_line(self):
        sys.stdout.write("no newline at the end")
        self.by_charm_exit(0)

    def seen_first(self):
        try:
            sys.exit(3)
        except SystemExit:
            charm.exit(4)

    def all_at_once(self):
        charm.exit(6)

    # The exit is accepted when charm.exit() is called, whatever becomes of its exception.
    def swallows(self):
        try:
            charm.exit(8)
        except BaseException:
            pass
        print("the method goes on")
        self.thisProxy[self.thisIndex].noop_must_not_run()

    def noop_must_not_run(self):
        print("this line must not be reached")

    @coro
    def coroutine_swallows(self):
        try:
            charm.exit(8)
        except BaseException:
            pass
        charm.sleep(0)
        print("this line must not be reached")

    async def async_swallows(self):
        try:
            charm.exit(8)
        except BaseException:
            pass
        await charm.sleep(0)
        print("this line must not be reached")

    @coro
    def coroutine_swallows_all(self):
        while True:
            try:
                charm.exit(8)
            except BaseException:
                pass

    def swallows_all(self):
        while True:
            try:
                charm.exit(8)
            except BaseException:
                pass


def task(code):
    exit(code)


@coro
def nested_task(code):
    charm.pool.map(nested_task if code > 7 else task, [code - 1 if code > 7 else code])


def timer(code):
    exit(code)


def main(args):
    case = args[1]
    last = charm.numPes() - 1
    e = Array(Ender, 2)[1] if "swallows" in case else Chare(Ender, onPE=last)
    g = Group(Ender)
    if case == "main":
        exit()
    elif case == "main_code":
        exit(7)
    elif case == "charm_exit":
        charm.exit()
        print("this line must not be reached")
    elif case == "charm_exit_code":
        charm.exit(5)
    elif case == "modulo":
        exit(300)
    elif case == "modulo_large":
        charm.exit(2**40 + 7)
    elif case == "negative":
        e.by_sys_exit(-1)
    elif case == "true":
        e.by_sys_exit(True)
    elif case == "text":
        e.by_sys_exit("a reason to leave")
    elif case == "none":
        e.by_sys_exit(None)
    elif case == "other_rank":
        e.by_sys_exit(3)
    elif case == "charm_other_rank":
        e.by_charm_exit(3)
    elif case == "coroutine":
        e.by_coroutine(3)
    elif case == "async":
        e.by_async(3)
    elif case == "constructor":
        Chare(Ender, args=[3], onPE=last)
    elif case == "task":
        charm.pool.map(task, [3])
    elif case == "nested_task":
        charm.pool.map(nested_task, [9])
    elif case == "timer":
        charm.scheduleCallableAfter(timer, 0.001, [3])
    elif case == "this_proxy":
        charm.thisProxy[last].exit(3)
    elif case == "broadcast":
        charm.thisProxy.exit()
    elif case == "reduction":
        g.contributes()
    elif case == "quiescence":
        charm.startQD(charm.thisProxy.exit)
    elif case == "partial_line":
        e.partial_line()
    elif case == "seen_first":
        e.seen_first()
    elif case == "all_at_once":
        g.all_at_once()
    elif case.endswith(("swallows", "swallows_all")):
        getattr(e, case)()
    elif case == "call_after_exit":
        try:
            charm.exit(8)
        except SystemExit:
            g.noop(awaitable=True).get()
        print("this line must not be reached")
    elif case == "messages_left":
        for _ in range(1000):
            g.noop()
            e.by_charm_exit(2)
    elif case == "atexit_fails":
        atexit.register(lambda: 1 // 0)
        charm.exit(0)
    charm.sleep(20)
    print("the program did not end")
    exit(99)


atexit.register(lambda: print(f"atexit on rank {charm.myPe()}"))
charm.start(main)
