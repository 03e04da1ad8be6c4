# SPDX-License-Identifier: Apache-2.0
"""Arguments on their way: to another rank and on the same one, captured at the call, large ones without copies."""

import array
import hashlib
import threading

from c4py import Array, Channel, Chare, Future, Group, charm, coro, give
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

    def same_objects(self, a, b):
        return a is b

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


def main(args):
    last = charm.numPes() - 1
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
    finish(200)


charm.start(main)
