# SPDX-License-Identifier: Apache-2.0
"""Migration, statement by statement; load balancing, which this version lacks: its names are there and say so when called.

Elements that move while everything is under way (calls, broadcasts, reductions, sections, channels, conditions), and
moves that fail: moving.py. Command-line options of load balancing (22.3): api_04_command_line.py.
"""

import array

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

NAMES = ("AtSync", "migrate", "setMigratable")


class Cell(Chare):
    def __init__(self, x=0):
        self.x = x
        self.moves = 0

    def where(self):
        return charm.myPe(), self.x, self.moves

    def migrated(self):
        self.moves += 1

    def resumeFromSync(self):
        self.moves += 100

    def sync(self):
        self.AtSync()

    def move_itself(self, pe):
        self.migrate(pe)

    def movable(self):
        return self.migratable

    def switch(self, flag):
        self.setMigratable(flag)
        return self.migratable

    def assign(self, flag):
        self.migratable = flag
        return self.migratable


class Silent(Chare):
    """Defines neither migrated() nor resumeFromSync()."""

    def call_hook(self):
        return self.migrated()


class Hooked(Chare):
    """Its hook waits."""

    def __init__(self):
        self.seen = []

    @coro
    def migrated(self):
        self.seen.append("arrived")
        self.wait("'go on' in self.seen")
        self.seen.append(charm.myPe())

    def go_on(self):
        self.seen.append("go on")

    @coro
    def get_seen(self):
        self.wait("len(self.seen) == 3")
        return self.seen


class HookedAsync(Hooked):
    async def migrated(self):
        self.seen.append("arrived")
        await self.wait("'go on' in self.seen")
        self.seen.append(charm.myPe())


class Plain:
    def __init__(self, value):
        self.value = value


class Kept(Chare):
    """All kinds of attributes."""

    def __init__(self, group):
        self.numbers = array.array("d", [1.5])
        self.table = {"plain": Plain([1])}
        self.proxy, self.bound, self.own = group, group[0].where, self.thisProxy[self.thisIndex]
        self.future = None

    def set_future(self, future):
        self.future = future

    def facts(self):
        return (
            charm.myPe(),
            self.thisIndex,
            self.own == self.thisProxy[self.thisIndex],
            self.numbers,
            self.table["plain"].value,
            self._numthreads,
        )

    def use(self):
        self.future.send("by the one that moved")
        return self.bound == self.proxy[0].where

    def get(self):
        return charm.myPe()


def check_names(group, cells, single):
    """22.1: who has the methods"""
    for name in NAMES:
        for proxy in (cells, cells[0], single):
            check(hasattr(proxy, name), f"22.1: {name} of {proxy}")
        for proxy in (group, group[0]):
            raises(AttributeError, getattr, proxy, name, text=name)
    for proxy in (cells, group, single):
        for name in ("migrated", "wait", "reduce"):
            check(not hasattr(proxy, name), f"22.1: no {name}")
    equal(Array(Silent, 1)[0].call_hook(ret=True).get(), None, "22.1: migrated() does nothing")


def check_attribute(group, cells, single):
    """22.1, 6.1: migratable and setMigratable()"""
    equal(cells.movable(ret=True).get(), [True] * 4, "6.1: at first")
    equal(single.movable(ret=True).get(), True, "6.1: single chares too")
    equal(cells[1].switch(False, ret=True).get(), False)
    equal(cells[2].assign(0, ret=True).get(), False)
    equal(cells.movable(ret=True).get(), [True, False, False, True], "22.1: of one element")
    cells.setMigratable(True, awaitable=True).get()
    equal(cells.movable(ret=True).get(), [True] * 4, "22.1: through the proxy")
    cells[3].setMigratable(flag=False, awaitable=True).get()
    equal(cells[3].movable(ret=True).get(), False)
    for call in (group[0].movable(ret=True), group[0].switch(True, ret=True)):
        raises(AttributeError, call.get, text="Cell(0) has no migratable")


