# SPDX-License-Identifier: Apache-2.0
"""Methods that are C functions: what arrives, what is refused where it is given, native state that moves; functions of libraries,
of ctypes, numba and cffi.
"""

import ctypes
import os
import shutil
import warnings
from unittest.mock import Mock

import numpy as np

import c4py
from c4py import Array, Chare, Future, Group, Reducer, charm, coro, when
from c4py._chare import prepare_classes
from c4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numba
    from numba import types
except ImportError as error:
    numba, no_numba = None, error
try:
    import _cffi_backend  # all of cffi that is needed
except ImportError as error:
    _cffi_backend, no_cffi = None, error

LIBRARY = "libnative_kernels.so"
LAYOUT = "double x[10], int calls, int64_t self, double floats[3], int64_t whole[9], char text[32], ref other"
POINT = np.dtype([("id", "i4"), ("at", "f8", 2)], align=True)
library = ctypes.CDLL(LIBRARY)


def kernel(name, signature):
    return c4py.native(f"{LIBRARY}:{name}", signature)


def never(*args):
    raise AssertionError("the body of a native method ran")


class Cell(Chare):
    state = c4py.NativeState(LAYOUT)

    def __init__(self):
        assert not self.state["x"].any() and self.state["calls"] == 0, "zero at first"
        self.state["x"][:] = np.arange(10)
        self.late_calls = []

    @kernel("add", "double dt, int n, double x[n]")
    def add(self, dt, n, x):
        never()

    @kernel("place", "")
    def place(self):
        never()

    @kernel("scalars", "bool b, char c, int i, unsigned u, long l, uint8_t u8, int16_t i16, uint64_t u64, float f, double d")  # fmt: skip
    def scalars(self, b, c, i, u, l, u8, i16, u64, f, d):  # noqa: E741
        never()

    @kernel("few", "int8_t i8, float f, uint64_t u64, double d")
    def few(self, i8, f, u64, d):
        never()

    @kernel("note", "str text, int16_t numbers[3], bool flags[2], char word[2]")
    def note(self, text, numbers, flags, word):
        never()

    @kernel("point", "int n, {int id, double at[2]} points[n]")
    def point(self, n, points):
        never()

    @kernel("meet", "ref other")
    def meet(self, other):
        never()

    @kernel("bounce", "int left")
    def bounce(self, left):
        never()

    def finished(self):
        self.done(int(self.state["calls"]))

    def tell(self, done):
        self.done = done

    def value(self, name):
        value = self.state[name]
        return value.tolist() if isinstance(value, np.ndarray) else value.item()

    def is_in_place(self):
        return self.state["x"].ctypes.data == int(self.state["self"])

    @when("self.state['calls'] >= n")
    def late(self, n):
        self.late_calls.append(n)

    def lates(self):
        return self.late_calls

    def total(self, done):
        self.reduce(done, self.state["x"], Reducer.sum)

    def refuse_state(self):
        try:
            self.state = 5
        except AttributeError as error:
            return str(error)

    def refuse_call(self):
        try:
            self.place()
        except TypeError as error:
            return str(error)

    def keep_view(self, to):
        if to != charm.myPe():
            views.append((self.state["x"], self.state["x"].tolist()))

    def views_are_kept(self):
        return all(view.tolist() == values for view, values in views)


views = []  # of this rank


class Bare(Chare):
    def __init__(self, done):
        self.done = done

    @kernel("look", "")
    def look(self):
        never()

    def saw_something(self):
        self.done("something")

    def saw_nothing(self):
        self.done("nothing")


class Own(Chare):
    """With its own idea of how to be pickled, and a dtype of numpy's."""

    memory = c4py.NativeState(np.dtype([("x", "f8", 10), ("calls", "i4")], align=True))

    def __init__(self):
        self.text = "made"

    def __getstate__(self):
        return {"text": self.text + " and packed"}

    def __setstate__(self, state):
        self.text = state["text"]

    @c4py.native(library.add, "double dt, int n, double x[n]")
    def add(self, dt, n, x):
        never()

    def look(self):
        return self.text, self.memory["x"].tolist(), int(self.memory["calls"])


seen = []


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double)
def heard(rt, state, x):
    seen.append((bool(rt), state, x))


class Listener(Chare):
    @c4py.native(heard, "double x")
    def hear(self, x):
        never()

    def all_heard(self):
        return seen

    @c4py.native(ctypes.cast(heard, ctypes.c_void_p).value, "double x")
    def hear_by_address(self, x):
        never()


