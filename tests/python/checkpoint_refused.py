# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that cannot be written, with the program going on; what a pickle of a checkpoint may use; channels and waiting
calls are only looked at, not taken away.

Usage: checkpoint_refused.py FOLDER, which is made and removed.
"""

import os
import pickle
import shutil
import socket
import sys

import numpy as np

from c4py._checkpoint import safe_loads
from c4py.lowlevel import spawn
from charm4py import Array, Channel, Chare, Reducer, charm, coro, when
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

FOLDER = sys.argv[1]


class Own:
    """A class of the program that is no chare's."""

    def __init__(self, value):
        self.value = value


class Cell(Chare):
    def __init__(self):
        self.odd = None
        self.go = False
        self.got = []
        self.deep = {"a": [np.arange(3), (self.thisIndex, {"b"})]}

    def put(self, what):
        self.odd = (
            {
                None: None,
                "socket": lambda: [socket.socket()],
                "future": lambda: (charm.Future(),) if False else None,
            }.get(what, lambda: None)()
            if what
            else None
        )

    @coro
    def starts(self):
        """A coroutine that is no chare's waits on this rank."""
        future = charm.Future()
        spawn(waits_freely, (future,))
        return future

    def where(self):
        return charm.myPe()

    def keep(self, value):
        self.odd = value

    @coro
    def waits(self):
        self.wait("self.go")
        return "done"

    def goes(self):
        self.go = True

    @when("self.go")
    def late(self, value):
        self.got.append(value)

    def values(self):
        return self.got

    def give(self, callback):
        self.reduce(callback, 1, Reducer.sum)

    @coro
    def talks(self, other, rounds):
        if not hasattr(self, "channel"):
            self.channel = Channel(self, remote=other)
        for i in range(rounds):
            self.channel.send(i)
        return [self.channel.recv() for _ in range(rounds)]


def waits_freely(future):
    future.get()


def refused(text):
    error = raises(Charm4PyError, charm.checkpoint(FOLDER).get, text=text)
    check("no checkpoint was written: rank" in str(error), str(error))
    return str(error)


def check_writing():
    last = charm.numPes() - 1
    cells = Array(Cell, 2 * charm.numPes())
    charm.awaitCreation(cells)
    equal(charm.checkpoint(FOLDER).get()[0], 1, "the first")

    answer = cells[2 * last].waits(ret=True)
    refused(f"Cell({2 * last}) is in the way: a coroutine of it waits")
    cells[2 * last].late("early")
    cells[2 * last].goes()
    equal(answer.get(), "done")

    future = cells[2 * last].starts(ret=True).get()
    where = cells[2 * last].where(ret=True).get()
    error = refused("coroutine waits_freely at checkpoint_refused.py:")
    check(f"rank {where}: a coroutine which is no chare's" in error, error)
    future.send(1)

    cells[0].put("socket", awaitable=True).get()
    refused("Cell(0) cannot be packed: TypeError")
    cells[0].put(None, awaitable=True).get()

    future = charm.Future()
    cells[1].keep(future, awaitable=True).get()
    refused("Cell(1) cannot be packed: Charm4PyError: a future is not kept")
    cells[1].keep(None, awaitable=True).get()
    future.send(5)
    equal(future.get(), 5, "it is what it was")

    result = charm.Future()
    cells[0].give(result)
    refused("a reduction over Cell lacks contributions")
    for i in range(1, 2 * charm.numPes()):
        cells[i].give(result)
    equal(result.get(), 2 * charm.numPes())

    a = cells[0].talks(cells[1], 3, ret=True)
    b = cells[1].talks(cells[0], 3, ret=True)
    equal((a.get(), b.get()), ([0, 1, 2], [0, 1, 2]))
    cells[1].late("x")
    equal(charm.checkpoint(FOLDER).get()[0], 2, "the second")
    a = cells[0].talks(cells[1], 3, ret=True)
    b = cells[1].talks(cells[0], 3, ret=True)
    equal((a.get(), b.get()), ([0, 1, 2], [0, 1, 2]), "channels go on")
    cells[1].goes()
    equal(cells[1].values(ret=True).get(), ["x"], "a call that waits is not taken away")
    names = sorted(os.listdir(FOLDER))
    equal(names, ["lock", "manifest"] + sorted(f"set2.rank{i}" for i in range(last + 1)))
    check(all(os.stat(os.path.join(FOLDER, name)).st_mode & 0o777 == 0o600 for name in names))
    raises(
        Charm4PyError,
        charm.checkpoint("/dev/null/x").get,
        text="/dev/null/x: cannot be made: Not a directory",
    )
    raises(Charm4PyError, charm.checkpoint, "x" * 2000)
    raises(TypeError, charm.checkpoint, 5)
    several = [charm.checkpoint(FOLDER) for _ in range(3)]
    equal([one.get()[0] for one in several], [3, 4, 5], "one after the other")


