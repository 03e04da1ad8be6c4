# SPDX-License-Identifier: Apache-2.0
"""What elements do while they are packed or unpacked, and while load balancing wants to move them: it takes effect as
from an entry method, or is refused."""

import sys
import time

from c4py import _c4py
from charm4py import Array, Channel, Chare, Future, Reducer, charm
from checks import check, equal, finish


class Busy(Chare):
    """Acts while its state is asked for."""

    def __init__(self, act, done):
        self.act, self.done, self.count = act, done, 0

    def __getstate__(self):
        act, self.act = self.act, None
        if act:
            getattr(self, act)()
        return dict(self.__dict__)

    def gives(self):
        self.reduce(self.done, 1, Reducer.sum)

    def goes_elsewhere(self):
        self.migrate((charm.myPe() + 2) % charm.numPes())

    def wants_to_stay(self):
        self.migrate(charm.myPe())

    def inserts(self):
        self.thisProxy.ckInsert(self.thisIndex[0] + 100, (None, self.done))

    def dies(self):
        self.thisProxy[self.thisIndex].ckDestroy()

    def has_a_channel(self):
        self.channel = Channel(self, self.thisProxy[self.thisIndex[0] ^ 1])

    def uses_the_channel(self):
        self.channel.send(7)
        self.channel.send(8)

    def where(self):
        return charm.myPe()

    def set_done(self, done):
        self.done = done

    def is_there(self):
        self.reduce(self.done, 1, Reducer.sum)


def population(array):
    done = Future()
    array.set_done(done)
    array.is_there()
    return done.get()


def make(act, done=None):
    """Two elements on each rank, each of which has been asked to move to the next one."""
    p = charm.numPes()
    array = Array(Busy, 2 * p, args=[act, done])
    start = array.where(ret=True).get()
    for i in range(2 * p):
        array[i].migrate((start[i] + 1) % p)
    charm.waitQD()
    return array, start


def check_packing():
    p, n = charm.numPes(), 2 * charm.numPes()
    done = Future()
    array, start = make("gives", done)
    equal(done.get(), n, "a contribution from there")
    equal(population(array), n, "and those that come after it")

    array, start = make("goes_elsewhere")
    step = 2 if p > 2 else 0
    equal(array.where(ret=True).get(), [(s + step) % p for s in start], "the last wish counts")
    array, start = make("wants_to_stay")
    equal(array.where(ret=True).get(), start, "also that to stay")
    equal(population(array), n)

    array, start = make("inserts")
    array.ckDoneInserting()
    charm.waitQD()
    equal(population(array), 2 * n, "who is born there counts")

    array, start = make("has_a_channel")
    equal(array.where(ret=True).get()[0], start[0], "a channel that is not connected yet holds it")
    array.uses_the_channel(awaitable=True).get()
    equal(population(array), n, "a channel that was made there")

    array, start = make("dies")
    equal(array.where(ret=True).get(), [], "all are gone")


class Polite(Chare):
    """Ready, but its method lasts until the balancer has told what is to move where."""

    def __init__(self):
        self.rounds = 0

    def go(self, done, act, seconds):
        self.done = done
        self.AtSync()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            _c4py.poll()
        if act == "stays":
            self.migrate(charm.myPe())
        elif act == "goes":
            self.migrate((charm.myPe() + 2) % charm.numPes())

    def resumeFromSync(self):
        self.rounds += 1
        self.reduce(self.done, 1, Reducer.sum)


def check_balanced():
    """The round ends though one element goes elsewhere than planned."""
    p = charm.numPes()
    array = Array(Polite, p, useAtSync=True)
    for act in ("", "stays", "", "goes", "", "stays"):
        done = Future()
        for i in range(p):
            lasts = act and i == p - 1
            array[i].go(done, act if lasts else "", 0.2 if lasts else 0)
        equal(done.get(), p, f"all go on: {act}")


class Early(Chare):
    """Reaches a synchronization point before it has arrived."""

    def __init__(self):
        self.arrived = True

    def __setstate__(self, state):
        self.__dict__.update(state)
        if charm.myPe() == charm.numPes() - 1:
            self.AtSync()

    def resumeFromSync(self):
        pass

    def where(self):
        return charm.myPe()


def check_unpacking():
    early = Array(Early, 1, useAtSync=True)
    try:
        early[0].migrate(charm.numPes() - 1, awaitable=True).get()
        check(charm.numPes() == 1, "AtSync() from __setstate__ is refused")
    except Exception as error:
        check("not before they have arrived" in str(error), str(error))
    equal(early[0].where(ret=True).get(), 0, "it is where it was")
    early[0].ckDestroy()


class Leaver(Chare):
    def __getstate__(self):
        sys.exit(3)


def main(args):
    if "exit" in sys.argv:
        Array(Leaver, 1)[0].migrate(1)
        return
    check_packing()
    check_balanced()
    check_unpacking()
    finish(16)


charm.options.quiet = True
charm.options.balancer = "rotate"
charm.start(main)