if numba:

    @numba.cfunc(types.void(types.voidptr, types.CPointer(types.float64), types.float64, types.intc,
                            types.CPointer(types.float64)))  # fmt: skip
    def scaled_sum(rt, state, scale, n, x):
        for i in range(n):
            state[0] += scale * x[i]

    class Compiled(Chare):
        sums = c4py.NativeState("double sum")

        @c4py.native(scaled_sum, "double scale, int n, double x[n]")
        def add(self, scale, n, x):
            never()

        def sum(self):
            return float(self.sums["sum"])


if _cffi_backend:

    class Foreign(Chare):
        state = c4py.NativeState(LAYOUT)

        @c4py.native(_cffi_backend.FFI().cast("void *", ctypes.cast(library.add, ctypes.c_void_p).value),
                     "double dt, int n, double x[n]")  # fmt: skip
        def add(self, dt, n, x):
            never()

        def x(self):
            return self.state["x"].tolist()


def value(cell, name):
    return cell.value(name, ret=True).get()


def arguments(cell):
    """Each sort of parameter arrives; of what is a number to Python, all kinds of numbers."""
    cell.add(0.5, 3, np.array([2.0, 4.0, 6.0]))
    equal(value(cell, "x"), [1.0, 3.0, 5.0, *map(float, range(3, 10))], "an array")
    cell.add(np.float32(1), np.int8(2), np.array([[1.0], [1.0]]))
    cell.add(1, 0, np.zeros(0))
    cell.add(True, 1, memoryview(b"\0\0\0\0\0\0\xf0\x3f").cast("d"))
    equal(value(cell, "x")[:3], [3.0, 4.0, 5.0], "other kinds of numbers, and an empty array")
    equal(value(cell, "calls"), 4, "calls")
    cell.scalars(True, 5, -(2**31), 2**32 - 1, -(2**63), 255, -(2**15), 2**63, 0.5, 1e300)
    equal(value(cell, "whole"), [1, 5, -(2**31), 2**32 - 1, -(2**63), 255, -(2**15), -(2**63), 0])
    equal(value(cell, "floats"), [0.5, 1e300, 0.0], "floating-point numbers")
    cell.scalars(u=1, b=0, c=2, d=3, f=float("inf"), i=4, i16=5, l=6, u64=7, u8=np.uint8(8))
    equal(value(cell, "whole")[:8], [0, 2, 4, 1, 6, 8, 5, 7], "by name")
    equal(value(cell, "floats")[:2], [float("inf"), 3.0], "by name")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy's truth values are no integers any more
        cell.scalars(np.float64(2) > 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    equal(value(cell, "whole")[:2], [1, 0], "a truth value of numpy")
    cell.few(-128, 0.25, 2**64 - 1, -0.0)
    equal(value(cell, "whole")[:2], [-128, -1], "in registers")
    equal(value(cell, "floats")[:2], [0.25, -0.0], "in registers")
    cell.note("ein Wört", np.array([1, -2, 3], np.int16), np.array([True, False]), b"ab")
    equal(value(cell, "whole")[:5], [1, -2, 3, 2, 97 * 256 + 98], "arrays of fixed length")
    text = bytes(c % 256 for c in value(cell, "text")).rstrip(b"\0")
    equal(text.decode(), "ein Wört", "a text")
    points = np.zeros(2, POINT)
    points[1] = (7, (1.5, 2.5))
    cell.point(2, points)
    equal((value(cell, "whole")[:2], value(cell, "floats")[0]), ([2, 7], 2.5), "structs")
    cell.place()
    check(cell.is_in_place(ret=True).get(), "state is the memory that the method gets")


def calls(cell, cells, group):
    """All ways to call."""
    before = value(cell, "calls")
    ones = np.ones(1)
    equal(cell.add(0.0, 1, ones, awaitable=True).get(), None, "awaited")
    equal(cell.add(0.0, 1, ones, ret=True).get(), None, "with a value, which is None")
    equal(cell.add(0.0, 1, ones, block=True), None, "blocking")
    cell.add(0.0, 1, ones, priority=-5)
    add = cell.add
    add(0.0, 1, ones)
    add(dt=0.0, n=1, x=ones)
    equal(value(cell, "calls") - before, 6, "calls")
    cells.add(0.0, 1, ones, awaitable=True).get()
    cells.add(0.0, 1, ones, ret=True).get()
    equal(value(cell, "calls") - before, 8, "broadcasts")
    half = charm.split(cells, 1, elems=[[(0,), (3,)]])[0]
    half.add(0.0, 1, ones, awaitable=True).get()
    equal((value(cells[0], "calls"), value(cells[1], "calls")), (before + 9, 2), "a section")
    group.add(1.0, 1, ones, awaitable=True).get()
    equal(
        [value(group[i], "x")[0] for i in range(charm.numPes())], [1.0] * charm.numPes(), "a group"
    )
    cell.late(before + 11)
    cell.late(before + 10)
    equal(cell.lates(ret=True).get(), [], "conditions do not hold yet")
    cell.add(0.0, 1, ones)
    cell.add(0.0, 1, ones)
    equal(cell.lates(ret=True).get(), [before + 10, before + 11], "@when sees what C has changed")


def refusals(cell, cells, group):
    """Where a call is made, before anything is sent."""
    before = value(cell, "calls")
    x = np.ones(3)
    raises(TypeError, cell.add, 0.5, 3, text="Cell.add() takes 3 arguments (double dt, int n, double x[n]), 2 were given")  # fmt: skip
    raises(TypeError, cell.place, 1, text="Cell.place() takes 0 arguments (), 1 was given")
    raises(AssertionError, cell.add, 0.5, n=3, text="the parameter 'x' got no value")
    raises(TypeError, cell.add, 0.5, 3, x, y=1, text="unexpected keyword argument 'y'")
    raises(TypeError, cell.add, "a", 3, x, text="Cell.add(): parameter 'dt' is of type double: it cannot be str")  # fmt: skip
    raises(
        TypeError, cell.add, 0.5, 3.0, x, text="parameter 'n' is of type int: it cannot be float"
    )
    raises(ValueError, cell.add, 0.5, 2**31, x, text="parameter 'n' is of type int: 2147483648 does not fit")  # fmt: skip
    raises(ValueError, cell.add, 0.5, 10**30, x, text="does not fit")
    raises(ValueError, cell.add, 10**400, 3, x, text="Cell.add(): parameter 'dt' is of type double: this number does not fit")  # fmt: skip
    raises(ValueError, cell.add, 0.5, -1, x, text="parameter 'n' is a length: it cannot be -1")
    raises(ValueError, cell.add, 0.5, 2, x, text='parameter \'x\' has 3 elements; by the signature, "double dt, int n, double x[n]", it must have 2')  # fmt: skip
    raises(TypeError, cell.add, 0.5, 3, x.astype("f4"), text="parameter 'x' is an array of double, not of float32")  # fmt: skip
    raises(TypeError, cell.add, 0.5, 3, x.astype(">f8"), text="not of >f8")
    raises(TypeError, cell.add, 0.5, 3, np.ones(3, "i8"), text="not of int64")
    raises(TypeError, cell.add, 0.5, 3, bytearray(24), text="not of format 'B'")
    raises(TypeError, cell.add, 0.5, 3, [1.0, 2.0, 3.0], text="parameter 'x' is an array of double: it takes a buffer, as of numpy, not list")  # fmt: skip
    raises(ValueError, cell.add, 0.5, 3, np.ones(6)[::2], text="numpy.ascontiguousarray()")
    raises(ValueError, cell.few, 128, 0, 0, 0, text="'i8' is of type signed char: 128 does not fit")
    raises(ValueError, cell.few, -129, 0, 0, 0, text="'i8'")
    raises(ValueError, cell.few, 0, 1e39, 0, 0, text="'f' is of type float: 1e+39 does not fit")
    raises(ValueError, cell.few, 0, 0, 2**64, 0, text="'u64'")
    raises(ValueError, cell.few, 0, 0, -1, 0, text="'u64'")
    flags, numbers = np.zeros(2, bool), np.zeros(3, np.int16)
    raises(TypeError, cell.note, b"x", numbers, flags, b"ab", text="'text' is a str: it cannot be bytes")  # fmt: skip
    raises(ValueError, cell.note, "a\0b", numbers, flags, b"ab", text="'text' has a NUL inside")
    raises(ValueError, cell.note, "\udc80", numbers, flags, b"ab")
    raises(TypeError, cell.note, "x", numbers, np.zeros(2, np.uint8), b"ab", text="'flags' is an array of bool, not of uint8")  # fmt: skip
    raises(ValueError, cell.note, "x", numbers, flags, b"abc", text="'word' has 3 elements")
    raises(ValueError, cell.point, 1, np.zeros(2, POINT), text="'points' has 2 elements")
    raises(TypeError, cell.point, 1, 5, text="'points' is a struct: it takes a buffer")
    raises(TypeError, cell.meet, cells, text="'other' is a ref: it takes the proxy of one element")
    raises(TypeError, cell.meet, 5, text="'other' is a ref")
    raises(TypeError, charm.startQD, cell.place, text="Cell.place is native: it cannot be a callback")  # fmt: skip
    one, other = charm.split(cells, 1, elems=[[(0,)]])[0], charm.split(group, 1, elems=[[0]])[0]
    mixed = charm.combine(one, other)
    raises(TypeError, mixed.place, text="members of several collections")
    text = cell.refuse_state(ret=True).get()
    check("state is native memory and stays" in text, text)
    text = cell.refuse_call(ret=True).get()
    check("Cell.place() is native: call it by a proxy" in text, text)
    equal(value(cell, "calls"), before, "nothing was sent")


def between(cells):
    """C calls C, on other ranks, too, and Python at the end."""
    done = Future()
    a, b = cells[0], cells[3]
    a.meet(b)
    b.meet(a)
    before = value(a, "calls"), value(b, "calls")
    a.tell(done)
    a.bounce(100)
    equal(done.get(), before[0] + 51, "called from C, C called Python")
    equal(value(b, "calls"), before[1] + 50)


def moves(cells):
    """Native state moves, with the attributes or without; views stay what they were."""
    cell, own = cells[1], Array(Own, 2)
    before = value(cell, "x")
    own[1].add(2.0, 2, np.array([1.0, 2.0]))
    for k in range(3):
        to = k % charm.numPes()
        cell.place()
        cell.keep_view(to, awaitable=True).get()
        cell.migrate(to, awaitable=True).get()
        own[1].migrate(to, awaitable=True).get()
        equal(value(cell, "x"), before, "native state moved")
        cell.add(1.0, 1, np.ones(1))
        before[0] += 1.0
        cell.place()
        check(cell.is_in_place(ret=True).get(), "a method gets the memory at the new place")
    text, x, count = own[1].look(ret=True).get()
    equal((x[:3], count), ([2.0, 4.0, 0.0], 1), "beside what __getstate__ gives")
    check(text.startswith("made"), text)
    kept = Group(Cell).views_are_kept(ret=True).get()
    check(all(kept), "a view outlives the chare")
    done = Future()
    cells.total(done)
    equal(done.get().shape, (10,), "contributed")


def functions():
    """Functions that have an address."""
    listeners = Group(Listener)
    listeners[0].hear(1.5)
    listeners[0].hear_by_address(2.5)
    equal(listeners[0].all_heard(ret=True).get(), [(True, None, 1.5), (True, None, 2.5)], "ctypes")
    done = Future()
    Group(Bare, args=[done])[charm.numPes() - 1].look()
    equal(done.get(), "nothing", "a class without native state gives NULL")
    if numba:
        one = Chare(Compiled, onPE=charm.numPes() - 1)
        one.add(2.0, 3, np.array([1.0, 2.0, 3.0]))
        one.add(1.0, 1, np.array([0.5]))
        equal(one.sum(ret=True).get(), 12.5, "numba")
        raises(TypeError, c4py.native, scaled_sum, "double scale", text='takes 5 parameters; by the signature, "double scale", it must take 3')  # fmt: skip
    else:
        print(f"skipped: numba: {no_numba}")
    if _cffi_backend:
        one = Chare(Foreign)
        one.add(2.0, 1, np.ones(1))
        equal(one.x(ret=True).get()[0], 2.0, "cffi")
    else:
        print(f"skipped: cffi: {no_cffi}")


def method(names):
    return eval(f"lambda self{names}: None")


def declarations():
    """What is wrong with a declaration, where it is made."""
    native, state = c4py.native, c4py.NativeState
    raises(ValueError, native, "lib:f", "int n, double x[m]", text='signature "int n, double x[m]", at "m]": there is no parameter of this name')  # fmt: skip
    raises(ValueError, native, "lib", "", text="'LIBRARY:FUNCTION' is wanted, not 'lib'")
    raises(ValueError, native, "lib:f", "ref others[3]", text="'others': Python has no arrays of references")  # fmt: skip
    raises(TypeError, native, 1.5, "", text="1.5 is no C function")
    raises(TypeError, native, len, "", text="is no C function")
    raises(ValueError, native, 0, "", text="0 is no address")
    library.place.argtypes = [ctypes.c_void_p]
    raises(TypeError, native, library.place, "", text="takes 1 parameters")
    raises(TypeError, native("lib:f", "int n"), method(", m"), text="def <lambda>(self, n)")
    raises(TypeError, native("lib:f", "int n"), method(", n=5"), text="must be declared")
    raises(TypeError, native("lib:f", ""), method(", *args"), text="must be declared")
    raises(TypeError, native("lib:f", ""), staticmethod(method("")), text="is for methods")
    raises(ValueError, state, "int n, double x[n]", text="'x': lengths in a native state are numbers")  # fmt: skip
    raises(ValueError, state, "str s", text="'s': a native state with a text")
    raises(ValueError, state, "", text="takes a signature or a dtype")
    raises(ValueError, state, np.float64, text="takes a signature or a dtype with named fields")
    raises(TypeError, state, np.dtype([("a", object)]), text="cannot hold Python objects")
    equal(state(LAYOUT).dtype.itemsize, 80 + 8 + 8 + 24 + 72 + 32 + 24, "laid out as in C")
    equal(state("char a, double b, bool c").dtype.itemsize, 24, "with gaps, as in C")


def define(**attributes):
    return type("Defined", (Chare,), attributes)


class ListsMore(type(Chare)):
    def __dir__(cls):
        return [*super().__dir__(), "__absent__", "absent"]


def registered():
    """What looks like a native method, or is not there, is none."""

    class Odd(Chare, metaclass=ListsMore):
        mock = Mock()
        __repr__ = Mock(return_value="odd")

    ((cls, _, specs, *_),) = prepare_classes([Odd], False)
    equal(cls, Odd)
    check("absent" not in [spec[0] for spec in specs])
    check(all(len(spec) < 7 for spec in specs))  # none is native


def registrations():
    """What is wrong with a class, when it is registered."""

    def refused(text, **attributes):
        raises(Charm4PyError, prepare_classes, [define(**attributes)], False, text=text)

    native = c4py.native
    for name in ("__init__", "__getstate__", "migrated", "regrouped"):
        refused(f"{name}() cannot be native, since no message calls it", **{name: native("lib:f", "")(method(""))})  # fmt: skip
    refused("method f of class Defined: no native function 'libnowhere.so:f': ", f=native("libnowhere.so:f", "")(method("")))  # fmt: skip
    refused("libnowhere.so does not exist; the loader says: ", f=native("libnowhere.so:f", "")(method("")))  # fmt: skip
    refused(f"{LIBRARY} has no function 'nothing'", f=native(f"{LIBRARY}:nothing", "")(method("")))
    refused("method f of class Defined is native: it cannot be a coroutine", f=coro(native(f"{LIBRARY}:add", "")(method(""))))  # fmt: skip
    refused(
        "is native: its condition must be, too",
        f=native(f"{LIBRARY}:add", "")(when("True")(method(""))),
    )
    refused("class Defined has several native states, a and b", a=c4py.NativeState("int n"), b=c4py.NativeState("int n"))  # fmt: skip
    # Beside the file of the program.
    here = os.path.abspath(f"rank{charm.myPe()}")
    os.makedirs(here, exist_ok=True)
    where = next(line.split()[-1] for line in open("/proc/self/maps") if LIBRARY in line)
    shutil.copy(where, os.path.join(here, "libbeside.so"))
    names = {"native": native}
    code = 'f = native("libbeside.so:place", "")(lambda self: None)'
    exec(compile(code, os.path.join(here, "program.py"), "exec"), names)
    ((_, _, specs, _, _),) = prepare_classes([define(f=names["f"])], False)
    function = next(spec[6][2] for spec in specs if spec[0] == "f")
    check(function.__name__ == "place", "found beside the program")
    with open(os.path.join(here, "libbroken.so"), "w") as file:
        file.write("no library")
    code = 'g = native("libbroken.so:place", "")(lambda self: None)'
    exec(compile(code, os.path.join(here, "program.py"), "exec"), names)
    refused("libbroken.so: ", g=names["g"])


def main(args):
    cells, group = Array(Cell, 4), Group(Cell)
    charm.awaitCreation(cells, group)
    arguments(cells[0])
    arguments(cells[3])
    calls(cells[0], cells, group)
    refusals(cells[3], cells, group)
    between(cells)
    moves(cells)
    functions()
    declarations()
    registered()
    registrations()
    finish(108)


charm.start(main)
