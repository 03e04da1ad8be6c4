# SPDX-License-Identifier: Apache-2.0
"""Names, identities and submodules of the packages, and what import leaves alone; de-facto names and old spellings (34, 35).

Import without a start is tested in tools.py, api_05_exit.py (1.3) and launcher.py; ``-m c4py.interactive`` in api_25_interactive.py.
"""

import ast
import importlib
import os
import pickle
import sys
import types

import c4py
import charm4py
from charm4py import *
from charm4py import charm as the_charm
from charm4py.charm import Charm, Charm4PyError
from charm4py.threads import LocalFuture, NotThreadedError
from checks import check, equal, finish, raises

IN_SUBMODULES = {
    "charm": "Charm Charm4PyError charm readonlies Options",
    "threads": "Future LocalFuture CollectiveFuture NotThreadedError",
    "wait": "parse_cond_str MsgTagCond ChareStateCond ChareStateMsgCond",
    "ray": "init get put wait remote",
    "ray.api": "init get put wait remote",
    "liveviz": "LiveViz Config",
    "pool": "Pool",
    "chare": "Chare Group Array ArrayMap register GROUP ARRAY MAINCHARE",
    "channel": "Channel",
    "reduction": "Reducer ReducerContainer",
    "sections": "split combine",
    "entry_method": "coro coro_ext when threaded",
    "object_store": "ObjectStore",
}
NAMES = (
    "charm Chare Group Array ArrayMap Reducer Future Channel coro coro_ext threaded when register readonlies Options"
    " ObjectStore charm4py_version native NativeState"
).split()
SUBMODULES = (
    "charm threads wait ray ray.api liveviz interactive pool chare channel reduction sections entry_method object_store"
).split()


def main(args):
    # 1.1 names
    for name in NAMES:
        check(hasattr(charm4py, name), f"charm4py.{name}")
        check(name in globals(), f"import * brings {name}")
        check(
            getattr(charm4py, name) is getattr(c4py, name), f"{name} is one object in both packages"
        )
    for name in ("ray", "wait", "threads", "chare", "channel", "pool"):
        check(name in globals(), f"import * brings submodule {name}")
    for name in ("np", "numpy", "time", "array", "random", "math", "sys", "os"):
        check(name not in dir(charm4py) or name in ("sys",), f"the package has no public {name}")
    # 1.2 submodules
    for name in SUBMODULES:
        check(
            importlib.import_module(f"charm4py.{name}") is importlib.import_module(f"c4py.{name}"),
            f"submodule {name} is one object",
        )
        check(f"charm4py.{name}" in sys.modules, f"sys.modules has charm4py.{name}")
    for name, wanted in IN_SUBMODULES.items():
        for word in wanted.split():
            check(hasattr(sys.modules[f"charm4py.{name}"], word), f"charm4py.{name}.{word}")
    check(charm4py.charm is not sys.modules["charm4py.charm"], "charm: the runtime, and a module")
    check(sys.modules["charm4py.charm"].charm is the_charm)
    stubs()

    # 1.1 identities
    check(Reducer is the_charm.reducers, "Reducer is charm.reducers")
    check(threaded is coro, "threaded is coro")
    check(Future is the_charm.Future and Future == the_charm.createFuture, "Future is the factory")
    check(not isinstance(Future, type), "Future is no class")
    check(isinstance(Future(), charm4py.threads.Future), "class of futures")
    check(isinstance(charm4py.charm, Charm), "charm, the attribute, is the runtime")
    check(issubclass(LocalFuture, charm4py.threads.Future), "LocalFuture")
    check(isinstance(charm4py.charm4py_version, str), "version")
    check(isinstance(the_charm.createFuture(), charm4py.threads.Future), "class of futures")
    check(issubclass(charm4py.threads.CollectiveFuture, object), "CollectiveFuture")
    equal(Charm4PyError("text").message, "text", "message of an error")
    equal(NotThreadedError("text").message, "text", "message of an error")
    equal(the_charm.lib.name, "cython", "lib.name")
    check(not the_charm.threadMgr.isMainThread(), "the entry point is a coroutine")

    internals()
    public_names()

    # A function that travels by value finds the runtime of the rank where it arrives, not a copy of this one.
    for value in (the_charm, readonlies, Reducer, the_charm.pool):
        check(pickle.loads(pickle.dumps(value)) is value, f"{value!r} is pickled by reference")

    text = str(the_charm.options)
    check("pickle_protocol: -1" in text and "quiet: " in text, "str(options)")
    check("interactive" not in text, "nested options are left out")
    the_charm.options.whatever = 5
    equal(the_charm.options.whatever, 5, "unknown options are kept")
    raises(Charm4PyError, the_charm.start, main, text="only once")
    raises(TypeError, charm4py.threads.Future)
    finish(250)


