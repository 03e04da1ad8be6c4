# SPDX-License-Identifier: Apache-2.0
"""Serialization: values on their way to another rank and on the same one, by every way that there is.

What each single kind of value becomes (all types, dtypes, shapes, cycles, damaged bytes) is in codec_values.py, which
asks the codec directly, on one rank: 24.1 "plain", "class values", "sharing", "by value"; 24.2 "arrays", "scalars".
Migration pickling (24.4) is section 22.1. Messages beyond 2 GiB: tests/mpi/comm_large_test.c and rt_large_test.c.
"""

import array
import collections
import dataclasses
import functools
import hashlib
import threading

from c4py import (
    Array,
    Channel,
    Chare,
    Charm4PyError,
    Future,
    Group,
    Reducer,
    _c4py,
    charm,
    coro,
    give,
)
from charm4py import readonlies as ro
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None

SIZES = (0, 1, 255, 256, 1023, 1024, 4032, 4096, 4097, 16383, 16384, 65536, 1 << 20, (1 << 20) + 1)


kept = []


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Store(Chare):
    def __init__(self):
        self.kept = []

    def take(self, *args):
        self.kept.extend(args)
        return len(args)

    def echo(self, *args):
        return args

    def digest_of(self, data):
        return type(data).__name__, len(data), digest(data)

    def give_back(self):
        kept, self.kept = self.kept, []
        return kept

    def change(self, values):
        """Write into what was received."""
        values[...] = -1.0
        return float(values.sum())

    def describe(self, values):
        return (
            values.flags.writeable,
            values.dtype.str,
            values.shape,
            values.flags.c_contiguous,
            float(values.sum()),
        )

    def keep_slice(self, values):
        self.kept.append(values[5:8])

    @coro
    def listen(self, peer, count, done):
        channel = Channel(self, peer)
        got = [channel.recv() for _ in range(count)]
        done([digest(item) for item in got])

    @coro
    def stream_one_buffer(self, peer, count):
        """Send the same array again and again, written to between the sends."""
        channel = Channel(self, peer)
        values = np.empty(30_000)
        for i in range(count):
            values[:] = i
            channel.send(values)
        values[:] = -1.0

    def answer(self, done):
        """Send an array to a future, return it, and write to it at once."""
        values = self.mine = np.full(30_000, 5.0)
        done(values)
        values[:] = 6.0
        return values

    def spoil(self):
        self.mine[:] = -1.0

    @coro
    def stream(self, peer, items):
        channel = Channel(self, peer)
        for item in items:
            channel.send(item)


@dataclasses.dataclass
class Pair:
    first: object
    second: object


class Plain:
    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Ways(Chare):
    """Gets and gives values in all ways."""

    def __init__(self, value=None):
        self.value = value

    def facts(self, values, where):
        return where(values)

    def facts_of_own(self, where):
        return where(self.value)

    def facts_of_readonly(self, where):
        return where(ro.sent)

    def echo(self, *args):
        return args

    def keep(self, *args):
        self.value = args

    def is_kept(self, numbers):
        return [id(value) == number for value, number in zip(self.value, numbers)]

    def append(self, values):
        values.append(1)

    @coro
    def hand(self, peer, by_keyword):
        """Does the other chare get the very objects? And are changes after the call seen?"""
        values = [[0], Plain(1)]
        if by_keyword:
            peer.append(values=values[0], awaitable=True).get()
        else:
            peer.append(values[0], awaitable=True).get()
        done = peer.keep(*values, awaitable=True)
        values[0].append("after the call")
        done.get()
        return peer.is_kept([id(v) for v in values], ret=True).get(), values[0]

    @coro
    def hand_to_all(self, proxy):
        value = [0]
        proxy.keep(value, awaitable=True).get()
        return [kept for (kept,) in proxy.is_kept([id(value)], ret=True).get()]

    @coro
    def over_channel(self, peer, value, where):
        channel = Channel(self, peer)
        if value is not None:
            channel.send(value)
        else:
            return where(channel.recv())

    def gather(self, value, future):
        self.reduce(future, value, Reducer.gather)

    def total(self, value, future):
        self.reduce(future, value, Reducer.sum)

    def set_option(self, name, value):
        _c4py.set_option(name, value)

    def me(self):
        return self

    def takes(self, x):
        pass

    def knows(self, proxy, bound, cls, func, error):
        return (
            proxy[self.thisIndex].ckLocalBranch() is self
            if hasattr(proxy, "ckLocalBranch")
            else True,
            bound == self.thisProxy.echo,
            cls is Ways,
            func is digest,
            type(error) is Charm4PyError and error.message == "sent",
        )


