# SPDX-License-Identifier: Apache-2.0
"""Options of a run. Usage: options.py local|copy|manual|profiling"""

import sys

from charm4py import Array, Channel, Chare, Group, charm, coro, when

kept = []


class Here(Chare):
    def __init__(self):
        self.ok = False

    def take(self, items):
        kept.append(items)
        items.append("by the receiver")

    def echo(self, items):
        return items

    @when("self.ok")
    def guarded(self):
        return "guarded"

    @coro
    def waits(self):
        self.wait("self.ok")
        return "waited"

    def enable(self, flush):
        self.ok = True
        if flush:
            self.__flush_wait_queues__()

    @coro
    def channel(self, items):
        me = self.thisProxy[self.thisIndex]
        ch = Channel(self, me)
        ch.send(items)
        return ch.recv() == items


def by_reference():
    shared = case == "local"
    items = [1]
    here = Chare(Here, onPE=0)
    here.take(items, awaitable=True).get()
    assert (kept[0] is items) is shared, "the object itself arrives, or a copy"
    assert items == ([1, "by the receiver"] if shared else [1])
    assert here.echo([1, {"k": (2,)}], ret=True).get() == [1, {"k": (2,)}]
    assert here.channel([1, 2], ret=True).get()
    items = [1]
    far = Chare(Here, onPE=charm.numPes() - 1)
    if charm.numPes() > 1:
        far.take(items, awaitable=True).get()
        assert items == [1], "to another rank always a copy"
    array = Array(Here, 4)
    array.take(items, awaitable=True).get()
    assert items == [1], "broadcasts always copy"
    many = [far.echo(i, ret=True) for i in range(1000)]
    assert [f.get() for f in many] == list(range(1000)), "any number of messages under way"


def by_hand():
    for pe in {0, charm.numPes() - 1}:
        here = Chare(Here, onPE=pe)
        futures = [here.guarded(ret=True), here.waits(ret=True)]
        charm.waitQD()
        here.enable(False, awaitable=True).get()
        charm.waitQD()
        assert not futures[0].ready() and not futures[1].ready(), "looked at without being asked to"
        here.enable(True, awaitable=True).get()
        assert [f.get() for f in futures] == ["guarded", "waited"]


def main(args):
    if case == "manual":
        by_hand()
    else:
        by_reference()
    charm.printStats()
    charm.thisProxy.printStats(awaitable=True).get()
    assert Group(Here).echo(5, ret=True).get() == [5] * charm.numPes()
    print("options are fine")
    charm.exit()


case = sys.argv[1]
charm.options.local_msg_optim = case == "local"
charm.options.local_msg_buf_size = 10
charm.options.auto_flush_wait_queues = case != "manual"
charm.options.profiling = case == "profiling"
charm.options.pickle_protocol = 4 if case == "copy" else -1
charm.start(main)
