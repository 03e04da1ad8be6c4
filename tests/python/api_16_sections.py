# SPDX-License-Identifier: Apache-2.0
"""Sections: cut by a function, by indexes and by slices, joined, called, reduced over; groups on some ranks."""

import random

from charm4py import *
from charm4py.charm import Charm4PyError
from charm4py.threads import NotThreadedError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None

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
        sorted([(i,) for i in range(1, n, 2)] + list(range(ranks)), key=as_tuple),
        "who occurs twice is a member once",
    )
    mixed = charm.combine(array, other)
    equal(len(mixed.me(ret=True).get()), n + 3)
    want = [x for i in range(3) for x in ((i,), ("other", (i,)))] + [(i,) for i in range(3, n)]
    equal(mixed.me(ret=True).get(), want, "another class: its method of the same name; by index")
    done = Future()
    mixed.give(mixed, done)
    equal(done.get(), sum(range(1, n + 1)) + 3000, "one reduction over all of them")
    done = Future()
    joined.give(joined, done, Reducer.sum)
    equal(done.get(), sum(i + 1 for i in range(1, n, 2)) + 100 * ranks)
    (part,) = charm.split(mixed, 1, elems=[(0,), (1,)])
    equal(
        part.me(ret=True).get(),
        [(0,), ("other", (0,)), (1,), ("other", (1,))],
        "an index selects all members that have it",
    )
    raises(TypeError, lambda: mixed[0], text="several collections")
    raises(Charm4PyError, charm.combine)
    raises(AssertionError, charm.combine, array[0], text="one element")


def as_tuple(index):
    return index if isinstance(index, tuple) else (index,)


class Gatherer(Chare):
    """Contributes what sorts the other way round than its index, and objects that do not sort at all."""

    def give(self, section, target, what, reducer):
        mine = -as_tuple(self.thisIndex)[0]
        values = {"place": mine, "dict": {"at": mine}, "index": self.thisIndex, "none": None}
        values |= {"bool": True, "bools": [True, mine == 0], "name": type(self).__name__}
        self.reduce(target, values[what], getattr(Reducer, reducer), section)

    def barrier(self, section, target):
        self.reduce(target, section=section)

    def barrier_nop(self, section, target):
        self.contribute("ignored", Reducer.nop, target, section)

    def any(self, *args):
        self.heard = args

    def optional(self, x="default"):
        self.heard = x

    def nothing(self):
        self.heard = "nothing"

    def required(self, x):
        self.heard = x

    def get_heard(self):
        return self.heard

    @coro
    def many(self, section, n):
        total = 0
        for _ in range(n):
            total += self.allreduce(1, Reducer.sum, section=section).get()
        return total

    @when("self.level >= level")
    def from_level(self, level, then="x"):
        return then

    level = 0

    def set_level(self, level):
        self.level = level

    def refused(self, section):
        for call in (
            lambda: charm.split(self.thisProxy, 1, number_zero),
            lambda: charm.combine(self.thisProxy, section),
            lambda: section[0:1],
        ):
            try:
                call()
                return "not refused"
            except NotThreadedError:
                pass
        return [part.issec for part in charm.split(section_group, 1, elems=[[0]])]


class Renamed(Gatherer):
    pass


class Marked(Chare):
    """Its methods are marked; Unmarked has the same ones without marks, and other defaults."""

    level = 0

    @coro
    def suspends(self, target):
        return self.give_way(target)

    def give_way(self, target):
        charm.wait([self.thisProxy[self.thisIndex].name(ret=True)])
        if target is not None:
            target(type(self).__name__)
        return type(self).__name__

    def name(self):
        return type(self).__name__

    @when("self.level >= least")
    def waits(self, least=1, then="marked"):
        return type(self).__name__, then

    def set_level(self, level):
        self.level = level

    def contribute_to(self, section, target):
        self.reduce(target, 1, Reducer.sum, section)

    @when("self.level >= 5")
    def told(self, total):
        self.total = total

    def get_total(self):
        return getattr(self, "total", None)


class Unmarked(Marked):
    def suspends(self, target):
        return self.give_way(target)

    def waits(self, lowest=7, then="unmarked"):
        return type(self).__name__, then

    def told(self, total):
        self.total = total