def stubs():
    """What type checkers are told of the submodules that are made by the package is what is there."""
    folder = os.path.dirname(c4py.__file__)
    told = {file[:-4] for file in os.listdir(folder) if file.endswith(".pyi")} - {"_c4py"}
    made = {name for name in SUBMODULES if "." not in name and not hasattr(
        sys.modules[f"c4py.{name}"], "__file__")}  # fmt: skip
    equal(told, made, "a stub for each module without a file")
    for name in told:
        with open(os.path.join(folder, f"{name}.pyi")) as file:
            *_, listed = [
                node for node in ast.parse(file.read()).body if isinstance(node, ast.Assign)
            ]
        names = {word for word in vars(sys.modules[f"c4py.{name}"]) if not word.startswith("_")}
        equal(set(ast.literal_eval(listed.value)), names, f"{name}.pyi")
    folder = os.path.dirname(charm4py.__file__)
    for name in SUBMODULES:
        path = os.path.join(folder, *name.split("."))
        endings = (".pyi", ".py", os.sep + "__init__.pyi")
        check(any(os.path.exists(path + end) for end in endings), f"charm4py.{name} is declared")


class Old(Chare):
    """Old spellings of what a chare does."""

    def gives(self, target):
        self.contribute(charm.myPe(), Reducer.sum, target)

    def gives_none(self, target):
        self.contribute(None, Reducer.nop, target)

    def gives_low(self, target):
        charm.contribute(1, Reducer.sum, target, self)

    def gives_low_section(self, target, section):
        charm.contribute(1, Reducer.sum, target, self, section=section)

    @threaded
    def waits(self):
        charm.sleep(0)
        return charm.threadMgr.isMainThread(), self._numthreads

    def does_not_wait(self):
        return charm.threadMgr.isMainThread(), self._numthreads

    def own(self):
        return self.thisProxy[self.thisIndex]


def internals():
    ranks = charm.numPes()
    group, array, single = Group(Old), Array(Old, 3), Chare(Old)
    # 34 de-facto internals
    equal(group.waits(ret=True).get(), [(False, 1)] * ranks, "threadMgr, _numthreads")
    equal(group.does_not_wait(ret=True).get(), [(True, 0)] * ranks, "threadMgr, _numthreads")
    equal(
        [p.own(ret=True).get() for p in (group[0], array[1], single)], [group[0], array[1], single]
    )
    check(all(type(p).__name__.endswith("Proxy") for p in (group, array, single, array[0:1])))
    check(isinstance(Future().fid, int), "fid")
    check("sum" in Reducer.__dict__ and "own_sum" in Reducer.__dict__, "Reducer.__dict__")
    check(Old in charm.registered and Map in charm.registered, "registered")
    check(int not in charm.registered)
    target = Future()
    group.gives_low(target)
    equal(target.get(), ranks, "charm.contribute")
    target = Future()
    part = array[0:2]
    part.gives_low_section(target, part)
    equal(target.get(), 2, "charm.contribute over a section")
    charm.print_dbg("print_dbg", 1, "of rank")
    # 35 old spellings
    target = charm.createFuture()
    group.gives(target)
    equal(target.get(), sum(range(ranks)), "contribute(data, reducer, callback)")
    target = charm.Future()
    group.gives_none(target)
    equal(target.get(), None, "Reducer.nop")
    for owner, names in (
        (charm, "allReduce barrier CkMyPe"),
        (Chare, "gather"),
        (array, "migrateMe"),
    ):
        for name in names.split():
            check(not hasattr(owner, name), f"{name} is gone")
    check(not hasattr(charm4py, "Mainchare"), "Mainchare is gone")
    raises(TypeError, Future, senders=2)
    raises(TypeError, charm.Future, senders=2)


def own_sum(contributions):
    return sum(contributions)


Reducer.addReducer(own_sum)


class Map(ArrayMap):
    def procNum(self, index):
        return 0