class Shared(Chare):
    seen = []  # of this rank

    def receive(self, values):
        Shared.seen.append(values)
        return id(values)

    def check_shared(self):
        first = Shared.seen[0]
        return all(v is first for v in Shared.seen)

    def change(self, values, rank):
        """Only the elements of one rank write; the others must not see it."""
        if charm.myPe() == rank:
            values[0] = 99.0
        return float(values[0])


def test_capture(far):
    """Whatever the sender does after the call is not seen."""
    items = [1, [2]]
    table = {"a": [1]}
    buffer = bytearray(b"abc")
    numbers = array.array("i", [1, 2, 3])
    done = far.take(items, table, buffer, numbers, (items, 5), awaitable=True)
    items[1].append(3)
    items.append(4)
    table["a"][0] = table["b"] = 9
    buffer[0] = 0
    numbers[0] = 99
    done.get()
    got = far.give_back(ret=True).get()
    equal(
        got,
        [[1, [2]], {"a": [1]}, bytearray(b"abc"), array.array("i", [1, 2, 3]), ([1, [2]], 5)],
        "as at the call",
    )


def test_sizes(far):
    for size in SIZES:
        raw = bytes(i * 7 & 255 for i in range(min(size, 5000))) * (size // 5000 + 1)
        raw = raw[:size]
        for data in (raw, bytearray(raw), array.array("B", raw)):
            name, length, sha = far.digest_of(data, ret=True).get()
            equal((name, length, sha), (type(data).__name__, size, digest(raw)), f"{size} bytes")
        text = "é" * size
        check(far.echo(text, ret=True).get() == (text,), f"text of {size} characters")
    many = [bytes([i]) * 20_000 for i in range(70)]
    check(far.echo(*many, ret=True).get() == tuple(many), "seventy large arguments")
    check(far.echo(many, ret=True).get() == (many,), "seventy large items in one list")
    check(far.echo(ret=True).get() == (), "no argument")
    check(far.echo(*range(300), ret=True).get() == tuple(range(300)), "three hundred arguments")


def test_arrays(far):
    for count in (0, 10, 128, 1000, 3000, 200_000):
        values = np.arange(float(count))
        total = float(values.sum())
        want = (True, "<f8", (count,), True, total)
        equal(far.describe(values, ret=True).get(), want, f"{count} numbers, by name")
        equal(
            far.describe(np.arange(float(count)), ret=True).get(),
            want,
            f"{count} numbers, a temporary",
        )
        frozen = values.copy()
        frozen.flags.writeable = False
        equal(
            far.describe(frozen, ret=True).get(), want, f"{count} numbers, read-only at the sender"
        )
        check(not frozen.flags.writeable, "the sender's stays read-only")
        equal(far.describe(give(values.copy()), ret=True).get(), want, f"{count} numbers, given")
        equal(
            far.describe(np.stack([values, values])[:, ::-1].T, ret=True).get()[3:],
            (True, 2 * total),
            "with gaps",
        )
        kept = values.copy()
        equal(far.change(values, ret=True).get(), -float(count), "the receiver may write")
        check(np.array_equal(values, kept), "the sender does not see it")
        future = far.take(values, awaitable=True)
        values += 1000.0
        future.get()
        check(
            np.array_equal(far.give_back(ret=True).get()[0], kept),
            "the sender may write after the call",
        )


def test_many_kept(far):
    """More than the ranks of a host have room for in the memory that they share."""
    for i in range(60):
        far.take(np.full(40_000, float(i)))
    got = far.give_back(ret=True).get()
    check([v[0] for v in got] == [float(i) for i in range(60)], "in order")
    check(all((v == v[0]).all() for v in got), "each as it was sent")
    kept.extend(got)  # alive when the job ends


def test_one_buffer(near, far):
    """Not only calls capture: channels, futures and results do, too."""
    done = Future()
    near.listen(far, 20, done)
    far.stream_one_buffer(near, 20)
    equal(
        done.get(),
        [digest(np.full(30_000, float(i))) for i in range(20)],
        "an array sent on a channel",
    )
    done = Future()
    result = far.answer(done, ret=True)
    far.spoil()
    check((done.get() == 5.0).all(), "sent to a future")
    check((result.get() == 6.0).all(), "returned")


def test_views(far, remote):
    far.keep_slice(np.arange(100_000.0))
    for i in range(20):  # what was received must not be recycled under the slice
        far.take(np.full(100_000, float(-i)), awaitable=True).get()
    kept = far.give_back(ret=True).get()
    equal(kept[0].tolist(), [5.0, 6.0, 7.0], "a slice keeps what it is a part of")
    given = np.ones(100_000)
    alias = given
    far.take(give(given), awaitable=True).get()
    far.give_back(ret=True).get()
    if remote:
        raises(ValueError, alias.__setitem__, 0, 2.0, text="read-only")


def test_star_arguments(far):
    """Arrays that only a tuple or a partial function holds are still somebody's."""
    import functools

    held = (np.ones(50_000),)
    future = far.take(*held, awaitable=True)
    held[0][:] = 0.0
    future.get()
    check(far.give_back(ret=True).get()[0].sum() == 50_000, "call with a tuple of arguments")
    call = functools.partial(far.take, np.ones(50_000))
    call()
    call.args[0][:] = 0.0
    check(far.give_back(ret=True).get()[0].sum() == 50_000, "call through a partial function")

    def generator():
        values = np.ones(50_000)
        far.take(values)
        values[:] = 0.0
        yield far.take(np.full(50_000, 2.0))

    list(generator())
    check(
        [v.sum() for v in far.give_back(ret=True).get()] == [50_000, 100_000],
        "call from a generator",
    )


def test_broadcast(elements):
    values = np.arange(5000.0)
    elements.receive(values, awaitable=True).get()
    check(all(elements.check_shared(ret=True).get()), "the elements of a rank share the arguments")
    got = elements.change(values, charm.numPes() - 1, ret=True).get()
    check(0.0 in got or charm.numPes() == 1, "other ranks have their own")
    check(99.0 in got and values[0] == 0.0, "the sender has its own")


def test_refusals(far):
    class Unwilling:
        def __reduce__(self):
            raise OSError("not today")

    lock = threading.Lock()
    before = far.give_back(ret=True).get()
    check(before == [], "nothing left")
    error = raises(TypeError, far.take, 1, {"x": [lock]}, text="argument 2")
    check(
        "['x'][0]" in str(error) and "Store.take" in str(error),
        f"path and method are named: {error}",
    )
    raises(OSError, far.take, Unwilling(), text="not today")
    raises(TypeError, far.digest_of, lock, text="'data'")
    raises(TypeError, far.take, (i for i in "ab"))
    deep = []
    for _ in range(100_000):
        deep = [deep]
    raises(RecursionError, far.take, deep)
    check(far.give_back(ret=True).get() == [], "nothing was sent")
    future = Future()
    raises(TypeError, future.send, lock, text="the value")
    future.send(3)
    equal(future.get(), 3, "the future still waits for its one value")
    charm.waitQD()


def test_channels(near, far):
    items = [b"a", b"b" * 100_000, b"", bytes(5000), b"c" * 3_000_000]
    done = Future()
    near.listen(far, len(items), done)
    far.stream(near, items)
    equal(done.get(), [digest(i) for i in items], "in order, whatever the sizes")


# ---- 24.1: what is no memory --------------------------------------------------------------------------


def test_references(group, last):
    """Proxies, futures, bound methods, chare classes, functions and exceptions, alone and inside other things."""
    error = Charm4PyError("sent")
    known = (group, group.echo, Ways, digest, error)
    for rank in {0, last}:
        equal(group[rank].knows(*known, ret=True).get(), (True,) * 5, "24.1: by reference")
        back = group[rank].echo({"all": [*known]}, ret=True).get()[0]["all"]
        equal(back[:4], list(known[:4]), "24.1: nested, and back")
        equal((type(back[4]), back[4].args), (Charm4PyError, ("sent",)), "24.1: an exception")
        future = Future()
        group[rank].echo(Plain([future]), ret=True).get()[0].value[0].send("by its copy")
        equal(future.get(), "by its copy", "24.1: a future in an object, there and back")
        (bound,) = group[rank].echo(group[last].echo, ret=True).get()
        equal(bound(5, ret=True).get(), (5,), "24.1: a method of a proxy")


def test_chare_itself(group, last):
    own = group.ckLocalBranch()
    raises(TypeError, group[last].takes, own, text="send its proxy: self.thisProxy")
    raises(TypeError, group[last].takes, [own], text="its part [0]")
    error = raises(Charm4PyError, group[last].me(ret=True).get, text="send its proxy")
    check(f"Ways({last}).me on rank {last}" in str(error), "24.1: says whose result")


def test_protocols(group, last):
    """charm.options.pickle_protocol"""
    for protocol in (0, 1, 2, 3, 4, 5, -1):
        group.set_option("pickle_protocol", protocol, awaitable=True).get()
        for rank in {0, last}:
            values = (Plain([1]), Pair(group, {2}), ValueError("x"), Ways, len)
            got = group[rank].echo(*values, ret=True).get()
            equal(got[0].value, [1], f"24.1: an object, protocol {protocol}")
            equal((got[1].first, got[1].second), (group, {2}), "24.1: a proxy in it")
            equal((str(got[2]), got[3:]), ("x", (Ways, len)), "24.1: others")
            if np is not None:
                (got,) = group[rank].echo(Plain(np.arange(3000)), ret=True).get()
                check(got.value.flags.writeable and got.value.sum() == 4498500, "24.2: an array")


# ---- 24.2: memory, by every way, wherever it is --------------------------------------------------------


def arrays_in(value):
    """All arrays somewhere in a value."""
    if isinstance(value, np.ndarray):
        yield value
        for item in value.ravel() if value.dtype == object else ():
            yield from arrays_in(item)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, (list, tuple, collections.deque)):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, Slotted):
        yield from arrays_in(value.value)
    elif isinstance(value, functools.partial):
        yield from arrays_in(value.args)
    elif hasattr(value, "__dict__"):
        yield from arrays_in(list(vars(value).values()))