def test_marks(ranks):
    """16.2: calls of a combined section are marked as in the first proxy's class, with its parameters."""
    marked, unmarked = Array(Marked, ranks), Array(Unmarked, 2)
    section, reverse = charm.combine(marked, unmarked), charm.combine(unmarked, marked)
    names = ["Marked", "Unmarked"] * 2 + ["Marked"] * (ranks - 2)
    if ranks == 1:
        names = ["Marked", "Unmarked", "Unmarked"]
    equal(section.suspends(None, ret=True).get(), names, "a coroutine in every class")
    f = Future(len(names))
    section.suspends(f)
    f.get()
    equal(sorted(f.values), sorted(names), "also without an answer")
    unmarked[0].migrate(ranks - 1)  # marks hold wherever a member has gone
    for section_of_two in (section, charm.split(section, 1, elems=[[(0,)]])[0]):
        everyone = names if section_of_two is section else names[:2]
        marked.set_level(0)
        unmarked.set_level(0, awaitable=True).get()
        f = section_of_two.waits(ret=True)
        charm.waitQD()
        marked.set_level(1)
        charm.waitQD()
        equal(f.ready(), False, "those of the other class wait for the condition, too")
        unmarked.set_level(1)
        equal(f.get(), [(name, "marked") for name in everyone], "and get the first one's defaults")
    for target in (section, reverse):
        marked.set_level(0)
        unmarked.set_level(0, awaitable=True).get()
        marked.told(None)
        unmarked.told(None)
        section.contribute_to(section, target.told)
        charm.waitQD()
        got = unmarked.get_total(ret=True).get()
        equal(got, [None if target is section else ranks + 2] * 2, "as a target of reductions")
        marked.set_level(5)
        unmarked.set_level(5)
        charm.waitQD()
        equal(unmarked.get_total(ret=True).get(), [ranks + 2] * 2)
    unmarked.set_level(0, awaitable=True).get()
    marked.set_level(0, awaitable=True).get()
    equal(len(reverse.waits(ret=True).get()), ranks + 2, "the first has no condition")
    equal(unmarked.waits(ret=True).get(), [("Unmarked", "unmarked")] * 2, "by itself")


def number_zero(chare):
    return 0


def all_of(value):
    def answer(chare):
        return value

    return answer


def first_three(chare):
    return [number for number in range(3) if chare.thisIndex[0] != number]


def test_ways_of_cutting(ranks):
    # 16.1: what section_func may return; keywords; numbers of numpy.
    array = Array(Gatherer, 6)
    everyone = [(i,) for i in range(6)]

    def indexes(sections):
        out = []
        for section in sections:
            done = Future()
            section.give(section, done, "index", "gather")
            out.append(done.get())
        return out

    for answer in ([0, 1], (0, 1), {0, 1}, [1, 0, 0, -5, 1], range(2)):
        equal(indexes(charm.split(array, 2, all_of(answer))), [everyone] * 2, repr(answer))
    for answer in (0, False, [0], [0, 0]):
        equal(indexes(charm.split(array, 1, all_of(answer))), [everyone], repr(answer))
    equal(
        indexes(charm.split(proxy=array, numsections=3, section_func=first_three, elems=None)),
        [[i for i in everyone if i != (number,)] for number in range(3)],
    )
    for wrong in (None, 1.5, ["x"], "x"):
        raises(TypeError, charm.split, array, 1, all_of(wrong), text="must return")
    raises(AssertionError, charm.split, array, 2, all_of([0, 1, 2]), text="section 2")
    raises(AssertionError, charm.split, array, 1, all_of(-1), text="no members")
    raises(AssertionError, charm.split, array, 1, all_of([]), text="no members")
    for wrong in (0, -1, "x", None, 1.5):
        raises(Charm4PyError, charm.split, array, wrong, number_zero, text="numsections")
    raises(AssertionError, charm.split, array, 2, elems=[[1], []], text="no members")
    raises(AssertionError, charm.split, array, 1, elems=[(77,)], text="no members")
    raises(Charm4PyError, charm.split, array, 1, number_zero, [[1]])
    if np is not None:
        equal(indexes(charm.split(array, np.int64(1), all_of(np.int32(0)))), [everyone])
        equal(indexes(charm.split(array, 2, all_of(np.array([0, 1])))), [everyone] * 2)
        equal(indexes(charm.split(array, 1, elems=np.arange(2))), [everyone[:2]])
    # Two dimensions; elements inserted one by one; a group.
    grid = Array(Gatherer, (3, 3))
    (part,) = charm.split(grid, 1, elems=[(2, 2), (0, 1), (2, 2), (9, 9)])
    equal(indexes([part]), [[(0, 1), (2, 2)]], "flat, of tuples")
    dynamic = Array(Gatherer, ndims=1)
    for i in (4, 0, 2):
        dynamic.ckInsert(i)
    dynamic.ckDoneInserting()
    equal(indexes(charm.split(dynamic, 1, number_zero)), [[(0,), (2,), (4,)]])
    equal(indexes([dynamic[0:4]]), [[(0,), (2,)]])
    group = Group(Gatherer)
    equal(indexes(charm.split(group, 1, elems=range(ranks))), [list(range(ranks))])
    equal(
        indexes(charm.split(group, 2, elems=({0}, (ranks - 1, 0)))), [[0], sorted({0, ranks - 1})]
    )
    # 16.4: the number is the same everywhere and no two have the same.
    far = Chare(Cell, onPE=ranks - 1)
    (known,) = charm.split(array, 1, number_zero)
    others = [array[0:6], group[0:1], part, known]
    far.hear(known)
    equal(far.what_heard(ret=True).get().section, known.section)
    equal(len({s.section[1] for s in others}), 4)
    check(array[0:6] != array[0:6] and known == known, "equal bounds, different sections")
    check(known != array and array != known and known != "x" and not known == array[0])
    # 16.1: waits, so coroutines only, but for elems of a whole group.
    charm.thisProxy.updateGlobals({"section_group": group}, awaitable=True).get()
    equal(array[5].refused(known, ret=True).get(), [True])


