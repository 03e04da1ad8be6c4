# SPDX-License-Identifier: Apache-2.0
"""Readonlies: what is copied, when, and to whom.

Started with an argument: "class" (a main chare) or "returns" (an entry point that never waits). With an ``async def``
as entry point: api_11_coroutines.py. Arrays in readonlies arrive writable: api_24_serialization.py. Values that cannot
be pickled: errors/uncaught.py, unpicklable_readonly.
"""

import sys

import c4py
import charm4py
from charm4py import *
from charm4py import readonlies as ro
from checks import check, equal, finish, raises


def answer(x):
    return ro.number + x


class Looker(Chare):
    def __init__(self):
        # On rank 0 this runs inline, before the assignments that follow there; elsewhere after the
        # copy has been made.
        self.at_birth = getattr(ro, "late", None)
        self.x = 0

    def birth(self):
        return self.at_birth

    def read(self, name):
        return getattr(ro, name, "absent")

    def has(self, name):
        return hasattr(ro, name)

    def assign(self, value):
        ro.local = value

    def change(self, name):
        getattr(ro, name).append("changed")

    def same_object(self):
        return ro.table["list"] is ro.items

    def set_x(self, x):
        self.x = x

    @when("x == ro.number")
    def conditional(self, x):
        return x

    @coro
    def waits(self):
        self.wait("self.x == ro.number")
        return "done"

    @coro
    def waits_by_full_name(self):
        self.wait("self.x == readonlies.number and ro.table['k'] == [1, 2]")
        return "done"


class Placed(ArrayMap):
    def procNum(self, index):
        return ro.place


class Where(Chare):
    def rank(self):
        return charm.myPe()


def assign_all(ranks):
    """What is assigned before the entry point waits for the first time; returns the group made in between."""
    ro.number = 47
    ro.items = [1, 2]
    ro.table = {"k": [1, 2], "list": ro.items}
    ro.place = ranks - 1
    ro._private = 1
    ro.trailing_ = 1
    ro.in_the_middle = 1
    ro.__both__ = 1
    ro.gone = 1
    ro.twice = "first"
    del ro.gone
    setattr(ro, "by_name", "set")  # noqa: B010
    group = Group(Looker)
    ro.late = "assigned after the group was made"
    ro.twice = "second"
    ro.group, ro.bound, ro.cls, ro.func, ro.future = group, group[0].read, Looker, answer, Future()
    ro.future2 = {"nested": [Future()]}
    return group


def check_copied(group, ranks):
    """20: everywhere, before any chare's code runs."""
    charm.awaitCreation(group)
    born = group.birth(ret=True).get()
    equal(born, [None] + [ro.late] * (ranks - 1), "seen by constructors elsewhere, not inline")
    for name, want in (
        ("number", 47),
        ("table", {"k": [1, 2], "list": [1, 2]}),
        ("in_the_middle", 1),
        ("by_name", "set"),
        ("twice", "second"),
        ("late", ro.late),
        ("group", group),
        ("bound", group[0].read),
        ("cls", Looker),
        ("func", answer),
        ("at_top", "by the script"),
    ):
        equal(group.read(name, ret=True).get(), [want] * ranks, f"20: {name}")
    for name in ("_private", "trailing_", "__both__"):
        want = [True] + [False] * (ranks - 1)
        equal(group.has(name, ret=True).get(), want, f"20: {name} is not copied")
    equal(group.has("gone", ret=True).get(), [False] * ranks, "20: deleted before the copy")
    equal(group.same_object(ret=True).get(), [True] * ranks, "20: copied as one")
    charm.thisProxy[ranks - 1].eval("ro.future('through a readonly')")
    equal(ro.future.get(), "through a readonly", "20: a future")
    charm.thisProxy[ranks - 1].eval("ro.future2['nested'][0].send(5)")
    equal(ro.future2["nested"][0].get(), 5, "20: a future inside of something")


def check_local(group, ranks):
    """20: later assignments, and those on other ranks, are local; so are changes."""
    ro.too_late = 5
    equal(group.read("too_late", ret=True).get(), [5] + ["absent"] * (ranks - 1), "20: later")
    ro.number = 48
    equal(group.read("number", ret=True).get(), [48] + [47] * (ranks - 1), "20: overwritten")
    ro.number = 47
    group[ranks - 1].assign(9, awaitable=True).get()
    want = ["absent"] * (ranks - 1) + [9]
    equal(group.read("local", ret=True).get(), want, "20: assigned elsewhere")
    group[ranks - 1].change("items", awaitable=True).get()
    want = [[1, 2]] * (ranks - 1) + [[1, 2, "changed"]]
    equal(group.read("items", ret=True).get(), want, "20: changed in place")


def check_uses(group, ranks):
    """20: in conditions, on workers, in the placement of arrays."""
    equal(group.conditional(47, ret=True).get(), [47] * ranks, "20: in @when")
    waiting = [group.waits(ret=True), group.waits_by_full_name(ret=True)]
    group.set_x(47)
    for future in waiting:
        equal(future.get(), ["done"] * ranks, "20: in a wait string")
    equal(charm.pool.map(answer, [1, 2]), [48, 49], "20: in tasks")
    array = Array(Where, 3, map=Group(Placed))
    equal(array.rank(ret=True).get(), [ranks - 1] * 3, "20: in procNum")


def check_namespace():
    check(charm4py.readonlies is c4py.readonlies is ro, "20: one object")
    raises(AttributeError, getattr, ro, "no_such", text="no_such")
    check("number" in vars(ro), "20: a namespace")


def main(args):
    ranks = charm.numPes()
    group = assign_all(ranks)
    check_copied(group, ranks)
    check_local(group, ranks)
    check_uses(group, ranks)
    check_namespace()
    finish(30)


class Main(Chare):
    def __init__(self, args):
        ro.number = 1
        group = Group(Looker)
        charm.sleep(0)
        ro.number = 2
        equal(group.read("number", ret=True).get(), [2] + [1] * (charm.numPes() - 1), "20: a class")
        finish(1)


class Ends(Chare):
    @coro
    def check(self, group):
        equal(group.read("number", ret=True).get(), [3] * charm.numPes(), "20: until it returns")
        finish(1)


def returns(args):
    group = Group(Looker)
    Chare(Ends, onPE=0).check(group)
    ro.number = 3


charm.options.remote_exec = True
ro.at_top = "by the script"
charm.start({"class": Main, "returns": returns}.get(sys.argv[-1], main))
