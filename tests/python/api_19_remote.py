# SPDX-License-Identifier: Apache-2.0
"""charm.thisProxy: what a rank may ask another one's runtime to do.

exit() through it, also as a broadcast and as a callback: errors/exits.py. Readonlies: api_20_readonlies.py. Classes
that are registered while running (2.5) also: api_25_interactive.py.
"""

import sys

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

shared = None


class LastRank(ArrayMap):
    def procNum(self, index):
        return charm.numPes() - 1


class Looker(Chare):
    def keep(self, proxy):
        self.kept = proxy

    def kept_class(self):
        return type(self.kept).__name__

    def say_rank(self, target):
        self.reduce(target)

    def glob(self, name):
        return globals().get(name, "absent")

    def this_proxy(self):
        return charm.thisProxy, charm.myPe()


class Element(Chare):
    def __init__(self, x=0):
        self.x = x

    def get(self):
        return self.thisIndex, self.x

    def rank(self):
        return charm.myPe()

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
    raises(Charm4PyError, runtime.createArray(Element, ret=True).get, text="give dims")
    placed = runtime.createArray(Element, 3, map=Group(LastRank), ret=True).get()
    equal(placed.rank(ret=True).get(), [ranks - 1] * 3, "with a map")
    one = runtime.createArray(Element, (2, 1), -1, [7], None, True, ret=True).get()
    equal(one[1, 0].get(ret=True).get(), ((1, 0), 7), "all parameters by position")
    keeper = Chare(Looker)
    runtime.createArray(Element, 2, cb=keeper.keep, awaitable=True).get()
    equal(keeper.kept_class(ret=True).get(), "ElementArrayProxy", "a method as callback")
    many = charm.thisProxy.createArray(Element, 2, args=[1], ret=True).get()
    equal([p[1].get(ret=True).get() for p in many], [((1,), 1)] * ranks, "on every rank one")


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
    Group(Looker).say_rank(charm.thisProxy.myPe)
    charm.waitQD()
    charm.thisProxy.printStats(awaitable=True).get()
    charm.thisProxy[ranks - 1].printStats(awaitable=True).get()


def addressing(group, ranks):
    """19: a group proxy, set on every rank; whole or one rank; awaitable and ret as usual."""
    proxy = charm.thisProxy
    equal(proxy.myPe(ret=True).get(), list(range(ranks)), "19: all ranks")
    equal(proxy.myPe(awaitable=True).get(), None)
    equal(proxy[ranks - 1].myPe(ret=True).get(), ranks - 1, "19: one rank")
    equal(proxy[ranks - 1].myPe(awaitable=True).get(), ranks - 1)
    equal(proxy.myPe(), None, "19: nobody waits")
    raises(IndexError, lambda: proxy[ranks].myPe(), text=f"ranks 0 to {ranks - 1}")
    want = [(proxy, pe) for pe in range(ranks)]
    equal(group.this_proxy(ret=True).get(), want, "19: set on every rank")


def global_variables(group, ranks):
    """19: updateGlobals"""
    everyone, last = charm.thisProxy, charm.thisProxy[ranks - 1]
    equal(everyone.updateGlobals({"shared": group, "other": [1]}, awaitable=True).get(), None)
    equal(group.glob("shared", ret=True).get(), [group] * ranks, "19: a proxy")
    equal(shared, group, "19: also on the own rank")
    everyone.updateGlobals({"only_last": 1}, "__main__", awaitable=True).get()
    equal(last.updateGlobals({"only_last": 2}, module_name="__main__", ret=True).get(), None)
    equal(group.glob("only_last", ret=True).get(), [1] * (ranks - 1) + [2], "19: on one rank")
    everyone.updateGlobals({"mark": 5}, "charm4py.wait", awaitable=True).get()
    equal(last.eval("mark", "charm4py.wait", ret=True).get(), 5, "19: another module")
    equal(sys.modules["charm4py.wait"].mark, 5)
    error = raises(KeyError, last.updateGlobals({"a": 1}, "no.mod", awaitable=True).get)
    check(f"'no.mod' is not loaded on rank {ranks - 1}" in str(error), "19: says where")
    raises(TypeError, last.updateGlobals(5, awaitable=True).get, text="needs a dict")
    everyone.updateGlobals({}, awaitable=True).get()
    future = Future(ranks + 1)
    future.send(-1)
    everyone.updateGlobals({"answer": future, "scale": 10}, awaitable=True).get()
    everyone.exec("answer(charm.myPe() * scale)", awaitable=True).get()
    equal(sorted(future.get()), [-1, *range(0, 10 * ranks, 10)], "19: a future")


