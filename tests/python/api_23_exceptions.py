# SPDX-License-Identifier: Apache-2.0
"""Exceptions across calls: type, text, traceback of the origin; broadcasts; those that cannot travel.

What ends the job (23: no future, constructors, exceptions raised again, SystemExit) is in errors/uncaught.py (method,
constructor_awaited, origin, origin_chain) and errors/exits.py.
"""

import sys

from charm4py import *
from charm4py.charm import Charm4PyError
from charm4py.threads import NotThreadedError
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


class BadText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class NoAttributes(Exception):
    def __setattr__(self, name, value):
        raise RuntimeError("no attributes")


class Opaque:
    """Goes out, but does not come in."""

    def __reduce__(self):
        return (int, ("not a number",))


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

    @coro
    def fail_first(self, first):
        """The first one fails at once, the others take their time."""
        if self.thisIndex in (first, (first,)):
            raise ValueError("the first")
        for _ in range(5):
            charm.sleep(0.001)
        self.calls += 1

    def returns_exception(self):
        return KeyError("returned, not raised")

    def returns_unpicklable(self):
        return (i for i in range(3))

    @coro
    def relay_from(self, peer):
        """The failure of another chare is the cause of its own."""
        try:
            peer.fail("chained", ret=True).get()
        except RuntimeError as error:
            raise LookupError("the relay fails") from error

    @coro
    def relay_while_handling(self, peer):
        try:
            peer.relay_from(peer, ret=True).get()
        except LookupError:
            raise IndexError("the handler fails")  # noqa: B904

    @coro
    def relay_hidden(self, peer):
        try:
            peer.fail(ret=True).get()
        except ValueError:
            raise IndexError("alone") from None

    @staticmethod
    def fail_static():
        raise ValueError("static")

    async def fail_async(self):
        await charm.sleep(0)
        raise ValueError("async")

    @when("x == 1")
    def fail_when(self, x):
        raise ValueError("when")

    def fail_oddly(self, kind):
        if kind == "unknown class":
            raise sys.modules["__main__"].OnlyThere("not known elsewhere")
        if kind == "argument":
            raise ValueError("with an argument", (i for i in range(3)))
        if kind == "argument that does not come in":
            raise ValueError("with an argument", Opaque())
        if kind == "local class":

            class OfFunction(Exception):
                pass

            raise OfFunction("a class of a function")
        if kind == "no text":
            raise BadText()
        if kind == "no attributes":
            raise NoAttributes("none may be set")
        if kind == "syntax":
            exec("x = = 1")
        if kind == "note":
            error = ValueError("noted")
            error.__notes__ = ["a note"]
            raise error
        if kind == "file":
            open("/no/such/file")
        if kind == "stop":
            raise StopIteration(5)
        if kind == "message":
            raise Charm4PyError("a message")
        if kind == "wait":
            Future().get()

    def returns(self, kind):
        return {"part": [1, (i for i in range(3))]} if kind == "part" else Opaque()

    def get_calls(self):
        return self.calls

    def attribute(self, name):
        return getattr(self, name)


def single_calls(last):
    """23: a call of one object"""
    for pe in {0, last}:
        c, peer = Chare(Local, onPE=pe), Chare(Local, onPE=0)
        for flags in ({"ret": True}, {"awaitable": True}):
            error = raises(ValueError, c.fail(**flags).get, text="a plain value")
            equal(error.remote_stacktrace[0], pe, "rank of origin")
            check("raise ValueError" in error.remote_stacktrace[1], "traceback of the origin")
            check("in fail" in error.remote_stacktrace[1], "names the method")
            rank, text = error.remote_stacktrace
            equal((rank, text), error.remote_stacktrace, "a pair like any other")
            equal((type(rank), len(error.remote_stacktrace)), (int, 2), "23: (pe, text)")
            check("_c4py" not in text and "c4py/_" not in text, "the program's frames only")
            check("ValueError: a plain value" in error.remote_stacktrace[1])
        f = c.fail(ret=True)
        raises(ValueError, f.get)
        raises(ValueError, f.get)
        error = raises(Custom, c.fail("custom", ret=True).get)
        equal(error.code, 7, "attributes of an exception")
        # 23, 33.19b: those that cannot be pickled
        for kind, name, said, why in (
            ("loses", "LosesItself", "needs two arguments", "missing 1 required"),
            ("handle", "HasHandle", "holds a generator", "cannot pickle 'generator'"),
        ):
            error = raises(Charm4PyError, c.fail(kind, ret=True).get, text=f"{name}: {said}")
            for text in (f"raised on rank {pe}", why, f"raise {name}", "__reduce__"):
                check(text in error.message, f"23: {text} in {error.message}")
            check(f"raise {name}" in error.remote_stacktrace[1], "23: where")
            equal(error.remote_stacktrace[0], pe)
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


