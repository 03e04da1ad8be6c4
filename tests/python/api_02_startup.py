# SPDX-License-Identifier: Apache-2.0
"""Starting a program, which classes it may use, and classes that come later. Usage: api_02_startup.py KIND-OF-ENTRY

What else belongs to these sections: ``-m`` and standard input in api_25_interactive.py and launcher.py; a command between mpirun and the
launcher, and errors before the start, in api_05_exit.py; what charm.start() refuses in api_01_surface.py; what an entry method is
in api_06_chare.py; the banner in launcher.py.
"""

import builtins
import functools
import os
import pickle
import sys
import types

from charm4py import *
from charm4py import readonlies as ro
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

HERE = os.path.dirname(os.path.abspath(__file__))
ran_here = []
entry_ranks = []


def module(name, source):
    """A module that every rank has, as if it had been imported from a file."""
    made = sys.modules[name] = types.ModuleType(name)
    exec("from charm4py import Chare, charm, register\n" + source, made.__dict__)
    return made


CLASS = "class {0}(Chare):\n    def get(self):\n        return '{0}', charm.myPe()\n"
by_decorator = module("by_decorator", "@register\n" + CLASS.format("Decorated"))
by_class = module("by_class", CLASS.format("Listed") + CLASS.format("Unlisted"))
by_module = module("by_module", CLASS.format("InModule"))
# Defect 38: ranks may see classes in different orders; neighbours mostly have numbers of different parity.
disordered = module("disordered", CLASS.format("North") + CLASS.format("South"))
for name in ("North", "South")[:: 1 if os.getpid() % 2 else -1]:
    register(getattr(disordered, name))
late = module("late", CLASS.format("Late") + CLASS.format("Later"))
from_elsewhere = module("from_elsewhere", CLASS.format("Imported"))
Imported = from_elsewhere.Imported  # an attribute of __main__ counts, wherever it was defined


class Facts(Chare):
    def facts(self):
        main = sys.modules["__main__"]
        return (
            (__name__, main.Facts is Facts, os.path.abspath(main.__file__)),
            (sys.path[0], sys.argv[0], os.getcwd()),
            (hasattr(builtins, "exit"), hasattr(builtins, "quit")),
            pickle.loads(pickle.dumps(Facts)) is Facts,
            (charm.registered is not None, charm.options.remote_exec),
        )


class Early(Chare):
    def __init__(self):
        ran_here.append(charm.myPe())
        self.saw = getattr(ro, "assigned_late", None)

    def get(self):
        return self.saw, ran_here


# 2.1 the process
def check_process(group, ranks):
    want = (
        ("__main__", True, os.path.abspath(__file__)),
        (HERE, sys.argv[0], os.getcwd()),
        (True, True),
        True,
        (True, True),
    )
    equal(
        group.facts(ret=True).get(),
        [want] * ranks,
        "the process is like Python's own, on all ranks",
    )


# 2.3 which classes can be used
def uses(cls, ranks):
    equal(Group(cls).get(ret=True).get(), [(cls.__name__, pe) for pe in range(ranks)], cls.__name__)


def check_registered(ranks):
    for cls in (by_decorator.Decorated, by_class.Listed, by_module.InModule, Imported):
        uses(cls, ranks)
    uses(disordered.North, ranks)
    uses(disordered.South, ranks)
    raises(Charm4PyError, Group, by_class.Unlisted, text="is not registered")
    raises(Charm4PyError, Array, late.Late, 2, text="is not registered")
    raises(Charm4PyError, Group, int, text="not a chare class")


# 2.5 registration after the start
def check_late(group, ranks):
    """Classes that are registered while the program runs."""
    register_types = charm.thisProxy.registerNewChareTypes
    register_types([late.Late, late.Later], awaitable=True).get()
    uses(late.Late, ranks)
    uses(late.Later, ranks)
    names = [name for name, _ in Array(late.Later, 3).get(ret=True).get()]
    equal(names, ["Later"] * 3, "in an array")
    register_types([late.Late], awaitable=True).get()  # once more: nothing happens
    uses(late.Late, ranks)
    raises(Charm4PyError, register_types([int], awaitable=True).get, text="not a chare class")

    source = "class Typed(Chare):\n    def get(self):\n        return {!r}, charm.myPe()\n"
    for text in ("first", "second"):  # a name may be used again, for another class
        charm.thisProxy.registerNewChareType("Typed", source.format(text), awaitable=True).get()
        typed = sys.modules["__main__"].Typed
        equal(Group(typed).get(ret=True).get(), [(text, pe) for pe in range(ranks)], text)
    for name, bad, kind, text in (
        ("Typed", "class Typed(", SyntaxError, ""),
        ("Other", "x = 1", Charm4PyError, "does not define Other"),
        ("int", "", Charm4PyError, "does not define int"),
        ("Plain", "class Plain: pass", Charm4PyError, "not a chare class"),
    ):
        raises(kind, charm.thisProxy.registerNewChareType(name, bad, awaitable=True).get, text=text)
    equal(group.facts(ret=True).get() != [], True, "all goes on")


