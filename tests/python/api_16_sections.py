# SPDX-License-Identifier: Apache-2.0
"""Sections: cut by a function, by indexes and by slices, joined, called, reduced over; groups on some ranks."""

import random

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

DIVISOR = 3


class Cell(Chare):
    def __init__(self):
        self.calls = 0

    def me(self):
        self.calls += 1
        return self.thisIndex

    def take_calls(self):
        calls, self.calls = self.calls, 0
        return calls

    @coro
    def me_later(self, values):
        me = self.thisIndex
        return me if values is None else values[me[0] if isinstance(me, tuple) else me]

    def fail_if(self, index):
        if self.thisIndex == index:
            raise KeyError("this one")

    def give(self, section, target, reducer=None, value=None):
        value = sum(self.thisIndex) + 1 if value is None else value
        self.reduce(target, value, reducer or Reducer.sum, section)

    def give_often(self, section, target, n):
        for i in range(n):
            self.contribute((sum(self.thisIndex) + 1) * (i + 1), Reducer.sum, target, section)

    def barrier(self, section, target):
        self.contribute(None, None, target, section)

    @coro
    def sums(self, section, n):
        """Interleaved with reductions over the whole array."""
        out = []
        for _ in range(n):
            part = self.allreduce(1, Reducer.sum, section)
            whole = self.allreduce(1, Reducer.sum)
            out.append((part.get(), whole.get()))
        return out

    @coro
    def only_whole(self, n):
        for _ in range(n):
            self.allreduce(1, Reducer.sum).get()

    def hear(self, result=None):
        self.heard = result

    def what_heard(self):
        return getattr(self, "heard", "nothing")

    def count_here(self):
        return 1


class Other(Chare):
    def unused(self):
        pass

    def me(self):
        return ("other", self.thisIndex)

    def give(self, section, target, reducer=None, value=None):
        self.reduce(target, 1000, Reducer.sum, section)


class Branch(Chare):
    def me(self):
        return self.thisIndex

    def double(self, x):
        return 2 * x, self.thisProxy.elemIdx, charm.myPe()

    def give(self, section, target, reducer=None, value=None):
        self.reduce(target, 100, Reducer.sum, section)

    def whole(self, target):
        self.reduce(target, self.thisIndex, Reducer.gather)

    @coro
    def talk(self, peer, done):
        channel = Channel(self, self.thisProxy[peer])
        channel.send(self.thisIndex)
        done(channel.recv())


class Main(Chare):
    """To make sections elsewhere than on rank 0."""

    @coro
    def split_here(self, array):
        odd, even = charm.split(array, 2, parity)
        return odd, even, even.me(ret=True).get()


def parity(chare):
    return 1 - chare.thisIndex[0] % 2


def by_divisor(chare):
    i = chare.thisIndex[0]
    return [0, 1] if i % DIVISOR == 0 else 1 if i % 2 else -1


