# SPDX-License-Identifier: Apache-2.0
"""Values as arguments: what arrives equals what was sent, in type, contents and independence of the original."""

import array
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import random
import struct
import sys
import uuid

import c4py._c4py as c
from c4py import charm
from checks import check, finish, raises

try:
    import numpy as np
except ImportError:
    np = None


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Celsius(float):
    pass


class Names(list):
    pass


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Node:
    name: str
    children: list


class Slots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, [2]

    def __eq__(self, other):
        return type(other) is Slots and (self.a, self.b) == (other.a, other.b)


def function(x):
    return x + 1


def same(a, b):
    """Equal, of the same type, all the way down; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if type(a) in (list, tuple, Names, Point):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) in (dict, collections.OrderedDict, collections.defaultdict):
        return list(a) == list(b) and all(same(x, y) for x, y in zip(a.values(), b.values()))
    if np is not None and isinstance(a, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return a.tobytes() == b.tobytes() if not a.dtype.hasobject else same(a.tolist(), b.tolist())
    return a == b


def text(value):
    shown = repr(value)
    return shown if len(shown) < 60 else shown[:57] + "..."


def both_ways(value):
    check(same(value, c._codec_roundtrip(value)), f"remote: {text(value)}")
    check(same(value, c._codec_capture(value)), f"local: {text(value)}")
    data = c._codec_encode(value)
    check(same(value, c._codec_decode(data)), f"bytes: {text(value)}")


def plain_values():
    yield from (
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31,
        -(2**31),
        2**63 - 1,
        -(2**63),
        2**63,
        -(2**63) - 1,
        10**300,
    )
    yield from (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, sys.float_info.max)
    yield from (0j, 1 - 2j, complex(math.nan, -0.0))
    yield from (
        "",
        "a",
        "hello",
        "\0",
        "é",
        "ÿ" * 255,
        "€",
        "𝄞",
        "\ud800",
        "x" * 254,
        "x" * 255,
        "x" * 100_000,
    )
    yield from ("é" * 2000, "€" * 2000, "𝄞" * 2000, "a\ud800b")
    yield from (b"", b"\0", bytes(range(256)), b"x" * 1023, b"x" * 1024, b"x" * 100_000)
    yield from (bytearray(), bytearray(b"abc"), bytearray(b"y" * 5000))
    yield from (
        (),
        (1,),
        (1, (2, (3, ()))),
        [],
        [1, "a", None],
        [[]],
        {},
        {"a": 1, 2: [3], None: (4,)},
    )
    yield from (set(), {1, "a", (2, 3)}, frozenset(), frozenset({1, 2}), {frozenset({1}), 2})
    yield list(range(1000))
    yield {i: str(i) for i in range(1000)}
    yield {"nested": [{"deep": ({"er": [1.0, {2, 3}]},)}]}


def class_values():
    yield from (
        Point(1, [2]),
        Colour.RED,
        Level.LOW,
        Celsius(3.5),
        Names([1, 2]),
        Slots(),
        Node("a", [Node("b", [])]),
    )
    yield from (
        collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list, {1: [2]}),
        collections.Counter("hello"),
    )
    yield collections.deque([1, 2, 3], maxlen=5)
    yield from (
        datetime.datetime(2024, 2, 29, 12, 30),
        datetime.timedelta(days=1),
        decimal.Decimal("1.10"),
    )
    yield from (
        fractions.Fraction(1, 3),
        pathlib.PurePosixPath("/a/b"),
        uuid.UUID(int=5),
        range(3, 9, 2),
        slice(1, None),
    )
    yield from (Ellipsis, NotImplemented, int, Node, function, len, math.sin, [].__class__)
    yield from (
        [Point(1, 2), Colour.BLUE],
        {"when": datetime.date(2024, 1, 1)},
        (Celsius(1.0), 2**70, [10**20]),
    )
    for code in "bBuhHiIlLqQfd":
        items = ["a", "b"] if code == "u" else [1, 2, 3]
        yield array.array(code, items)
    yield from (array.array("d"), array.array("i", range(10_000)), [array.array("h", [5])])


def test_plain():
    for value in plain_values():
        both_ways(value)
    for value in class_values():
        both_ways(value)


# ---- sharing, cycles, depth ---------------------------------------------------------------------


def test_sharing():
    for send in (c._codec_roundtrip, c._codec_capture):
        inner = [1]
        a, b = send([inner, inner])
        check(a is b and a == [1], "one list twice stays one list")
        d = send({"x": inner, "y": (inner,)})
        check(d["x"] is d["y"][0], "also through a tuple in a dict")
        loop = [1]
        loop.append(loop)
        got = send(loop)
        check(got[1] is got and got is not loop, "a list that holds itself")
        parent = Node("p", [])
        parent.children.append(parent)
        got = send(parent)
        check(got.children[0] is got, "an object that holds itself")
        deep = shallow = []
        for _ in range(200):
            deep.append([])
            deep = deep[0]
        check(send(shallow) == shallow, "nested 200 deep")
        graph = [0]
        for _ in range(60):
            graph = [graph, graph]
        got = send(graph)
        check(got[0] is got[1], "2**60 paths through 60 lists")
        rows = [[i] for i in range(100)]
        got = send({"rows": rows, "first": rows[0]})
        check(got["first"] is got["rows"][0], "one of a hundred shared")
        letters = "x" * 2000
        check(send([letters] * 500) == [letters] * 500, "a long text many times")
    check(
        len(c._codec_encode([letters] * 500)) < 20_000, "a text that occurs many times is sent once"
    )
    check(len(c._codec_encode([(1, 2)] * 50)) < 2000, "small tuples that occur many times")


def test_independence():
    for send in (c._codec_roundtrip, c._codec_capture):
        for value in (
            [1, [2]],
            {"a": [1]},
            {1, 2},
            bytearray(b"ab"),
            array.array("i", [1, 2]),
            Node("n", [1]),
            ([1],),
        ):
            before = copy.deepcopy(value)
            got = send(value)
            inner = got[0] if isinstance(got, tuple) else got
            if isinstance(inner, (list, bytearray, array.array)):
                inner[0] = 7
            elif isinstance(inner, dict):
                inner["a"][0] = 7
            elif isinstance(inner, set):
                inner.add(7)
            else:
                inner.children[0] = 7
            check(same(value, before), f"a receiver that changes {text(value)} changes its own")
    for value in (
        None,
        5,
        2**80,
        "text",
        b"bytes",
        (1, "a", (2.0,)),
        Node,
        function,
        frozenset({1}),
    ):
        check(c._codec_capture(value) is value, f"{text(value)} goes by reference on the same rank")


# ---- numpy --------------------------------------------------------------------------------------


def dtypes():
    yield from "? b B h H i I l L q Q e f d g F D G".split()
    yield from (">f8", ">i4", "<i2", "S5", "U3", ">U3", "M8[ns]", "m8[D]", ">M8[s]", "V4")
    yield from ([("a", "i4"), ("b", ">f8", (2,))], [("name", "U10"), ("pos", "f4", 3)])
    yield np.dtype(
        {"names": ["x", "y"], "formats": ["i2", "f8"], "offsets": [4, 16], "itemsize": 32}
    )
    yield np.dtype("i1,f8", align=True)


def arrays():
    base = np.arange(24.0).reshape(4, 6)
    yield from (
        base,
        base.T,
        base[::2, ::-1],
        base[:, 1],
        base[1:1],
        np.asfortranarray(base),
        base[..., None],
    )
    yield from (
        np.array(3.5),
        np.array([]),
        np.zeros((0, 3)),
        np.zeros((3, 0, 2)),
        np.broadcast_to(np.int16(4), (3, 4)),
    )
    big = np.arange(10_000.0).reshape(100, 100)
    yield from (
        big,
        big.T,
        big[::-1, 5:50:3],
        np.asfortranarray(big),
        big.reshape(10, 10, 10, 10)[:, 3, :, ::2],
    )
    yield np.ones((1,) * 32)
    yield from (np.zeros(127), np.zeros(128), np.zeros(1024, "u1"), np.zeros(1023, "u1"))
    for dtype in dtypes():
        for count in (3, 1000):
            raw = np.frombuffer(
                random.Random(count).randbytes(count * np.dtype(dtype).itemsize), "u1"
            ).copy()
            if np.dtype(dtype).kind in "?UfFcg":
                yield (
                    np.ones(count, dtype)
                    if np.dtype(dtype).kind != "U"
                    else np.full(count, "aé", dtype)
                )
            else:
                yield raw.view(dtype)
    yield np.array([1, "a", None, [2]], dtype=object)
    yield np.array([(1, [2])], dtype=[("n", "i4"), ("o", object)])


def test_arrays():
    for a in arrays():
        for send in (
            c._codec_roundtrip,
            c._codec_capture,
            lambda v: c._codec_decode(c._codec_encode(v)),
        ):
            b = send(a)
            where = f"{a.dtype} {a.shape} {a.strides}"
            check(type(b) is np.ndarray, f"type of {where}")
            check(same(np.ascontiguousarray(a).reshape(a.shape), b), f"items of {where}")
            check(
                b.flags.writeable and b.flags.c_contiguous and b.flags.aligned, f"flags of {where}"
            )
            check(b is not a and not np.shares_memory(a, b), f"memory of {where}")
            check(b.dtype == a.dtype and b.dtype.isnative == a.dtype.isnative, f"dtype of {where}")
    nested = {"a": np.arange(5), "b": [np.ones((200, 3)), (np.float32(2), np.int8(-1))]}
    for send in (c._codec_roundtrip, c._codec_capture):
        got = send(nested)
        check(
            same(nested["a"], got["a"]) and same(nested["b"][0], got["b"][0]),
            "arrays in containers",
        )
        check(same(got["b"][1], nested["b"][1]), "scalars in containers")
        twice = np.arange(500.0)
        x, y = send([twice, twice])
        check(x is y, "one array twice stays one")
        for kind in (
            np.matrix([[1, 2], [3, 4]]),
            np.ma.masked_array([1, 2, 3], [0, 1, 0]),
            np.rec.array([(1, 2.0)]),
        ):
            got = send(kind)
            check(
                type(got) is type(kind) and got.dtype == kind.dtype,
                f"subclass {type(kind).__name__}",
            )
            check(np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(kind)), "mask")
            check(
                np.array_equal(np.ma.getdata(got), np.ma.getdata(kind)),
                f"items of {type(kind).__name__}",
            )
    large = c._codec_roundtrip(np.arange(100_000.0))
    part = large[10:20]
    del large
    others = [np.full(100_000, -1.0) for _ in range(20)]
    check(part.tolist() == [float(i) for i in range(10, 20)], "a slice keeps the received memory")
    check(len(others) == 20)


def test_scalars():
    for dtype in "? b B h H i I l L q Q e f d g F D G".split():
        value = np.dtype(dtype).type(1)
        for send in (c._codec_roundtrip, c._codec_capture):
            got = send(value)
            check(type(got) is type(value) and got == value, f"scalar {value.dtype}")
    record = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0]
    for value in (
        np.datetime64("2024-02-29"),
        np.timedelta64(5, "D"),
        np.str_("é"),
        np.bytes_(b"a"),
        np.float64("nan"),
        record,
    ):
        got = c._codec_roundtrip(value)
        check(
            type(got) is type(value)
            and got.dtype == value.dtype
            and got.tobytes() == value.tobytes(),
            f"{value!r}",
        )
    got = c._codec_capture(record)
    got["a"] = 9
    check(record["a"] == 1, "a record is copied, it can be changed")


# ---- refusals and damage ------------------------------------------------------------------------


class Refuses:
    def __reduce__(self):
        raise KeyError("not me")


def test_by_value():
    offset = 10

    class Local:
        value = 5

    check(c._codec_roundtrip(lambda x: x + offset)(1) == 11, "a lambda")
    check(c._codec_roundtrip([lambda x: x, 3])[1] == 3, "a lambda in a list")
    check(c._codec_roundtrip(Local).value == 5, "a class defined in a function")
    check(c._codec_roundtrip(Local()).value == 5, "and its object")
    check(c._codec_roundtrip(function) is function, "a function of the program, by its name")


def test_refused():
    import threading

    for send in (c._codec_roundtrip, c._codec_capture, c._codec_encode):
        raises(TypeError, send, threading.Lock(), text="cannot pickle")
        raises(TypeError, send, (i for i in range(3)), text="generator")
        raises(KeyError, send, Refuses(), text="not me")
        raises(TypeError, send, [1, {"k": [threading.Lock()]}])
    problem = raises(
        TypeError,
        c._codec_roundtrip,
        {"job": Node("n", [1, threading.Lock()])},
        text="['job'].children[1]",
    )
    check(
        "argument 1" in str(problem) and "type dict" in str(problem),
        f"which argument, its type: {problem}",
    )
    check(isinstance(problem.__cause__, TypeError), "the original is the cause")
    deep = Node("x", [])
    for _ in range(100_000):
        deep = Node("x", [deep])
    raises(RecursionError, c._codec_roundtrip, deep)
    while deep.children:
        deep = deep.children.pop()
    check(c._codec_roundtrip([1]) == [1], "after all that the next value is fine")


def test_damage():
    rng = random.Random(7)
    values = [v for v in plain_values() if len(repr(v)) < 3000]
    if np is not None:
        values += [np.arange(10), np.arange(300.0), np.float64(1), np.zeros(3, "S3")]
    values += [array.array("d", [1, 2]), [1, (2, {3: "x"})]]
    refused = 0
    for value in values:
        data = c._codec_encode(value)
        if b"pickle" in data or b"\x80\x05" in data:
            continue  # a damaged pickle may run anything
        for cut in {0, 1, 2, len(data) // 2, len(data) - 1} - {len(data)}:
            raises(Exception, c._codec_decode, data[:cut])
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(rng.randint(1, 3)):
                broken[rng.randrange(len(broken))] = rng.choice(
                    (0, 1, 127, 128, 254, 255, rng.randrange(256))
                )
            if b"P" in broken or b"\xff" in broken[2:3] and b"A" in broken[:2]:
                continue
            try:
                c._codec_decode(bytes(broken))
            except Exception:
                refused += 1
    check(refused > 500, f"damaged bytes are noticed: {refused}")


def random_value(rng, depth=0):
    kind = rng.randrange(14 if depth < 4 else 8)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind == 1:
        return rng.choice((1, -1)) * rng.getrandbits(rng.choice((1, 8, 31, 63, 64, 65, 200)))
    if kind == 2:
        return struct.unpack("d", rng.randbytes(8))[0]
    if kind == 3:
        return "".join(
            chr(rng.choice((rng.randrange(128), rng.randrange(0x110000))))
            for _ in range(rng.randrange(20))
        )
    if kind == 4:
        return rng.randbytes(rng.choice((0, 3, 300, 1500)))
    if kind == 5:
        return complex(rng.random(), rng.random())
    if kind == 6:
        return rng.choice(
            (
                Colour.RED,
                Level.LOW,
                Celsius(2),
                bytearray(b"z"),
                function,
                datetime.date(2000, 1, 1),
            )
        )
    if kind == 7:
        return array.array("d", [rng.random() for _ in range(rng.choice((0, 2, 200)))])
    size = rng.randrange(5)
    if kind in (8, 9):
        return tuple(random_value(rng, depth + 1) for _ in range(size))
    if kind in (10, 11):
        return [random_value(rng, depth + 1) for _ in range(size)]
    if kind == 12:
        return {
            rng.choice((rng.random(), str(i), (i, "k"))): random_value(rng, depth + 1)
            for i in range(size)
        }
    return Point(random_value(rng, depth + 1), [random_value(rng, depth + 1)])


def test_random():
    rng = random.Random(2024)
    for _ in range(800):
        both_ways(random_value(rng))


def main(args):
    test_plain()
    test_sharing()
    test_independence()
    if np is not None:
        test_arrays()
        test_scalars()
    test_by_value()
    test_refused()
    test_damage()
    test_random()
    finish(3000)


charm.start(main)
