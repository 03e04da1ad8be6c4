# SPDX-License-Identifier: Apache-2.0
"""Programs that can never go on. Each case must end with a report that says who waits for what, status 75.

Usage: stalls.py CASE. The line expected in the report stands in tests/python/CMakeLists.txt. The
cases named ``fine_…`` look like a stall but are none: they must end normally.
"""

import contextlib
import os
import signal
import socket
import struct
import sys
import threading
import time

from charm4py import *

if sys.argv[1].startswith("fine_server"):
    sys.argv.append("++server")


class Stuck(Chare):
    def __init__(self):
        self.count = 0

    @coro
    def waits_for_channel(self, peer):
        Channel(self, peer).recv()

    @coro
    def sends_on_channel(self, peer):
        Channel(self, peer).send("into the void")

    @coro
    def opens_only(self, peer):
        Channel(self, peer)

    @coro
    def waits_for_condition(self):
        self.wait("self.count == 1")

    @when("self.count == tag")
    def conditional(self, tag):
        pass

    @coro
    def waits_for_future(self):
        f = Future()
        f.get()

    @coro
    def waits_for_other(self, other):
        """Half of a circle: asks the other one, which is busy asking back."""
        other.answer_when_free(ret=True).get()
        self.count += 1

    @when("self.count > 0")
    def answer_when_free(self):
        return "free"

    def contributes_unless(self, target, excluded):
        if self.thisIndex not in (excluded, (excluded,)):
            self.reduce(target, 1, Reducer.sum)

    @coro
    def joins_allreduce_unless(self, excluded):
        if self.thisIndex not in (excluded, (excluded,)):
            self.allreduce(1, Reducer.sum).get()

    def echo(self):
        return 1

    def increment(self):
        self.count += 1

    async def awaits(self):
        await Future()

    def opens_later(self, peer, done):
        self.channel = Channel(self, peer)
        charm.scheduleCallableAfter(self.send_later, 1.2, [done])

    def send_later(self, done):
        done("at last")


class NeverMade(Chare):
    @coro
    def __init__(self):
        self.wait("self.never")

    never = False


@coro
def task_waits(x):
    Future().get()


def watch_for(text):
    """End the program as soon as this text has been written to the standard error of this rank."""
    source, end = os.pipe()
    os.set_blocking(source, False)
    os.dup2(end, 2)
    said = bytearray()

    def look(number, frame):
        with contextlib.suppress(BlockingIOError):
            said.extend(os.read(source, 10000))
        if text in said.decode():
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(said.decode())
            charm.exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)


def serve_later():
    """A client outside ends the program, long after a job without a server would have been found stalled or idle."""

    def end(data):
        print("ended by a client")
        exit()

    def client():
        time.sleep(3)
        sock = socket.create_connection(charm.CcsServerAddress())
        sock.sendall(struct.pack("!Ii32s", 0, 0, b"end"))

    charm.CcsRegisterHandler("end", end)
    threading.Thread(target=client, daemon=True).start()


def main(args):
    case = args[1]
    if case == "fine_forgotten_exit":
        watch_for("charm.exit")
    last = charm.numPes() - 1
    a, b = Chare(Stuck, onPE=0), Chare(Stuck, onPE=last)
    g = Group(Stuck)

    if case == "forgotten_send":
        f = Future()
        b.echo()
        f.get()
    elif case == "too_few_values":
        f = Future(3)
        f(1)
        f(2)
        f.get()
    elif case == "channel_unopened":
        b.waits_for_channel(a, awaitable=True).get()
    elif case == "channel_element":
        g[last].waits_for_channel(Array(Stuck, (1, 2))[0, 1], awaitable=True).get()
    elif case == "channel_send_unopened":
        b.sends_on_channel(a, awaitable=True).get()
    elif case == "channel_no_message":
        a.opens_only(b)
        b.waits_for_channel(a, awaitable=True).get()
    elif case == "missing_contributor":
        f = Future()
        g.contributes_unless(f, last)
        f.get()
    elif case == "missing_in_allreduce":
        g.joins_allreduce_unless(last, awaitable=True).get()
    elif case == "cycle":
        a.waits_for_other(b)
        b.waits_for_other(a)
        charm.waitQD()
        a.answer_when_free(ret=True).get()
    elif case == "missing_index":
        array = Array(Stuck, ndims=1)
        array.ckInsert(0)
        array.ckDoneInserting()
        array[42].echo(ret=True).get()
    elif case == "wait_never_true":
        b.waits_for_condition()
    elif case == "when_never_true":
        b.conditional(5)
    elif case == "await_creation":
        charm.awaitCreation(Group(NeverMade))
    elif case == "iwait":
        fs = [Future(), Future()]
        fs[1](1)
        for f in charm.iwait(fs):
            f.get()
    elif case == "async_await":
        b.awaits()
    elif case == "no_done_inserting":
        f = Future()
        array = Array(Stuck, ndims=1)
        array.ckInsert(0)
        array.contributes_unless(f, -1)
        f.get()
    elif case == "pool_task":
        charm.pool.map(task_waits, [1])
    elif case == "two_waiters":
        b.waits_for_future()
        b.waits_for_condition()
        g.waits_for_future()
        Future().get()
    elif case == "fine_forgotten_exit":
        b.echo()  # and nothing more, and no exit()
    elif case == "fine_later_exit":
        charm.scheduleCallableAfter(charm.exit, 3.0)
    elif case == "fine_quiescence":
        b.waits_for_condition()
        charm.waitQD()
        print("quiescence reached")
        exit()
    elif case == "fine_sleep":
        b.waits_for_condition()
        charm.sleep(1.5)
        print("slept")
        exit()
    elif case == "fine_timer":
        f = Future()
        b.opens_later(a, f)
        print("got", f.get())
        exit()
    elif case == "fine_server":
        serve_later()
        Future().get()
    elif case == "fine_server_idle":
        serve_later()
    elif case == "fine_busy":
        f = Future()
        b.waits_for_condition()
        charm.scheduleCallableAfter(f, 1.2)
        f.get()
        b.increment(awaitable=True).get()
        print("released")
        exit()
    elif case == "switched_off":
        charm.scheduleCallableAfter(exit, 1.5, [3])
        Future().get()
    if case in (
        "wait_never_true",
        "when_never_true",
        "async_await",
        "fine_forgotten_exit",
        "fine_later_exit",
        "fine_server_idle",
    ):
        return  # the entry point ends; others wait
    print("went on although it cannot")
    charm.exit(99)


charm.start(main)
