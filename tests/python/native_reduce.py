# SPDX-License-Identifier: Apache-2.0
"""Reducers that are C functions: of numbers and structs, contributed from Python and from C, alone and in tuples; what is refused.

With an argument: two members contribute arrays of different lengths ("lengths").
"""

import ctypes

import numpy as np

import c4py
from c4py import Array, Chare, Future, Group, Reducer, charm
from c4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numba
    from numba import types
except ImportError as error:
    numba, no_numba = None, error

LIBRARY = "libnative_kernels.so"
SPAN = np.dtype([("lowest", "f8"), ("highest", "f8"), ("count", "i8")], align=True)
library = ctypes.CDLL(LIBRARY)

Reducer.addNative("span", f"{LIBRARY}:merge", "double lowest, double highest, int64_t count")
Reducer.addNative("larger", library.larger, np.int32)
Reducer.addNative("larger_unsigned", library.larger, np.uint32)
Reducer.addNative("refused_float", library.larger, np.float32)
Reducer.addNative("nested", library.keep, "int8_t x[2], int n, double d")
Reducer.addNative("named", library.keep, np.dtype([("name", "S3"), ("n", "i4")]))

if numba:

    @numba.cfunc(
        types.void(types.CPointer(types.float64), types.CPointer(types.float64), types.uintp)
    )
    def hypot(into, more, n):
        for i in range(n):
            into[i] = (into[i] ** 2 + more[i] ** 2) ** 0.5

    Reducer.addNative("hypot", hypot, np.float64)


class Part(Chare):
    span = c4py.NativeState("double lowest, double highest, int64_t count")

    def give(self, kind, done):
        i = self.thisIndex[0]
        data, reducer = GIVEN[kind](i)
        self.reduce(done, data, reducer)

    def give_state(self, done):
        i = self.thisIndex[0]
        self.span["lowest"], self.span["highest"], self.span["count"] = i, 10 * i, 1
        self.reduce(done, self.span, Reducer.span)

    @c4py.native(f"{LIBRARY}:give", "int n, int32_t values[n]")
    def give_in_c(self, n, values): ...

    def give_in_python(self, values):
        self.reduce(self.thisProxy[0].taken, values, Reducer.larger)

    def taken(self, result):
        self.result = result

    def result_is(self):
        return self.result

    async def everywhere(self, done):
        i = self.thisIndex[0]
        result = await self.allreduce(np.array([i, -2 * i], np.int32), Reducer.larger)
        self.reduce(done, result.tolist(), Reducer.gather)


def span(i):
    return (float(-i), float(i), 1)


GIVEN = {
    "record": lambda i: (np.array(span(i), SPAN), Reducer.span),
    "tuple": lambda i: (span(i), Reducer.span),
    "records": lambda i: (np.array([[span(i), span(2 * i)]] * 3, SPAN), Reducer.span),
    "list": lambda i: ([span(i), span(i + 1)], Reducer.span),
    "number": lambda i: (i * (-1) ** i, Reducer.larger),
    "unsigned": lambda i: (i + 1, Reducer.larger_unsigned),
    "array": lambda i: (np.array([[i, -i], [1, 5 - i]], np.int32), Reducer.larger),
    "strided": lambda i: (np.arange(6, dtype=np.int32)[::2] * i, Reducer.larger),
    "transposed": lambda i: (np.array([[i, 2], [3, 4]], np.int32).T, Reducer.larger),
    "smaller dtype": lambda i: (np.array([i, -1], np.int8), Reducer.larger),
    "text": lambda i: (("ab", 3), Reducer.named),
    "text with its end": lambda i: (("ab\0\0\0", 3), Reducer.named),
    "range": lambda i: ((range(6, 8), 3, 0.5), Reducer.nested),
    "bytes": lambda i: ((bytearray([6, 7]), 3, 0.5), Reducer.nested),
    "both": lambda i: ((span(i), i, i * 1.5), Reducer.tuple(Reducer.span, Reducer.larger, Reducer.sum)),
    "numba": lambda i: (np.array([3.0, 4.0]) if i == 0 else np.array([4.0, 3.0]) if i == 1 else np.zeros(2), Reducer.hypot),
}  # fmt: skip
WRONG = {
    "text": (TypeError, "word", Reducer.larger, "larger combines elements of int32"),
    "float": (TypeError, 1.5, Reducer.larger, "larger combines elements of int32, not of float64"),
    "large": (ValueError, 2**31, Reducer.larger, "2147483648 does not fit"),
    "negative": (ValueError, -1, Reducer.larger_unsigned, "-1 does not fit"),
    "infinite": (ValueError, 1e300, Reducer.refused_float, "1e+300 does not fit"),
    "empty": (ValueError, np.zeros(0, np.int32), Reducer.larger, "arrays without elements"),
    "fields": (TypeError, np.zeros(2), Reducer.span, "the reducer span combines elements of"),
    "other record": (TypeError, np.zeros(1, [("a", "f8")]), Reducer.span, "not of"),
    "wrapped": (ValueError, (1.0, 2.0, 2**70), Reducer.span, "the reducer span takes elements of"),
    "cut": (
        ValueError,
        [(1.0, 2.0, 1), (1.0, 2.0, 1.5)],
        Reducer.span,
        "(1.0, 2.0, 1.5)] does not fit",
    ),
    "wrapped array": (ValueError, ([300, 2], 3, 0.5), Reducer.nested, "does not fit"),
    "cut array": (ValueError, ([1, 2.5], 3, 0.5), Reducer.nested, "does not fit"),
    "repeated": (ValueError, (5, 3, 0.5), Reducer.nested, "does not fit"),
    "nothing": (ValueError, ([1, 2], 3, None), Reducer.nested, "does not fit"),
    "text for a number": (ValueError, ([1, 2], "3", 0.5), Reducer.nested, "does not fit"),
    "cut text": (ValueError, (b"four", 1), Reducer.named, "does not fit"),
    "short": (ValueError, (1.0, 2.0), Reducer.span, "the reducer span takes elements of"),
}