def source_text(group, ranks):
    """19: exec, rexec, eval; what they raise"""
    everyone, last = charm.thisProxy, charm.thisProxy[ranks - 1]
    equal(everyone.eval("charm.myPe() * 10", ret=True).get(), [10 * pe for pe in range(ranks)])
    equal(everyone.exec("shared = 'set by exec'", awaitable=True).get(), None)
    equal(group.glob("shared", ret=True).get(), ["set by exec"] * ranks, "19: exec")
    last.rexec("import math; root = math.sqrt(16)", awaitable=True).get()
    equal(last.eval("root", ret=True).get(), 4.0, "19: rexec")
    everyone.exec("def plus(x):\n    return x + 1\n", awaitable=True).get()
    equal(everyone.eval("plus(1)", ret=True).get(), [2] * ranks, "19: a function, several lines")
    everyone.rexec("made_there = 3", "charm4py.wait", awaitable=True).get()
    equal(last.eval("made_there", module_name="charm4py.wait", ret=True).get(), 3, "19: a module")
    for call in (last.exec, last.rexec, last.eval):
        raises(KeyError, call("1", "no.mod", awaitable=True).get, text="no.mod")
    error = raises(ZeroDivisionError, last.eval("1 // 0", ret=True).get)
    equal(error.remote_stacktrace[0], ranks - 1, "19: errors come back")
    raises(NameError, last.eval("no_such", ret=True).get, text="no_such")
    raises(SyntaxError, everyone.exec("x =", awaitable=True).get)
    raises(ZeroDivisionError, everyone.eval("1 // charm.myPe()", awaitable=True).get)
    results = everyone.eval("1 // charm.myPe()", ret=True).get()
    equal(type(results[0]), ZeroDivisionError, "19: of all ranks, the error in its place")
    raises(Charm4PyError, last.eval("(i for i in [])", ret=True).get, text="CharmRemote")


def new_classes(ranks):
    """19 and 2.5: registerNewChareType(s)"""
    text = """class Made(Chare):
    def __init__(self, x):
        self.x = x
    def get(self):
        return self.x, charm.myPe()
"""
    charm.thisProxy.registerNewChareType("Made", text, awaitable=True).get()
    made = Group(Made, args=["x"])
    equal(
        made.get(ret=True).get(), [("x", pe) for pe in range(ranks)], "19: defined and registered"
    )
    charm.thisProxy.registerNewChareTypes([Made, Element], awaitable=True).get()
    raises(
        Charm4PyError,
        charm.thisProxy.registerNewChareTypes([int], awaitable=True).get,
        text="not a chare class",
    )
    raises(
        Charm4PyError,
        charm.thisProxy.registerNewChareType("Absent", "x = 1", awaitable=True).get,
        text="does not define Absent",
    )


def switched_off(ranks):
    """19: without remote_exec on the rank that is called, wherever the caller is"""
    last = charm.thisProxy[ranks - 1]
    last.exec("charm.options.remote_exec = False", awaitable=True).get()
    for call in (
        last.eval("1", ret=True),
        last.exec("1", awaitable=True),
        last.rexec("1", awaitable=True),
        last.registerNewChareType("X", "class X(Chare): pass", awaitable=True),
    ):
        error = raises(Charm4PyError, call.get, text="remote_exec = True")
        check(f"on rank {ranks - 1}" in str(error), "19: says where it is off")
    if ranks > 1:
        equal(charm.thisProxy[0].eval("1", ret=True).get(), 1, "19: on here")


def local_counterparts(ranks):
    """19: what charm itself has, and what it has not"""
    equal((charm.myPe(), charm.numPes()), (0, ranks))
    for name in ("exit", "abort", "printStats", "addReducer"):
        check(callable(getattr(charm, name)), name)
    for name in ("exec", "eval", "rexec", "updateGlobals"):
        check(not hasattr(charm, name), f"charm.{name} exists on thisProxy only")


def main(args):
    ranks = charm.numPes()
    group = Group(Looker)
    addressing(group, ranks)
    global_variables(group, ranks)
    source_text(group, ranks)
    new_classes(ranks)
    remote_creation(ranks)
    remote_reducers(ranks)
    as_callbacks(ranks)
    local_counterparts(ranks)
    switched_off(ranks)
    finish(60)


check(charm.thisProxy is None, "19: not before the start")
charm.options.remote_exec = True
charm.options.quiet = True
check("++quiet" in sys.argv, "quiet is also seen on the command line")
charm.start(main)