def test_split(array, n):
    odd, even = charm.split(array, 2, parity)
    equal(odd.me(ret=True).get(), [(i,) for i in range(1, n, 2)], "by a function")
    equal(even.me(ret=True).get(), [(i,) for i in range(0, n, 2)])
    equal(sum(array.take_calls(ret=True).get()), n, "each element was called once")
    check(odd.issec and not array.issec and not array[0].issec, "issec")
    check(hasattr(odd, "section") and not hasattr(array, "section"), "section")
    check(odd.section[1] != even.section[1] and hash(odd.section[1]), "its number")
    a, b = charm.split(array, 2, by_divisor)
    equal(a.me(ret=True).get(), [(i,) for i in range(0, n, 3)], "lists and negative numbers")
    equal(
        b.me(ret=True).get(),
        [(i,) for i in range(n) if i % 3 == 0 or i % 2],
        "a member of two sections",
    )
    first, rest = charm.split(array, 2, elems=[[0, (2,), 2, 1000], set(range(3, n))])
    equal(first.me(ret=True).get(), [(0,), (2,)], "by indexes; what does not exist is left out")
    equal(len(rest.me(ret=True).get()), n - 3, "a set")
    (one,) = charm.split(array, 1, elems=[(1,), (3,)])
    equal(one.me(ret=True).get(), [(1,), (3,)], "one section by a flat list")
    (again,) = charm.split(even, 1, elems=[(0,), (1,), (4,)])
    equal(again.me(ret=True).get(), [(0,), (4,)], "a section of a section")
    (again,) = charm.split(even, 1, elems=[0, 1, 4])
    equal(again.me(ret=True).get(), [(0,), (4,)], "the same with plain numbers")
    raises(AssertionError, charm.split, array, 2, lambda c: 0, text="section 1 of 2")
    raises(AssertionError, charm.split, array, 1, lambda c: 1, text="section 1 of")
    raises(AssertionError, charm.split, array[0], 2, parity, text="one element")
    raises(TypeError, charm.split, array, 2, lambda c: "x", text="must return")
    raises(TypeError, charm.split, 5, 2, parity)
    raises(AssertionError, charm.split, array, 2, elems=[[1]], text="a list of 2")
    raises(Charm4PyError, charm.split, array, 2)
    raises(ZeroDivisionError, charm.split, array, 1, lambda c: 1 // 0)
    return odd, even


def test_calls(array, odd, n):
    odd.me()
    odd.me(awaitable=True).get()
    equal(sum(array.take_calls(ret=True).get()), 3 * (n // 2) - n // 2 + sum_of_splits(n), "calls")
    equal(odd.me_later(None, ret=True).get(), odd.me(ret=True).get(), "coroutine methods")
    raises(KeyError, odd.fail_if((3,), awaitable=True).get, text="this one")
    results = odd.fail_if((3,), ret=True).get()
    check(isinstance(results[1], KeyError), "in its place among the results")
    equal(results[0:1] + results[2:], [None] * (n // 2 - 1))
    equal(odd[3].me(ret=True).get(), (3,), "an element through a section, see api_08")
    copy = Chare(Cell, onPE=charm.numPes() - 1)
    copy.hear(odd)
    equal(copy.what_heard(ret=True).get(), odd, "a section's proxy travels")
    table = {odd: 1, array: 2}
    equal(table[copy.what_heard(ret=True).get()], 1, "and is a key of dicts")


def sum_of_splits(n):
    """Calls of me() in test_split since take_calls()."""
    return len(range(0, n, 3)) + len([i for i in range(n) if i % 3 == 0 or i % 2]) + 2 + n - 3 + 6


def test_reductions(array, odd, even, n):
    odd_sum = sum(i + 1 for i in range(1, n, 2))
    done = Future()
    odd.give(odd, done)
    equal(done.get(), odd_sum, "to a future")
    done = Future(num_vals=10)
    odd.give_often(odd, done, 10)
    equal(done.get(), [odd_sum * (i + 1) for i in range(10)], "ten in flight, in order")
    odd.give(odd, even.hear)
    charm.waitQD()
    heard = array.what_heard(ret=True).get()
    equal(heard, ["nothing" if i % 2 else odd_sum for i in range(n)], "to another section's method")
    even.barrier(even, array[1].hear)
    charm.waitQD()
    equal(array[1].what_heard(ret=True).get(), None, "an empty reduction")
    done = Future()
    odd.give(odd, done, Reducer.gather, None)
    equal(done.get(), [i + 1 for i in range(1, n, 2)], "gather, by index")
    done = Future()
    even.give(even, done, Reducer.max, 2.5)
    equal(done.get(), 2.5, "results are as those of whole collections")
    raises(Charm4PyError, array[0].give(odd, Future(), ret=True).get, text="no member")
    raises(TypeError, array[0].give(5, Future(), ret=True).get, text="section must be")


def test_allreduce(array, odd, n):
    whole = Array(Cell, n)
    some, others = charm.split(whole, 2, parity)
    futures = some.sums(some, 50, ret=True), others.only_whole(50, awaitable=True)
    equal(
        futures[0].get(),
        [[(n // 2, n)] * 50] * (n // 2),
        "fifty over a section and fifty over the array, interleaved",
    )
    futures[1].get()


def test_combine(array, group, odd, ranks, n):
    other = Array(Other, 3)
    joined = charm.combine(odd, group, odd)
    equal(
        joined.me(ret=True).get(),
        [(i,) for i in range(1, n, 2)] + list(range(ranks)),
        "who occurs twice is a member once",
    )
    mixed = charm.combine(array, other)
    equal(len(mixed.me(ret=True).get()), n + 3)
    equal(
        mixed.me(ret=True).get()[n : n + 3],
        [("other", (i,)) for i in range(3)],
        "another class: its method of the same name",
    )
    done = Future()
    mixed.give(mixed, done)
    equal(done.get(), sum(range(1, n + 1)) + 3000, "one reduction over all of them")
    done = Future()
    joined.give(joined, done, Reducer.sum)
    equal(done.get(), sum(i + 1 for i in range(1, n, 2)) + 100 * ranks)
    (part,) = charm.split(mixed, 1, elems=[(0,), (1,)])
    equal(
        part.me(ret=True).get(),
        [(0,), (1,), ("other", (0,)), ("other", (1,))],
        "an index selects all members that have it",
    )
    raises(TypeError, lambda: mixed[0], text="several collections")
    raises(Charm4PyError, charm.combine)
    raises(AssertionError, charm.combine, array[0], text="one element")


def test_slices(array, group, ranks, n):
    equal(group[:].me(ret=True).get(), list(range(ranks)), "group[:]")
    equal(group[0:99:2].me(ret=True).get(), list(range(0, ranks, 2)), "clamped")
    raises(AssertionError, lambda: group[3:3], text="no member")
    raises(IndexError, lambda: group[-1:2], text="negative")
    equal(array[1:6:2].me(ret=True).get(), [(1,), (3,), (5,)], "array[1:6:2]")
    raises(AssertionError, lambda: array[:3], text="start and stop")
    grid = Array(Cell, (4, 5))
    part = grid[1:3, 0:5:2]
    equal(part.me(ret=True).get(), [(i, j) for i in (1, 2) for j in (0, 2, 4)], "two dimensions")
    equal(part[2:4, 0:3].me(ret=True).get(), [(2, 0), (2, 2)], "a slice of a section")
    equal(grid[3:4, 4].me(ret=True).get(), [(3, 4)], "a number in one dimension")
    raises(AssertionError, lambda: grid[0:2], text="2 dimensions")


def test_elsewhere(array, ranks, n):
    odd, even, indexes = Chare(Main, onPE=ranks - 1).split_here(array, ret=True).get()
    equal(indexes, [(i,) for i in range(0, n, 2)], "made on another rank")
    done = Future()
    odd.give(odd, done)
    equal(done.get(), sum(i + 1 for i in range(1, n, 2)))


def test_some_ranks(ranks):
    last = ranks - 1
    some = Group(Branch, onPEs=[last, 0])
    members = sorted({0, last})
    equal(some.me(ret=True).get(), members, "a group on some ranks")
    equal([some[i].me(ret=True).get() for i in members], members, "its elements")
    equal(some[last].double(4, ret=True).get(), (8, -1, last), "each where it says")
    done = Future()
    some.whole(done)
    equal(done.get(), members, "a reduction over it")
    if last:
        done = Future(num_vals=2)
        some[0].talk(last, done)
        some[last].talk(0, done)
        equal(sorted(done.get()), [0, last], "channels between its members")
    (part,) = charm.split(some, 1, elems=[last])
    equal(part.me(ret=True).get(), [last])
    equal(some[0:ranks].me(ret=True).get(), members, "a slice has who is there")
    equal(some[:][:].me(ret=True).get(), members, "bounds may be left out, as of a group")
    raises(IndexError, Group, Branch, onPEs=[ranks], text="onPEs")
    raises(AssertionError, Group, Branch, onPEs=[])


def test_generations(ranks):
    """Cut and join at random, hundreds of times, and compare with sets."""
    random.seed(1)
    array = Array(Cell, 24)
    known = [(array, set(range(24)))]
    for generation in range(100):
        proxy, members = random.choice(known)
        if random.random() < 0.5 or len(known) < 3:
            wanted = {i for i in members if random.random() < 0.7} or {min(members)}
            (new,) = charm.split(proxy, 1, elems=[[(i,) for i in wanted]])
        else:
            other, wanted = random.choice(known)
            new, wanted = charm.combine(proxy, other), wanted | members
        known.append((new, wanted))
        if generation % 10 == 0:
            equal(set(new.me(ret=True).get()), {(i,) for i in wanted}, "members")
            done = Future()
            new.give(new, done)
            equal(done.get(), sum(i + 1 for i in wanted), "and their sum")


def main(args):
    ranks, n = charm.numPes(), 20
    array, group = Array(Cell, n), Group(Branch)
    odd, even = test_split(array, n)
    test_calls(array, odd, n)
    test_reductions(array, odd, even, n)
    test_allreduce(array, odd, n)
    test_combine(array, group, odd, ranks, n)
    test_slices(array, group, ranks, n)
    test_elsewhere(array, ranks, n)
    test_some_ranks(ranks)
    test_generations(ranks)
    finish(85)


charm.start(main)