def public_names():
    """Each public name is in exactly one place, shows it, and is documented with all its methods."""
    places = {
        place: set(place.__all__) for place in (c4py, c4py.balance, c4py.lowlevel, c4py.testing)
    }
    for place, names in places.items():
        for other, others in places.items():
            check(place is other or not names & others, f"names in two places: {names & others}")
        for name in names:
            value = getattr(place, name)
            check(isinstance(value, (str, list)) or value.__doc__, f"{name} lacks a docstring")
            if isinstance(value, type) and value.__module__.startswith("c4py"):
                equal(value.__module__.partition("._")[1], "", f"{name} shows where users find it")
            owner = value if isinstance(value, type) else type(value)
            if isinstance(value, type) or value in (the_charm, the_charm.pool, Reducer):
                for method, function in vars(owner).items():
                    if callable(function) and not method.startswith("_"):
                        check(function.__doc__, f"{name}.{method} lacks a docstring")


# 1.3, defect 31: before the start
equal(charm.myPe(), -1, "rank before the start")
equal(charm.numPes(), -1, "ranks before the start")
raises(Charm4PyError, charm.exit, text="after charm.start()")
raises(Charm4PyError, charm.abort, "x", text="after charm.start()")
raises(Charm4PyError, charm.numHosts, text="after charm.start()")
raises(Charm4PyError, lambda: Group(Chare))
# 2.2 what charm.start() refuses
raises(AssertionError, charm.start)
raises(AssertionError, charm.start, None)
raises(AssertionError, charm.start, 5)
raises(AssertionError, charm.start, entry="main")
raises(Charm4PyError, charm.start, lambda: 0, text="exactly one parameter")
raises(Charm4PyError, charm.start, lambda a, b: 0, text="exactly one parameter")
raises(Charm4PyError, charm.start, main, classes=[int], text="not a chare class")
raises(Charm4PyError, charm.start, main, [5], text="not a chare class")
raises(ModuleNotFoundError, charm.start, main, modules=["no_such_module_xyz"])


def in_module(source):
    """A chare class in a module of its own, which is to be refused."""
    module = sys.modules["bad_module"] = types.ModuleType("bad_module")
    exec("from charm4py import *\n" + source, vars(module))
    return {"modules": ["bad_module"]}


METHOD = "class Redefines(Chare):\n    def {}(self, *args): pass"
raises(Charm4PyError, charm.start, main, **in_module("class W(Array): pass"), text="from Array")
for word in "wait contribute reduce allreduce AtSync setMigratable __flush_wait_queues__".split():
    bad = in_module(METHOD.format(word))
    raises(Charm4PyError, charm.start, main, **bad, text=f"class Redefines redefines {word}()")
bad = in_module("class C(Chare):\n    def m(self, *, ret=1): pass")
raises(AssertionError, charm.start, main, **bad, text="'ret'")


class BadEntry(Chare):
    def __init__(self):
        pass


class BadEntry2(Chare):
    def __init__(self, args, more):
        pass


raises(Charm4PyError, charm.start, BadEntry2, text="exactly one parameter besides self")
raises(Charm4PyError, charm.start, BadEntry, text="exactly one parameter besides self")
# 2.3 register
raises(Charm4PyError, register, int, text="not a chare class")
raises(Charm4PyError, charm.register, int, text="not a chare class")
check(register(BadEntry) is BadEntry, "register is a decorator")
chare = sys.modules["charm4py.chare"]
equal(charm.register(Old, collections=(chare.GROUP, chare.ARRAY)), None)
equal(charm.register(Old), None, "once more: nothing happens")
Options.QUIET = True
raises(Charm4PyError, charm.start, main, text="charm.options.quiet")
del Options.QUIET


class Wrong(Group):
    pass


raises(Charm4PyError, charm.start, main, text="derives from Group")
del Wrong


class NoConstructor(Chare):
    pass


raises(Charm4PyError, charm.start, NoConstructor, text="must define __init__(self, args)")
del NoConstructor


class Redefines(Chare):
    def reduce(self):
        pass


raises(Charm4PyError, charm.start, main, text="class Redefines redefines reduce()")
del Redefines


class TakesRet(Chare):
    def method(self, ret):
        pass


raises(AssertionError, charm.start, main, text="'ret'")
del TakesRet


class NoSelf(Chare):
    def method():
        pass


raises(Charm4PyError, charm.start, main, text="'self'")
del NoSelf

charm.start(main)