def check_migrate(group, cells, single):
    """22.1: manual migration"""
    last = charm.numPes() - 1
    for proxy, name in ((cells[1], "Cell(1)"), (single, "Cell")):
        here, x, moves = proxy.where(ret=True).get()
        equal(proxy.migrate(here, awaitable=True).get(), None, "22.1: where it is already")
        equal(proxy.migrate(toPe=here, ret=True).get(), None)
        proxy.move_itself(here, awaitable=True).get()
        equal(proxy.where(ret=True).get(), (here, x, moves), "22.1: no migrated() without a move")
        for wrong in (-1, last + 1):
            for call in (proxy.migrate, proxy.move_itself):
                raises(IndexError, call(wrong, ret=True).get, text=f"{name}.migrate({wrong}): ")
        raises(TypeError, proxy.migrate("x", ret=True).get, text="integer")
        raises(AssertionError, proxy.migrate, ret=True, text="toPe")
        for number, pe in enumerate([(here + 1) % (last + 1), here], start=1):
            proxy.switch(False, ret=True).get()  # keeps off load balancing, not this
            equal(proxy.migrate(pe, awaitable=True).get(), None, "7.3: awaited")
            moved = moves + number if last > 0 else moves
            equal(proxy.where(ret=True).get(), (pe, x, moved), "22.1: state, migrated()")
            equal(proxy.movable(ret=True).get(), False, "22.1: the flag moves along")
        proxy.move_itself((here + 1) % (last + 1))
        equal(proxy.where(ret=True).get()[0], (here + 1) % (last + 1), "22.1: calls follow")
        proxy.switch(True, awaitable=True).get()
    raises(AttributeError, group[0].move_itself(0, ret=True).get, text="Cell(0) has no migrate()")
    raises(AttributeError, lambda: group.migrate(0), text="migrate")


def check_state():
    """22.1: attributes travel as in a call; proxies stay valid; messages sent before, during and after"""
    last = charm.numPes() - 1
    group = Group(Cell)
    kept = Array(Kept, 2, args=[group])
    future = Future()
    kept[1].set_future(future)
    before = kept[1].get(ret=True).get()
    for pe in (last, 0, last):
        answers = [kept[1].get(ret=True)]
        kept[1].migrate(pe)
        answers += [kept[1].get(ret=True) for _ in range(3)]
        equal([a.get() for a in answers], [before] + [pe] * 3, "22.1: in the order sent")
        before = pe
        want = (pe, (1,), True, array.array("d", [1.5]), [1], 0)
        equal(kept[1].facts(ret=True).get(), want, "22.1: its attributes")
    equal(kept[1].use(ret=True).get(), True, "22.1: proxies and methods of proxies")
    equal(future.get(), "by the one that moved", "22.1: a future")
    equal(sum(type(v) is int for v in kept.get(ret=True).get()), 2, "22.1: broadcasts reach it")


def check_hook():
    """22.1, 6.3: migrated() may be a coroutine"""
    last = charm.numPes() - 1
    for cls in (Hooked, HookedAsync):
        hooked = Array(cls, 1)[0]
        hooked.migrate(last, awaitable=True).get()
        if last > 0:
            hooked.go_on()
            equal(
                hooked.get_seen(ret=True).get(), ["arrived", "go on", last], "22.1: the hook waits"
            )


def check_at_sync(group, cells, single):
    """22.2: AtSync"""
    synced = Array(Cell, 2, useAtSync=True)
    inserted = Array(Cell, ndims=1, useAtSync=True)
    inserted.ckInsert(0, useAtSync=True)
    inserted.ckInsert(1, [5], 0, True)
    inserted.ckDoneInserting()
    equal(inserted[1].where(ret=True).get(), (0, 5, 0), "22.2: useAtSync of an insertion")
    # Who does not take part.
    for one in (cells[1], single):
        for call in (one.sync, one.AtSync):
            error = raises(Charm4PyError, call(awaitable=True).get, text="useAtSync=True")
            check(".AtSync() on rank" in str(error), "22.2: whose, and where")
    raises(AttributeError, group[0].sync(ret=True).get, text="Cell(0) has no AtSync()")

    # A step needs all elements of all arrays that take part; calls go on meanwhile.
    moves = lambda array: [n for *_, n in array.where(ret=True).get()]  # noqa: E731
    synced.sync(awaitable=True).get()
    inserted[0].AtSync(awaitable=True).get()
    raises(Charm4PyError, synced[1].sync(ret=True).get, text="called already")
    charm.waitQD()
    equal((moves(synced), moves(inserted)), ([0, 0], [0, 0]), "22.2: one is missing")
    inserted[1].migrate(charm.numPes() - 1, awaitable=True).get()
    here = moves(inserted)[1]
    inserted[1].sync(awaitable=True).get()
    charm.waitQD()
    equal(moves(synced), [100, 100], "22.2: resumeFromSync() whether or not it moved")
    equal(moves(inserted), [100, 100 + here], "22.2: of all arrays")


def check_measurement():
    """22.3: load measurement can be switched, on each PE. What it measures: balancing.py"""
    for name in ("LBTurnInstrumentOn", "LBTurnInstrumentOff"):
        equal(getattr(charm, name)(), None, "22.3: here")
        remote = getattr(charm.thisProxy[charm.numPes() - 1], name)
        equal(remote(ret=True).get(), None, "22.3: elsewhere")


def main(args):
    group, cells, single = Group(Cell), Array(Cell, 4), Chare(Cell)
    check_names(group, cells, single)
    check_attribute(group, cells, single)
    check_migrate(group, cells, single)
    check_state()
    check_hook()
    check_at_sync(group, cells, single)
    check_measurement()
    finish(50)


charm.start(main)