class Wrong(Chare):
    def give(self, name, done):
        kind, data, reducer, text = WRONG[name]
        raises(kind, self.reduce, done, data, reducer, text=text)
        self.reduce(done)

    def late(self, done):
        add = Reducer.addNative
        raises(Charm4PyError, add, "late", library.larger, np.int32, text="the native reducer 'late' comes too late")  # fmt: skip
        raises(Charm4PyError, add, "span", library.larger, np.int32, text="there is a reducer called 'span' already")  # fmt: skip
        raises(TypeError, add, "a b", library.larger, np.int32, text="'a b' is no name")
        raises(TypeError, add, "x", 1.5, np.int32, text="1.5 is no C function")
        raises(TypeError, add, "x", library.larger, object, text="elements of plain memory")
        raises(
            TypeError, add, "x", library.larger, np.dtype(("f8", (3,))), text="numbers or records"
        )
        raises(ValueError, add, "x", library.larger, "double", text='signature "double"')
        raises(Charm4PyError, add, "x", f"{LIBRARY}:nothing", np.int32, text="has no function 'nothing'")  # fmt: skip
        check(not hasattr(Reducer, "x") and not hasattr(Reducer, "late"))
        done()


def result(proxy, method, *args):
    done = Future()
    getattr(proxy, method)(*args, done)
    return done.get()


def contributions(parts, n):
    """Results as of the same operation in Python."""
    last = n - 1
    for kind in ("record", "tuple"):
        got = result(parts, "give", kind)
        equal((type(got), got.item()), (np.void, (-last, last, n)), kind)
    got = result(parts, "give", "records")
    equal((got.shape, got[2, 1].item()), ((3, 2), (-2 * last, 2 * last, n)), "records")
    equal(result(parts, "give", "list").tolist(), [(-last, last, n), (-n, n, n)], "a list")
    equal(result(parts, "give_state"), np.array((0, 10 * last, n), SPAN), "the native state")
    equal(result(parts, "give", "number"), last * (-1) ** last, "a number for a number")
    equal(result(parts, "give", "unsigned"), n, "a number for an unsigned one")
    got = result(parts, "give", "array")
    equal((got.dtype, abs(got).tolist()), (np.int32, [[last, last], [1, max(5, last - 5)]]), "array")  # fmt: skip
    equal(result(parts, "give", "strided").tolist(), [0, 2 * last, 4 * last], "strided")
    equal(result(parts, "give", "transposed").tolist(), [[last, 3], [2, 4]], "transposed")
    equal(abs(result(parts, "give", "smaller dtype")).tolist(), [last, 1], "a smaller dtype")
    for kind in ("text", "text with its end"):
        equal(result(parts, "give", kind).item(), (b"ab", 3), kind)
    for kind in ("range", "bytes"):
        got = result(parts, "give", kind)
        equal((got["x"].tolist(), got["n"], got["d"]), ([6, 7], 3, 0.5), kind)
    one, two, three = result(parts, "give", "both")
    equal((one.item(), two, three), ((-last, last, n), last, 1.5 * n * last / 2), "in a tuple")
    if numba:
        equal(result(parts, "give", "numba").tolist(), [5.0, 5.0], "numba")
    else:
        print(f"skipped: numba: {no_numba}")
    equal(result(parts, "everywhere"), [[last, -2 * last]] * n, "allreduce")


def from_c(parts, n):
    """Python and C contribute to one reduction; the result is that of Python, or flat."""
    for i in range(n):
        if i % 2:
            parts[i].give_in_c(2, np.array([-i, 1], np.int32))
        else:
            parts[i].give_in_python(np.array([i, 1], np.int32))
    charm.waitQD()
    got = parts[0].result_is(ret=True).get()
    equal(abs(got).tolist(), [n - 1, 1], "Python and C")
    for i in range(n):
        parts[i].give_in_c(2, np.array([i, -i], np.int32))
    charm.waitQD()
    equal(parts[0].result_is(ret=True).get().tolist(), [n - 1, 1 - n], "C alone")
    for i in range(n):
        parts[i].give_in_c(1, np.array([i], np.int32))
    charm.waitQD()
    equal(parts[0].result_is(ret=True).get(), n - 1, "one number from C")


def main(args):
    if args[1:] == ["lengths"]:
        parts = Array(Part, 2)
        parts[0].give_in_python(np.ones(3, np.int32))
        parts[1].give_in_python(np.ones(2, np.int32))
        return
    n = 11
    parts = Array(Part, n)
    contributions(parts, n)
    from_c(parts, n)
    wrong = Group(Wrong)
    for name in WRONG:
        result(wrong, "give", name)
    result(wrong[0], "late")
    finish(32)


charm.start(main)