def test_section_reductions(ranks):
    # 15.4, 15.5 and 15.6: reductions over sections, ordered by index whatever is contributed.
    array, other, group = Array(Gatherer, 6), Array(Renamed, 3), Group(Gatherer)
    mixed, part = charm.combine(array, other), array[1:5]

    def reduced(section, what, reducer):
        done = Future()
        section.give(section, done, what, reducer)
        return done.get()

    equal(reduced(part, "place", "gather"), [-1, -2, -3, -4])
    want = [-0, -0, -1, -1, -2, -2, -3, -4, -5]
    equal(reduced(mixed, "place", "gather"), want, "defect 14: by index, not by data")
    equal(reduced(mixed, "dict", "gather"), [{"at": i} for i in want], "what cannot be sorted")
    names = ["Gatherer", "Renamed"] * 3 + ["Gatherer"] * 3
    equal(reduced(mixed, "name", "gather"), names, "ties: in the order of the arguments")
    reverse = charm.combine(other, array)
    equal(reduced(reverse, "name", "gather")[:4], ["Renamed", "Gatherer"] * 2)
    both = charm.combine(group, array)
    got = reduced(both, "index", "gather")
    want = sorted([*range(ranks), *[(i,) for i in range(6)]], key=as_tuple)
    equal(got, want, "indexes of two kinds")
    pieces = charm.combine(array[4:6], array[0:2], array[1:3])
    equal(reduced(pieces, "index", "gather"), [(0,), (1,), (2,), (4,), (5,)], "pieces, in order")
    equal(pieces.get_heard.__name__, "get_heard")
    equal(reduced(part, "none", "gather"), [None] * 4)
    equal(reduced(part, "place", "sum"), -10)
    equal(int(reduced(part, "bool", "sum")), 4, "truth values count")
    equal([int(x) for x in reduced(array[0:3], "bools", "sum")], [3, 1])
    # 15.6: an empty one gives a future None, and a method None if it takes an argument.
    for name in ("barrier", "barrier_nop"):
        done = Future()
        getattr(part, name)(part, done)
        equal(done.get(), None, "defect 13: nop in sections")
        for target in (array, array[0], part, other, group[ranks - 1]):
            for method, want in (
                ("any", (None,)),
                ("optional", None),
                ("nothing", "nothing"),
                ("required", None),
            ):
                getattr(part, name)(part, getattr(target, method))
                charm.waitQD()
                got = target.get_heard(ret=True).get()
                equal(got, [want] * len(got) if isinstance(got, list) else want, method)
    # 7.3 and 12.2: conditions, ret and awaitable.
    futures = [part.from_level(2, ret=True), part.from_level(2, awaitable=True)]
    array.set_level(2)
    equal([f.get() for f in futures], [["x"] * 4, None])
    equal(part.from_level(then="y", level=0, ret=True).get(), ["y"] * 4)
    # Defect 16: more than 65535 reductions on one section.
    (alone,) = charm.split(array, 1, elems=[(0,)])
    equal(alone.many(alone, 66000, ret=True).get(), [66000])


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
    test_ways_of_cutting(ranks)
    test_section_reductions(ranks)
    test_marks(ranks)
    test_generations(ranks)
    finish(170)


charm.start(main)
