# SPDX-License-Identifier: Apache-2.0
"""Names, identities and submodules of the packages, and what import leaves alone."""

import importlib
import sys

import c4py
import charm4py
from charm4py import *
from charm4py import charm as the_charm
from charm4py.charm import Charm, Charm4PyError
from charm4py.threads import LocalFuture, NotThreadedError
from checks import check, equal, finish, raises

NAMES = (
    "charm Chare Group Array ArrayMap Reducer Future Channel coro coro_ext threaded when register readonlies Options"
    " ObjectStore charm4py_version"
).split()
SUBMODULES = (
    "charm threads wait ray ray.api liveviz interactive pool chare channel reduction sections entry_method object_store"
).split()


def main(args):
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
    for name in SUBMODULES:
        check(
            importlib.import_module(f"charm4py.{name}") is importlib.import_module(f"c4py.{name}"),
            f"submodule {name} is one object",
        )
        check(f"charm4py.{name}" in sys.modules, f"sys.modules has charm4py.{name}")

    check(Reducer is the_charm.reducers, "Reducer is charm.reducers")
    check(threaded is coro, "threaded is coro")
    check(Future is the_charm.Future and Future == the_charm.createFuture, "Future is the factory")
    check(not isinstance(Future, type), "Future is no class")
    check(isinstance(Future(), charm4py.threads.Future), "class of futures")
    check(isinstance(charm4py.charm, Charm), "charm, the attribute, is the runtime")
    check(issubclass(LocalFuture, charm4py.threads.Future), "LocalFuture")
    check(isinstance(charm4py.charm4py_version, str), "version")
    equal(Charm4PyError("text").message, "text", "message of an error")
    equal(NotThreadedError("text").message, "text", "message of an error")
    equal(the_charm.lib.name, "cython", "lib.name")
    check(not the_charm.threadMgr.isMainThread(), "the entry point is a coroutine")

    public_names()

    # What this version lacks says so and does nothing else.
    for call in (
        lambda: the_charm.LBTurnInstrumentOn(),
        lambda: the_charm.LBTurnInstrumentOff(),
    ):
        raises(Charm4PyError, call, text="not available in this version")

    text = str(the_charm.options)
    check("pickle_protocol: -1" in text and "quiet: " in text, "str(options)")
    check("interactive" not in text, "nested options are left out")
    the_charm.options.whatever = 5
    equal(the_charm.options.whatever, 5, "unknown options are kept")
    raises(Charm4PyError, the_charm.start, main, text="only once")
    raises(TypeError, charm4py.threads.Future)
    finish(100)


def public_names():
    """Each public name is in exactly one place, shows it, and is documented with all its methods."""
    places = {place: set(place.__all__) for place in (c4py, c4py.lowlevel, c4py.testing)}
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


equal(charm.myPe(), -1, "rank before the start")
equal(charm.numPes(), -1, "ranks before the start")
raises(Charm4PyError, charm.exit, text="after charm.start()")
raises(Charm4PyError, charm.abort, "x", text="after charm.start()")
raises(Charm4PyError, charm.numHosts, text="after charm.start()")
raises(Charm4PyError, lambda: Group(Chare))
raises(AssertionError, charm.start)
raises(AssertionError, charm.start, 5)
raises(Charm4PyError, charm.start, lambda: 0, text="exactly one parameter")
raises(Charm4PyError, charm.start, main, classes=[int], text="not a chare class")
raises(ModuleNotFoundError, charm.start, main, modules=["no_such_module_xyz"])


class BadEntry(Chare):
    def __init__(self):
        pass


raises(Charm4PyError, charm.start, BadEntry, text="exactly one parameter besides self")
raises(Charm4PyError, register, int, text="not a chare class")
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