def facts(value):
    """For each array: may it be written to? And its type, shape and items."""
    return [
        (a.flags.writeable, a.dtype.str, a.shape, a.dtype == object or digest(a.tobytes()))
        for a in arrays_in(value)
    ]


def views(value):
    """For each large array: is it a view, of the message?"""
    return [not a.flags.owndata for a in arrays_in(value) if a.nbytes >= 4096]


def nested(a):
    """An array in all kinds of places."""
    yield a
    yield [a, (a[:4], {"k": a.reshape(2, -1)})]
    yield Plain(a)
    yield Slotted([a])
    yield Pair(a, collections.deque([Plain(a[::2])]))
    yield collections.defaultdict(list, {1: [a]})
    yield functools.partial(max, a)
    yield np.array([a, None, 1], dtype=object)
    yield [a, a]
    yield {"f": Plain(np.asfortranarray(a.reshape(2, -1)))}
    yield [np.broadcast_to(a[:1], (5,)), a[::-1], a[:0], np.array(a[1])]


def test_nested(group, last):
    """24.2, and more: arrays nested anywhere arrive equal and writable, the large ones without a copy."""
    elements = Array(Ways, 2 * charm.numPes())
    for size in (10, 3000):
        for frozen in (False, True):
            a = np.arange(float(size))
            a.flags.writeable = not frozen
            for value in nested(a):
                want = [(True, *rest) for _, *rest in facts(value)]
                text = f"24.2: {size} items in {type(value).__name__}, frozen: {frozen}"
                for rank in {0, last}:
                    equal(group[rank].facts(value, facts, ret=True).get(), want, f"{text}, call")
                if last > 0 and size == 3000:
                    got = group[last].facts(value, views, ret=True).get()
                    check(all(got), f"{text}: out of band")
                got = elements.facts(value, facts, ret=True).get()
                equal(got, [want] * len(got), f"{text}, broadcast")
                (got,) = group[last].echo(value, ret=True).get()
                equal(facts(got), want, f"{text}, result")
                future = Future()
                future.send(value)
                equal(facts(future.get()), want, f"{text}, future")
                made = Chare(Ways, args=[value], onPE=last)
                equal(made.facts_of_own(facts, ret=True).get(), want, f"{text}, constructor")
                done = made.over_channel(group[0], None, facts, ret=True)
                group[0].over_channel(made, value, None)
                equal(done.get(), want, f"{text}, channel")
                equal(charm.pool.map(facts, [[value]]), [want], f"{text}, pool")
                charm.thisProxy.updateGlobals({"sent": value}, awaitable=True).get()
                got = charm.thisProxy.eval("facts(sent)", ret=True).get()
                equal(got, [want] * len(got), f"{text}, updateGlobals")
                future = Future()
                group.gather(value, future)
                equal(
                    facts(future.get()),
                    want * len(group[:].echo(ret=True).get()),
                    f"{text}, gather",
                )
    got = group.facts_of_readonly(facts, ret=True).get()
    equal(got[1:], [[(True, *rest) for _, *rest in facts(ro.sent)]] * last, "24.2: readonlies")


