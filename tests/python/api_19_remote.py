# SPDX-License-Identifier: Apache-2.0
"""charm.thisProxy and readonlies."""

import sys

from charm4py import *
from charm4py import readonlies as ro
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

shared = None


class Looker(Chare):
    def __init__(self):
        # Runs inline on rank 0, before the assignments below; elsewhere after the copy has been
        # made.
        self.at_birth = getattr(ro, "late", None)

    def birth(self):
        return self.at_birth

    def read(self, name):
        return getattr(ro, name, "absent")

    def glob(self, name):
        return globals().get(name, "absent")

    def assign(self, value):
        ro.local = value

    @when("x == ro.number")
    def conditional(self, x):
        return x

    def this_proxy(self):
        return charm.thisProxy, charm.myPe()


class Element(Chare):
    def __init__(self, x=0):
        self.x = x

    def get(self):
        return self.thisIndex, self.x

    def total(self, future):
        self.reduce(future, 2, Reducer.product_of_all)


def product_of_all(contributions):
    product = 1
    for value in contributions:
        product *= value
    return product


def remote_creation(ranks):
    """An array made on another rank: its proxy comes back, and goes to a callback."""
    runtime = charm.thisProxy[ranks - 1]
    proxy = runtime.createArray(Element, 3, args=["x"], ret=True).get()
    equal(proxy.get(ret=True).get(), [((i,), "x") for i in range(3)], "made elsewhere")
    future = Future()
    runtime.createArray(Element, (2, 2), args=[5], cb=future)
    proxy = future.get()
    equal(len(proxy.get(ret=True).get()), 4, "given to the callback")
    equal(proxy[1, 1].get(ret=True).get(), ((1, 1), 5))
    empty = runtime.createArray(Element, ndims=2, ret=True).get()
    empty.ckInsert((7, 8), args=[9])
    empty.ckDoneInserting()
    equal(empty[7, 8].get(ret=True).get(), ((7, 8), 9), "filled afterwards")
    raises(Charm4PyError, runtime.createArray(int, 3, ret=True).get, text="not a chare class")


def remote_reducers(ranks):
    charm.thisProxy.addReducer(product_of_all, awaitable=True).get()
    future = Future()
    Group(Element).total(future)
    equal(future.get(), 2**ranks, "a reducer added while running")
    raises(
        Charm4PyError,
        charm.thisProxy.addReducer(product_of_all, awaitable=True).get,
        text="already",
    )


def as_callbacks(ranks):
    """Methods of charm.thisProxy are callbacks like others."""
    charm.startQD(charm.thisProxy.myPe)
    charm.waitQD()
    charm.scheduleCallableAfter(charm.thisProxy[ranks - 1].updateGlobals, 0, [{"by_timer": 3}])
    while charm.thisProxy[ranks - 1].eval("globals().get('by_timer')", ret=True).get() != 3:
        charm.sleep(0.001)
    charm.thisProxy.printStats(awaitable=True).get()


def main(args):
    ranks = charm.numPes()
    ro.number = 47
    ro.table = {"k": [1, 2]}
    ro._private = 1
    ro.trailing_ = 1
    group = Group(Looker)
    ro.late = "assigned after the group was made"
    ro.proxy = group
    ro.future = future = Future()
    charm.awaitCreation(group)
    equal(
        group.birth(ret=True).get(),
        [None] + [ro.late] * (ranks - 1),
        "seen by constructors elsewhere, not by the inline one",
    )
    equal(group.read("number", ret=True).get(), [47] * ranks)
    equal(group.read("table", ret=True).get(), [{"k": [1, 2]}] * ranks)
    equal(group.read("proxy", ret=True).get(), [group] * ranks, "a proxy")
    for name in ("_private", "trailing_"):
        equal(
            group.read(name, ret=True).get(),
            [1] + ["absent"] * (ranks - 1),
            f"{name} is not copied",
        )
    ro.too_late = 5
    equal(
        group.read("too_late", ret=True).get(),
        [5] + ["absent"] * (ranks - 1),
        "later assignments are local",
    )
    group[ranks - 1].assign(9, awaitable=True).get()
    equal(
        group.read("local", ret=True).get(),
        ["absent"] * (ranks - 1) + [9],
        "assignments elsewhere are local",
    )
    equal(group.conditional(47, ret=True).get(), [47] * ranks, "in a condition")
    charm.thisProxy[ranks - 1].eval("ro.future('through a readonly')")
    equal(future.get(), "through a readonly", "a future")

    equal(charm.thisProxy.myPe(ret=True).get(), list(range(ranks)), "thisProxy")
    equal(charm.thisProxy[ranks - 1].myPe(ret=True).get(), ranks - 1)
    equal(
        group.this_proxy(ret=True).get(),
        [(charm.thisProxy, pe) for pe in range(ranks)],
        "set on every rank",
    )
    charm.thisProxy.updateGlobals({"shared": group, "other": [1]}, awaitable=True).get()
    equal(group.glob("shared", ret=True).get(), [group] * ranks, "updateGlobals")
    equal(shared, group, "also on the own rank")
    charm.thisProxy.updateGlobals({"only_last": 1}, "__main__", awaitable=True).get()
    charm.thisProxy[ranks - 1].updateGlobals(
        {"only_last": 2}, module_name="__main__", awaitable=True
    ).get()
    equal(group.glob("only_last", ret=True).get(), [1] * (ranks - 1) + [2], "on one rank")
    charm.thisProxy.updateGlobals({"mark": 5}, "charm4py.wait", awaitable=True).get()
    equal(sys.modules["charm4py.wait"].mark, 5, "another module")
    raises(KeyError, charm.thisProxy.updateGlobals({"a": 1}, "no.such.module", awaitable=True).get)

    equal(
        charm.thisProxy.eval("charm.myPe() * 10", ret=True).get(),
        [10 * pe for pe in range(ranks)],
        "eval",
    )
    charm.thisProxy.exec("shared = 'set by exec'", awaitable=True).get()
    equal(group.glob("shared", ret=True).get(), ["set by exec"] * ranks, "exec")
    charm.thisProxy[ranks - 1].rexec("import math; root = math.sqrt(16)", awaitable=True).get()
    equal(charm.thisProxy[ranks - 1].eval("root", ret=True).get(), 4.0, "rexec")
    raises(ZeroDivisionError, charm.thisProxy[ranks - 1].eval("1 // 0", ret=True).get)
    raises(SyntaxError, charm.thisProxy.exec("x =", awaitable=True).get)
    charm.thisProxy.registerNewChareType(
        "Made",
        "class Made(Chare):\n    def __init__(self, x):\n        self.x = x\n    def get(self):\n        return self.x, charm.myPe()\n",
        awaitable=True,
    ).get()
    made = Group(Made, args=["x"])
    equal(
        made.get(ret=True).get(),
        [("x", pe) for pe in range(ranks)],
        "a class defined while running",
    )
    charm.thisProxy.updateGlobals({}, awaitable=True).get()
    remote_creation(ranks)
    remote_reducers(ranks)
    as_callbacks(ranks)
    charm.thisProxy[0].eval("setattr(charm.options, 'remote_exec', False)", ret=True).get()
    raises(Charm4PyError, charm.thisProxy[0].eval("1", ret=True).get, text="remote_exec")
    raises(Charm4PyError, charm.thisProxy[0].exec("1", awaitable=True).get, text="remote_exec")
    equal(charm.myPe(), 0)
    equal(charm.numPes(), ranks)
    finish(33)


charm.options.remote_exec = True
charm.options.quiet = True
check("++quiet" in sys.argv, "quiet is also seen on the command line")
charm.start(main)