# ---- what a file may make happen ---------------------------------------------------------------------

ran = []


def harm(*args):
    ran.append(args)


class Evil:
    def __init__(self, func, *args):
        self.reduced = func, args

    def __reduce__(self):
        return self.reduced


def raw(module, name):
    """A pickle that only looks a name up."""
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n."


def check_reading():
    import datetime
    import decimal
    import pathlib
    from collections import Counter, OrderedDict, defaultdict, deque

    good = [
        {1, 2}, frozenset("a"), 3 + 4j, bytearray(b"x"), range(3), slice(1, 2), deque([1], 3), OrderedDict(a=1),
        Counter("aab"), defaultdict(list, a=[1]), datetime.datetime(2020, 1, 2), datetime.timedelta(1),
        decimal.Decimal("1.5"), pathlib.Path("a/b"), ValueError("v"), np.float64(1.5), np.dtype("i4"),
        np.array(["a", "b"]), np.array([1, None], dtype=object), np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]),
    ]  # fmt: skip
    for value in good:
        for protocol in (3, 4, 5):
            equal(
                repr(safe_loads(pickle.dumps(value, protocol))), repr(value), "what is safe is read"
            )
    buffers = []
    data = pickle.dumps(np.arange(9), 5, buffer_callback=buffers.append)
    check((safe_loads(data, buffers=buffers) == np.arange(9)).all())

    bad = [
        pickle.dumps(Evil(harm, 1)), pickle.dumps(Evil(os.system, "touch harm")), pickle.dumps(Evil(eval, "harm()")),
        pickle.dumps(Evil(exec, "harm()")), pickle.dumps(Evil(getattr, "x", "upper")), pickle.dumps(Own(1)),
        pickle.dumps(Evil(__import__, "os")), pickle.dumps(Evil(open, "harm", "w")), pickle.dumps(Evil(map, harm, [1])),
        pickle.dumps([1, {"a": Evil(harm)}]), pickle.dumps(np.array([Evil(harm)], dtype=object)),
        pickle.dumps(defaultdict(harm)), pickle.dumps(Cell.put),
    ]  # fmt: skip
    bad += [
        raw(*name.rsplit(".", 1))
        for name in (
            "os.system", "posix.system", "subprocess.Popen", "builtins.getattr", "builtins.setattr", "builtins.eval",
            "builtins.compile", "builtins.__import__", "builtins.type", "builtins.vars", "builtins.globals",
            "copyreg._reconstructor", "copyreg.add_extension", "_codecs.encode", "codecs.decode", "operator.attrgetter",
            "functools.partial", "importlib.import_module", "pickle.loads", "numpy.load", "numpy.core.multiarray.fromfile",
            "cloudpickle.cloudpickle._make_function", "types.FunctionType", "sys.exit", "c4py._c4py.abort",
            "c4py._c4py.exit", "c4py._runtime.charm", "charm4py.charm.exit", "socket.socket", "ctypes.CDLL",
        )
    ]  # fmt: skip
    # A dotted name, from protocol 4 on, would be looked up attribute by attribute.
    bad.append(b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.")
    for data in bad:
        raises(Charm4PyError, safe_loads, data, text="which a checkpoint may not use")
    equal(ran, [], "nothing has run")
    check(not os.path.exists("harm"))
    load = charm.thisProxy.__reduce__()[0].__self__._channel_load
    for args in (
        (5, 1, 2, 3, 4, 0, 0, 0, 0, [], None),
        (charm.thisProxy, 1, 2, 3, 4, -1, 0, 0, 0, [], None),
    ):
        raises(TypeError, safe_loads, pickle.dumps(Evil(load, *args)), text="arrived damaged")
    charm.options.checkpoint_classes = [Own]
    equal(safe_loads(pickle.dumps(Own(7))).value, 7, "the program may name its own classes")
    charm.options.checkpoint_classes = []


def main(args):
    shutil.rmtree(FOLDER, ignore_errors=True)
    check_writing()
    check_reading()
    shutil.rmtree(FOLDER)
    finish(100)


charm.start(main)