def layouts():
    """Arrays that are not just items in a row, and the types beside them."""
    grid = np.arange(24.0).reshape(4, 6)
    yield from (grid[:, 1], grid[::-1, ::2], grid.T, np.asfortranarray(grid), grid[1:1])
    yield from (np.array(3.5), np.zeros((0, 3)), grid.astype(">f8"), grid.astype(">i2"))
    yield from (np.array(["a", "bcd"]), np.array([b"a", b"bcd"]), np.array([True, False]))
    yield np.array([(1, 2.5, "x")], dtype=[("a", "i4"), ("b", ">f8"), ("c", "U2")])
    yield np.array(["2024-02-29"], dtype="M8[D]")
    yield np.arange(40_000.0).reshape(200, 200)[:, ::3]


def test_layouts(group, last):
    """24.2: exact round trip of type, shape and items; what arrives is C-contiguous and writable."""
    for rank in {0, last}:
        for a in layouts():
            (b,) = group[rank].echo(a, ret=True).get()
            where = f"24.2: {a.dtype} {a.shape} {a.strides}"
            check(type(b) is np.ndarray and (b.dtype, b.shape) == (a.dtype, a.shape), where)
            check(b.flags.writeable and b.flags.c_contiguous and np.array_equal(a, b), where)
        matrix, masked = np.matrix([[1, 2]]), np.ma.masked_array([1, 2, 3], [0, 1, 0])
        got = group[rank].echo(matrix, masked, np.float32(2), np.int8(-1), ret=True).get()
        check(type(got[0]) is np.matrix and (got[0] == matrix).all(), "24.2: a matrix")
        equal((type(got[1]), got[1].mask.tolist()), (type(masked), [False, True, False]), "24.2")
        equal([type(v) for v in got[2:]], [np.float32, np.int8], "24.2: scalars keep their types")
    for code in "bBhHiIlLqQfd":
        (got,) = group[last].echo(array.array(code, [1, 2]), ret=True).get()
        equal((got, got.typecode), (array.array(code, [1, 2]), code), "24.2: array.array")
    future = Future()
    group.gather(np.arange(12.0).reshape(3, 4)[:, ::2], future)
    check(all(v.shape == (3, 2) for v in future.get()), "24.2: reductions keep shapes")
    future = Future()
    group.total(np.arange(12.0).reshape(3, 4)[::-1, ::2], future)
    want = [[8 * k, 10 * k] for k in [last + 1]] + [[4 * k, 6 * k] for k in [last + 1]]
    equal(future.get().tolist()[:2], want, "33.5: and read strided arrays as they are")


