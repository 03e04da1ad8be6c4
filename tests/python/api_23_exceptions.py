# SPDX-License-Identifier: Apache-2.0
"""Exceptions across calls: type, text, traceback of the origin; broadcasts; those that cannot travel."""

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises


class Custom(Exception):
    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")
        self.code = code

    def __reduce__(self):
        return (Custom, (self.code, "again"))


class LosesItself(Exception):
    """Its constructor does not fit what pickle gives it."""

    def __init__(self, one, two):
        super().__init__("needs two arguments")


class HasHandle(Exception):
    def __init__(self):
        super().__init__("holds a generator")
        self.generator = (i for i in range(3))


class Local(Chare):
    def __init__(self):
        self.calls = 0

    def fail(self, kind="value"):
        self.calls += 1
        if kind == "value":
            raise ValueError("a plain value")
        if kind == "custom":
            raise Custom(7, "because")
        if kind == "loses":
            raise LosesItself(1, 2)
        if kind == "handle":
            raise HasHandle()
        if kind == "chained":
            try:
                {}["missing"]
            except KeyError as cause:
                raise RuntimeError("outer") from cause
        return "fine"

    @coro
    def fail_late(self, peer):
        peer.fail("none", awaitable=True).get()
        raise LookupError("after a suspension")

    @coro
    def relay(self, peer):
        """An exception of another call passes through."""
        peer.fail("value", ret=True).get()

    @coro
    def catches(self, peer):
        try:
            peer.fail("value", ret=True).get()
        except ValueError as error:
            return str(error), error.remote_stacktrace[0]

    def fail_if_odd(self):
        index = self.thisIndex if isinstance(self.thisIndex, int) else self.thisIndex[0]
        if index % 2:
            raise ValueError(f"odd {index}")
        return index

    @coro
    def fail_if_odd_late(self):
        charm.sleep(0)
        return self.fail_if_odd()

    def returns_exception(self):
        return KeyError("returned, not raised")

    def returns_unpicklable(self):
        return (i for i in range(3))

    def get_calls(self):
        return self.calls

    def attribute(self, name):
        return getattr(self, name)


def main(args):
    last = charm.numPes() - 1
    for pe in {0, last}:
        c, peer = Chare(Local, onPE=pe), Chare(Local, onPE=0)
        for flags in ({"ret": True}, {"awaitable": True}):
            error = raises(ValueError, c.fail(**flags).get, text="a plain value")
            equal(error.remote_stacktrace[0], pe, "rank of origin")
            check("raise ValueError" in error.remote_stacktrace[1], "traceback of the origin")
            check("in fail" in error.remote_stacktrace[1], "names the method")
            rank, text = error.remote_stacktrace
            equal((rank, text), error.remote_stacktrace, "a pair like any other")
            check("_c4py" not in text and "c4py/_" not in text, "the program's frames only")
            check("ValueError: a plain value" in error.remote_stacktrace[1])
        f = c.fail(ret=True)
        raises(ValueError, f.get)
        raises(ValueError, f.get)
        error = raises(Custom, c.fail("custom", ret=True).get)
        equal(error.code, 7, "attributes of an exception")
        error = raises(Charm4PyError, c.fail("loses", ret=True).get, text="LosesItself")
        check("needs two arguments" in str(error), "what it said")
        check("raise LosesItself" in str(error) + error.remote_stacktrace[1], "where")
        raises(Charm4PyError, c.fail("handle", ret=True).get, text="HasHandle")
        error = raises(RuntimeError, c.fail("chained", ret=True).get, text="outer")
        check("KeyError: 'missing'" in error.remote_stacktrace[1], "the cause is in the text")
        equal(c.fail("none", ret=True).get(), "fine", "the object works on")
        equal(c.get_calls(ret=True).get(), 8)
        raises(LookupError, c.fail_late(peer, ret=True).get, text="after a suspension")
        error = raises(ValueError, c.relay(peer, ret=True).get, text="a plain value")
        equal(error.remote_stacktrace[0], 0, "the first origin is kept")
        equal(c.catches(peer, ret=True).get(), ("a plain value", 0), "caught on the way")
        raises(AttributeError, c.attribute("no_such", ret=True).get, text="no_such")
        raises(KeyError, c.returns_exception(ret=True).get)
        error = raises(Charm4PyError, c.returns_unpicklable(ret=True).get)
        check("generator" in str(error), "a result that cannot travel")
        raises(TypeError, c.fail(1, 2, 3, ret=True).get)

    for proxy in (Group(Local), Array(Local, 7)):
        n = len(proxy.get_calls(ret=True).get())
        for method in (proxy.fail_if_odd, proxy.fail_if_odd_late):
            values = method(ret=True).get()
            equal(
                [v if isinstance(v, int) else type(v).__name__ for v in values],
                [i if i % 2 == 0 else "ValueError" for i in range(n)],
            )
            equal(
                [str(v) for v in values if isinstance(v, Exception)],
                [f"odd {i}" for i in range(1, n, 2)],
            )
            if n > 1:
                raises(ValueError, method(awaitable=True).get, text="odd")
            else:
                equal(method(awaitable=True).get(), None)
        equal(proxy.get_calls(ret=True).get(), [0] * n, "the elements live on")
    finish(40)


charm.start(main)