# 2.4 order of events, readonlies
def check_order(ranks):
    early = Group(Early)
    equal(ran_here, [0], "on the own rank the constructor has run")
    ro.assigned_late = "after the group was made"
    charm.awaitCreation(early)
    equal(
        early.get(ret=True).get(),
        [(None, [0])] + [("after the group was made", [pe]) for pe in range(1, ranks)],
        "nothing runs on other ranks before the entry point waits",
    )


# 2.2, 2.3, 2.4 kinds of entry points
def check_all(args):
    ranks = charm.numPes()
    entry_ranks.append(charm.myPe())
    if entry is not Entry:  # that one has waited already
        check_order(ranks)
    equal(args, sys.argv, "the words of the command line, the script first")
    check(isinstance(args, list), "in a list")
    equal(entry_ranks, [0], "the entry point runs on rank 0")
    equal(charm.threadMgr.isMainThread(), False, "as a coroutine")
    group = Group(Facts)
    check_process(group, ranks)
    check_registered(ranks)
    check_late(group, ranks)
    raises(Charm4PyError, charm.start, entry, text="only once")
    finish(20)


@coro  # which changes nothing
def function(args):
    check_all(args)


class Holder:
    def method(self, args):
        check_all(args)

    def __call__(self, args):
        check_all(args)


@register  # usable as entry and in collections
class Entry(Chare):
    def __init__(self, args):
        if args is None:
            return
        check(not hasattr(self, "thisIndex"), "the main chare has no index")
        future = Future()
        self.thisProxy.called("through its proxy", future)
        equal(future.get(), "through its proxy", "it has a proxy, and may wait")
        self.ready = False
        guarded = self.thisProxy.guarded(7, ret=True)
        self.thisProxy.make_ready()
        self.wait("self.ready")
        equal(guarded.get(), 7, "@when in the main chare")
        peer = Chare(Peer, onPE=charm.numPes() - 1)
        peer.talk(self.thisProxy)
        channel = Channel(self, peer)
        channel.send(20)
        equal(channel.recv(), 21, "a channel to the main chare")
        raises(Charm4PyError, self.reduce, Future(), 1, Reducer.sum, text="Entry is no member")
        remote = self.thisProxy.give(Future(), awaitable=True)
        raises(Charm4PyError, remote.get, text="Entry is no member")
        group = Group(Entry, args=[None])
        group.add(self.thisProxy.summed)
        self.wait("self.sum is not None")
        equal(self.sum, sum(range(charm.numPes())), "target of a reduction; the class in a group")
        check_all(args)

    sum = None

    @when("self.ready")
    def guarded(self, x):
        return x

    def give(self, target):
        self.reduce(target, 1, Reducer.sum)

    def called(self, x, future):
        future(x)

    def make_ready(self):
        self.ready = True

    def add(self, target):
        self.reduce(target, charm.myPe(), Reducer.sum)

    def summed(self, value):
        self.sum = value


class Peer(Chare):
    @coro
    def talk(self, peer):
        channel = Channel(self, peer)
        channel.send(channel.recv() + 1)


def returns(args):
    """The entry point has returned: the program goes on serving."""
    Chare(Ender, onPE=charm.numPes() - 1).work()


class Ender(Chare):
    @coro
    def work(self):
        charm.sleep(0.05)
        print("1 checks passed", flush=True)
        charm.exit()


entries = {
    "function": function,
    "partial": functools.partial(lambda prefix, args: check_all(args), "prefix"),
    "method": Holder().method,
    "callable": Holder(),
    "class": Entry,
    "returns": returns,
}
entry = entries[sys.argv[1]]
charm.options.remote_exec = True
charm.start(entry, classes=[by_class.Listed], modules=["by_module"])