# ---- 24.3: by reference on the same rank, if asked for ----------------------------------------------------


def test_by_reference(group, last):
    ranks = last + 1
    other, elements = Group(Ways), Array(Ways, 2 * ranks)
    for optim in (True, False):  # it is off by default, and so it is left
        group.set_option("local_msg_optim", optim, awaitable=True).get()
        for rank in range(ranks):
            for by_keyword in (False, True):
                kept, values = group[rank].hand(other[rank], by_keyword, ret=True).get()
                equal(kept, [optim] * 2, "24.3: the very objects, on the same rank")
                equal(values, [0, *[1] * optim, "after the call"], "24.3: changes are seen")
        kept, _ = elements[0].hand(elements[1], False, ret=True).get()
        equal(kept, [optim] * 2, "24.3: elements of arrays")
        if last > 0:
            kept, values = group[0].hand(other[last], False, ret=True).get()
            equal((kept, values), ([False] * 2, [0, "after the call"]), "24.3: never elsewhere")
        equal(any(group[0].hand_to_all(elements, ret=True).get()), False, "24.3: nor broadcasts")


def main(args):
    last = charm.numPes() - 1
    if np is not None:
        ro.sent = [Plain(np.broadcast_to(2.0, (600,))), np.arange(3)]
    group = Group(Store)
    for rank in (0, last):
        far = group[rank]
        test_capture(far)
        test_sizes(far)
        if np is not None:
            test_arrays(far)
            test_many_kept(far)
            test_views(far, rank != 0)
            test_star_arguments(far)
        test_refusals(far)
    test_channels(Chare(Store, onPE=0), Chare(Store, onPE=last))
    if np is not None:
        test_one_buffer(Chare(Store, onPE=0), Chare(Store, onPE=last))
        test_broadcast(Array(Shared, 4 * charm.numPes()))
    ways = Group(Ways)
    test_references(ways, last)
    test_chare_itself(ways, last)
    test_protocols(ways, last)
    if np is not None:
        test_nested(ways, last)
        test_layouts(ways, last)
    test_by_reference(ways, last)
    finish(500)


for wrong in (99, -2, "5", None):
    charm.options.pickle_protocol = wrong
    raises(
        Charm4PyError, charm.start, main, text=f"from 0 to 5, or -1 for the highest, not {wrong!r}"
    )
charm.options.pickle_protocol = -1
charm.options.remote_exec = True
charm.start(main)