def odd_exceptions(last):
    """Whatever an exception is like, the caller gets something that it can read."""
    c = Chare(Local, onPE=last)
    charm.thisProxy[last].exec("class OnlyThere(Exception): pass", awaitable=True).get()
    for kind, cls, text in (
        ("unknown class", Charm4PyError if last else Exception, "not known elsewhere"),
        ("argument", Charm4PyError, "ValueError: ('with an argument'"),
        ("argument that does not come in", Charm4PyError, "invalid literal for int()"),
        ("local class", Exception, "a class of a function"),
        ("no attributes", Exception, "none may be set"),
        ("syntax", SyntaxError, "invalid syntax"),
        ("note", ValueError, "noted"),
        ("file", FileNotFoundError, "/no/such/file"),
        ("stop", StopIteration, "5"),
        ("message", Charm4PyError, "a message"),
        ("wait", NotThreadedError, "@coro"),
    ):
        error = raises(cls, c.fail_oddly(kind, ret=True).get, text=text)
        if kind != "no attributes":
            check("in fail_oddly" in error.remote_stacktrace[1], f"23: where, {kind}")
        if kind == "local class":
            equal(type(error).__name__, "OfFunction", "23: by value")
        if kind == "note":
            check("a note" in error.remote_stacktrace[1] and error.__notes__ == ["a note"], "notes")
        if kind == "message":
            equal(error.message, "a message", "23: Charm4PyError.message")
    try:
        c.fail_oddly("no text", ret=True).get()
    except BadText as error:
        check("raise BadText" in error.remote_stacktrace[1], "23: an exception without text")
    equal(Charm4PyError("x").message, "x", "23: message")
    equal((str(Charm4PyError()), Charm4PyError().message), ("", ""))


def chains(last):
    """Remote tracebacks keep causes, what was handled meanwhile, and lines of source, over several ranks."""
    c, peer = Chare(Local, onPE=last), Chare(Local, onPE=0)
    error = raises(LookupError, c.relay_from(peer, ret=True).get, text="the relay fails")
    text = error.remote_stacktrace[1]
    parts = (
        '{}["missing"]',
        "KeyError: 'missing'",
        "direct cause",
        'raise RuntimeError("outer") from cause',
        "RuntimeError: outer",
        "which came from rank 0",
        'peer.fail("chained", ret=True).get()',
        "direct cause",
        'raise LookupError("the relay fails") from error',
        "LookupError: the relay fails",
    )
    in_order(text, parts)
    error = raises(IndexError, peer.relay_while_handling(c, ret=True).get)
    text = error.remote_stacktrace[1]
    in_order(
        text, (*parts[:3], "RuntimeError: outer", "LookupError", "During handling", "IndexError")
    )
    error = raises(IndexError, c.relay_hidden(peer, ret=True).get, text="alone")
    check("ValueError" not in error.remote_stacktrace[1], "from None hides the cause")
    try:
        try:
            c.fail(ret=True).get()
        except ValueError as cause:
            raise LookupError("in main") from cause
    except LookupError as error:
        equal(error.__cause__.remote_stacktrace[0], last, "the cause is the exception that came")


def in_order(text, parts):
    at = 0
    for part in parts:
        found = text.find(part, at)
        check(found >= 0, f"{part!r} is missing, or not after what comes before it, in:\n{text}")
        at = max(at, found)


def other_methods(last):
    """23: whatever kind of method it is"""
    c = Chare(Local, onPE=last)
    raises(ValueError, c.fail_static(ret=True).get, text="static")
    raises(ValueError, c.fail_async(ret=True).get, text="async")
    raises(ValueError, c.fail_when(1, ret=True).get, text="when")
    error = raises(TypeError, c.fail("a", "b", ret=True).get, text="fail()")
    equal(error.remote_stacktrace[0], last, "23: wrong arguments are the callee's error")
    element = Array(Local, 3)[1]
    error = raises(Charm4PyError, element.returns("part", ret=True).get)
    for text in ("Local(1).returns on rank", "dict", "['part'][1]", "'generator'", "send a list"):
        check(text in error.message, f"23: {text} in {error.message}")
    raises(
        Charm4PyError if last == 0 else ValueError, c.returns("opaque", ret=True).get, text="int()"
    )
    raises(
        ValueError, c.attribute(Opaque(), ret=True).get if last else lambda: c.attribute(Opaque())
    )
    equal(c.fail("none", ret=True).get(), "fine", "23: the object stays usable")


def many_members(proxies):
    """23: broadcasts to groups, arrays, sections"""
    for proxy in proxies:
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
            for value in values:
                if not isinstance(value, int):
                    check("in fail_if_odd" in value.remote_stacktrace[1], "23: with its traceback")
            if n > 1:
                error = raises(ValueError, method(awaitable=True).get, text="odd")
                check("in fail_if_odd" in error.remote_stacktrace[1], "23: with its traceback")
            else:
                equal(method(awaitable=True).get(), None)
        raises(ValueError, proxy.fail_first(0, awaitable=True).get, text="the first")
        equal(sum(proxy.get_calls(ret=True).get()), n - 1, "23: raised when all have finished")
        values = proxy.fail("value", ret=True).get()
        equal([type(v) for v in values], [ValueError] * n, "23: never raises with ret")
        values = proxy.returns("part", ret=True).get()
        equal([type(v) for v in values], [Charm4PyError] * n, "23: results that cannot travel")
        values = proxy.returns("opaque", ret=True).get()
        equal([isinstance(v, Exception) for v in values], [True] * n, "23: nor come in")
        raises(ValueError, proxy.fail("value", awaitable=True).get, text="a plain value")
        equal(proxy.get_calls(ret=True).get(), [2, *[3] * (n - 1)], "23: they live on")


def main(args):
    last = charm.numPes() - 1
    single_calls(last)
    odd_exceptions(last)
    chains(last)
    other_methods(last)
    array = Array(Local, 7)
    part = charm.split(array, 1, elems=[[(i,) for i in range(5)]])[0]
    many_members((Group(Local), array))
    many_members((charm.combine(Group(Local)), Group(Local)[0 : last + 1]))
    equal(
        [type(v).__name__ for v in part.fail_if_odd(ret=True).get()],
        ["int", "ValueError", "int", "ValueError", "int"],
        "23: part of an array",
    )
    finish(150)


charm.options.remote_exec = True


charm.start(main)
