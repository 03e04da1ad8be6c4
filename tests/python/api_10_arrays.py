# SPDX-License-Identifier: Apache-2.0
"""Arrays: shapes, placement, insertion, maps, creation from any rank.

What an index twice inserted, a map out of range or one that fails do: errors/uncaught.py, cases insert_twice, map_*.
"""

import itertools

from charm4py import *
from charm4py.charm import Charm4PyError
from checks import check, equal, finish, raises

try:
    import numpy as np
except ImportError:
    np = None

made_here = []


class Cell(Chare):
    def __init__(self, tag=None):
        self.tag = tag
        made_here.append(self.thisIndex)

    def where(self):
        return self.thisIndex, charm.myPe()

    def get_tag(self):
        return self.tag

    def count(self, i):
        self.counts = [*getattr(self, "counts", []), i]

    def counted(self):
        return self.counts

    def insert_more(self, indexes):
        for index in indexes:
            self.thisProxy.ckInsert(index, args=["inserted remotely"])

    def done_inserting(self):
        self.thisProxy.ckDoneInserting()


class Mortal(Chare):
    ended = []  # on this rank

    def __init__(self, life=0):
        self.life = life

    def __del__(self):
        Mortal.ended.append(self.thisIndex[0])

    def get_life(self):
        return self.life

    def how_many_ended(self):
        return len(Mortal.ended)

    def give(self, done):
        self.reduce(done, 1, Reducer.sum)

    @coro
    def wait_for(self, value):
        return value.get() + self.life

    def end(self):
        self.thisProxy[self.thisIndex].ckDestroy()
        return "still here"


class Contributor(Chare):
    def __init__(self, done):
        self.reduce(done, 1, Reducer.sum)


class MakesArrays(Chare):
    def make(self, dims):
        before = len(made_here)
        array = Array(Cell, dims, args=["made elsewhere"])
        return array, len(made_here) - before

    def make_with_map(self):
        return Array(Cell, 6, map=Group(Backwards, args=[charm.myPe()]))


class Backwards(ArrayMap):
    """The last rank first."""

    def __init__(self, shift=0):
        self.shift = shift

    def procNum(self, index):
        assert isinstance(index, tuple)
        return (charm.numPes() - 1 - sum(index) - self.shift) % charm.numPes()


def blocks(count, ranks):
    """Ranks of the elements in linear order, by default: consecutive blocks, the first ones one longer."""
    out = []
    for rank in range(ranks):
        out += [rank] * (count // ranks + (rank < count % ranks))
    return out


def main(args):
    ranks = charm.numPes()
    # 10.1 shapes, 10.3 default placement
    for dims in (
        10,
        4,
        3,
        1,
        (7,),
        [3, 3],
        (2, 3, 4),
        (2, 2, 2, 2),
        (1, 2, 1, 2, 3),
        (2, 1, 2, 1, 2, 2),
        (12, 1),
    ):
        a = Array(Cell, dims)
        shape = (dims,) if isinstance(dims, int) else tuple(dims)
        places = dict(a.where(ret=True).get())
        indexes = [()]
        for size in shape:
            indexes = [(*i, j) for i in indexes for j in range(size)]
        equal(sorted(places), indexes, f"indexes of {dims}")
        equal([places[i] for i in indexes], blocks(len(indexes), ranks), f"placement of {dims}")
        equal(a.ndims, len(shape), "ndims")

    equal(
        [blocks(n, p) for n, p in ((10, 4), (4, 3), (3, 4), (9, 4))], BLOCKS, "as the text has it"
    )

    # 10.2 constructed inline, in index order
    del made_here[:]
    a = Array(Cell, 8, args=("tag",))
    equal(
        made_here,
        [(i,) for i, pe in enumerate(blocks(8, ranks)) if pe == 0],
        "local ones inline, in index order",
    )
    equal(a.get_tag(ret=True).get(), ["tag"] * 8, "constructor arguments")
    charm.awaitCreation(a)

    class Index:
        def __init__(self, value):
            self.value = value

        def __index__(self):
            return self.value

    equal(Array(Cell, Index(3)).ndims, 1, "anything with __index__ is a size")
    equal(len(Array(Cell, (Index(2), 2)).where(ret=True).get()), 4)
    if np is not None:
        equal(Array(Cell, np.int32(3)).ndims, 1, "numpy's numbers")
        equal(len(Array(Cell, np.array([2, 3])).where(ret=True).get()), 6, "numpy's arrays")
    # 10.1, defect 41: arrays without elements
    for dims in (0, (0,), (0, 5), (3, 0), (0, 0)):
        a = Array(Cell, dims)
        equal(a.where(ret=True).get(), [], f"no elements: {dims}")
        equal(a.where(awaitable=True).get(), None, f"no elements: {dims}")
        equal(hasattr(a, "creation_future"), dims in ((0, 5), (3, 0)), f"{dims} is dense, or empty")
    charm.awaitCreation(Array(Cell, (0, 5)))
    raises(Charm4PyError, charm.awaitCreation, Array(Cell, 0), text="awaitCreation")
    done = Future()
    z = Array(Contributor, 0)
    for i in (4, 5):
        z.ckInsert(i, [done])
    charm.waitQD()
    equal(done.ready(), False, "with sizes of 0 it is an array to insert into")
    z.ckDoneInserting()
    equal(done.get(), 2)

    # 10.1 shapes that are refused
    raises(Charm4PyError, Array, Cell, text="give dims")
    raises(Charm4PyError, Array, Cell, (2, 2), 3, text="ndims says 3")
    equal(Array(Cell, (2, 2), 2).ndims, 2, "dims and ndims that agree")
    raises(Charm4PyError, Array, Cell, (1,) * 7, text="1 to 6")
    raises(Charm4PyError, Array, Cell, None, 7, text="1 to 6")
    raises(Charm4PyError, Array, Cell, None, 0, text="1 to 6")
    raises(Charm4PyError, Array, Cell, (), text="1 to 6")
    raises(Charm4PyError, Array, Cell, -1, text="negative")
    raises(Charm4PyError, Array, Cell, (2, -1), text="negative")
    raises(TypeError, Array, Cell, 1.5, text="whole number")
    raises(TypeError, Array, Cell, "3", text="whole number")
    raises(TypeError, Array, Cell, (1, "x"), text="whole number")
    raises(TypeError, Array, Cell, 3, args=7, text="args")
    raises(Charm4PyError, Array, Backwards, 3, text="groups only")
    raises(Charm4PyError, Array, Cell, 3, map=Group(Cell), text="ArrayMap")
    raises(Charm4PyError, Array, Cell, 3, map=5, text="ArrayMap")
    raises(Charm4PyError, charm.awaitCreation, Array(Cell, ndims=1), text="awaitCreation")

    # 10.2, defect 4: from any rank, directly and through charm.thisProxy
    makers = Group(MakesArrays)
    for pe in range(ranks):
        a, inline = makers[pe].make(2 * ranks, ret=True).get()
        equal(inline, 2, "those of the creating rank inline")
        equal(
            [p for _, p in a.where(ret=True).get()],
            blocks(2 * ranks, ranks),
            "created on another rank",
        )
        f = Future()
        a = (
            charm.thisProxy[pe]
            .createArray(Cell, (2, 2), args=["via thisProxy"], cb=f, ret=True)
            .get()
        )
        equal(f.get(), a, "createArray calls back with the proxy")
        equal(a.get_tag(ret=True).get(), ["via thisProxy"] * 4)

    empty = charm.thisProxy[ranks - 1].createArray(Cell, None, 2, ret=True).get()
    empty.ckInsert((1, 2), ["into it"])
    empty.ckDoneInserting()
    equal(empty.get_tag(ret=True).get(), ["into it"], "an empty one")
    by_name = {
        "cls": Cell,
        "dims": 2,
        "args": ["named"],
        "map": Group(Backwards),
        "useAtSync": True,
    }
    a = charm.thisProxy[0].createArray(**by_name, ret=True).get()
    equal(
        a.where(ret=True).get(),
        [((i,), (ranks - 1 - i) % ranks) for i in range(2)],
        "all arguments",
    )
    a = Array(chare_type=Cell, dims=2, ndims=1, args=(), map=None, useAtSync=False)
    charm.awaitCreation(a, Array(Cell, 3), Group(Cell), Chare(Cell))

    insertion(ranks)
    deletion(ranks)
    maps(ranks)
    finish(130)


#: 10.3: 10 elements on 4 ranks, 4 on 3, 3 on 4, 9 on 4
BLOCKS = [[0, 0, 0, 1, 1, 1, 2, 2, 3, 3], [0, 0, 1, 2], [0, 1, 2], [0, 0, 0, 1, 1, 2, 2, 3, 3]]


# 10.4 insertion; defects 27 (numpy) and 28 (large coordinates)
def insertion(ranks):
    s = Array(Cell, ndims=1)
    check(not hasattr(s, "creation_future"), "nobody can wait for an empty array's creation")
    for i in range(10):
        s.ckInsert(i, ["inserted"])
    s.ckDoneInserting()
    equal(
        s.where(ret=True).get(),
        [((i,), i % ranks) for i in range(10)],
        "1-D index i goes to rank i mod P",
    )
    for pe in range(ranks):
        s.ckInsert(100 + pe, args=["on"], onPE=pe)
        equal(s[100 + pe].where(ret=True).get(), ((100 + pe,), pe), "onPE")
    s.ckInsert((200,), ["tuple"])
    equal(s[200].get_tag(ret=True).get(), "tuple", "an index as a tuple")
    raises(AssertionError, s.ckInsert, (1, 2))
    raises(TypeError, s.ckInsert, "x")
    raises(IndexError, s.ckInsert, 300, onPE=ranks)

    by_name = {"index": [201], "args": ("named",), "onPE": ranks - 1, "useAtSync": True}
    s.ckInsert(**by_name)
    equal(s[201].where(ret=True).get(), ((201,), ranks - 1), "by name; an index as a list")
    raises(TypeError, s.ckInsert, None)
    raises(TypeError, s.ckInsert, 301, 5, text="args")
    raises(IndexError, s.ckInsert, 300, onPE=-2)
    if np is not None:
        s.ckInsert(np.int64(202), ["numpy"], np.int32(0))
        equal(s[np.int16(202)].get_tag(ret=True).get(), "numpy")
        grid = Array(Cell, ndims=2)
        grid.ckInsert((np.int64(1), 2))
        grid.ckInsert(np.array([3, 4]))
        grid.ckDoneInserting()
        indexes = [index for index, _ in grid.where(ret=True).get()]
        equal(indexes, [(1, 2), (3, 4)], "numpy's indexes")
        equal({type(i) for index in indexes for i in index}, {int}, "thisIndex has plain numbers")
    s[0].insert_more([203], awaitable=True).get()
    equal(
        s[203].get_tag(ret=True).get(), "inserted remotely", "after ckDoneInserting, by an element"
    )
    s[0].ckInsert(204, ["through an element's proxy"])
    equal(s[204].get_tag(ret=True).get(), "through an element's proxy")
    late = Array(Cell, ndims=1)
    answer = late[7].where(ret=True)
    late.ckInsert(7, onPE=ranks - 1)
    equal(answer.get(), ((7,), ranks - 1), "a call before the insertion")
    for i in range(20):
        late.ckInsert(100 + i)
        late.count(i)
    late.ckDoneInserting()
    charm.waitQD()
    equal(
        late.counted(ret=True).get()[1:],
        [list(range(i, 20)) for i in range(20)],
        "a broadcast reaches what its sender has inserted before",
    )

    t = Array(Cell, ndims=3)
    indexes = [(0, 0, 0), (-5, 7, 100000), (2**40, -(2**40), 3), (1, 1, 1)]
    for index in indexes:
        t.ckInsert(index)
    t.ckDoneInserting()
    equal(
        sorted(i for i, _ in t.where(ret=True).get()),
        sorted(indexes),
        "3-D, negative and large coordinates",
    )
    u = Array(Cell, ndims=4)
    u.ckInsert((70000, -70000, 2**30, 5))
    u.ckDoneInserting()
    equal(
        u[70000, -70000, 2**30, 5].where(ret=True).get()[0],
        (70000, -70000, 2**30, 5),
        "4-D beyond 16 bits",
    )
    raises(IndexError, u.ckInsert, (2**40, 0, 0, 0))

    d = Array(Cell, 4)
    d.ckInsert(50, ["new index of a dense array"])
    equal(d[50].get_tag(ret=True).get(), "new index of a dense array")
    d[3].insert_more([60, 61], awaitable=True).get()
    equal([d[i].get_tag(ret=True).get() for i in (60, 61)], ["inserted remotely"] * 2)
    equal(len(d.where(ret=True).get()), 7, "a broadcast reaches those inserted")

    # Reductions wait for the end of the insertions.
    done = Future()
    r = Array(Contributor, ndims=1)
    for i in range(9):
        r.ckInsert(i, [done])
    charm.waitQD()
    equal(done.ready(), False, "not before ckDoneInserting")
    r.ckDoneInserting()
    equal(done.get(), 9, "contributions made in constructors")
    done = Future()
    r = Array(Contributor, 9, args=[done])
    equal(done.get(), 9, "contributions in the constructors of a dense array")

    d2 = Array(Cell, ndims=2)
    d2.ckInsert((0, 0))
    d2[0, 0].insert_more([(1, 1), (2, 2)], awaitable=True).get()
    d2[0, 0].done_inserting(awaitable=True).get()
    equal(
        sorted(i for i, _ in d2.where(ret=True).get()),
        [(0, 0), (1, 1), (2, 2)],
        "inserted and closed by an element",
    )


def deletion(ranks):
    m = Array(Mortal, 8, args=[1])
    m.ckDestroy(3)
    m[5].ckDestroy()
    equal(m[7].end(ret=True).get(), "still here", "an element that ends itself finishes its method")
    charm.waitQD()
    equal(m.get_life(ret=True).get(), [1] * 5, "a broadcast reaches who is left")
    equal(sum(Group(Counts).ended(ret=True).get()), 3, "destructors have run")
    done = Future()
    m.give(done)
    equal(done.get(), 5, "a reduction does not wait for the dead")
    late = m[3].get_life(ret=True)
    charm.waitQD()
    equal(late.ready(), False, "a call to a deleted element waits")
    m.ckInsert(3, [2])
    equal(late.get(), 2, "until its index is inserted again")
    lives = []
    for life in range(100):
        m[3].ckDestroy()
        m.ckInsert(3, [life])
        lives.append(m[3].get_life(ret=True))
    equal([life.get() for life in lives], list(range(100)), "each call reaches the latest one")
    value = Future()
    waits = m[0].wait_for(value, ret=True)
    m[0].ckDestroy()
    value.send(5)
    equal(waits.get(), 6, "one whose coroutine waits is deleted afterwards")
    charm.waitQD()
    equal(len(m.get_life(ret=True).get()), 5)
    raises(TypeError, m.ckDestroy, text="which element")
    raises(TypeError, m[1].ckDestroy, 1, text="one element already")
    raises(AssertionError, m.ckDestroy, (1, 2))


class Counts(Chare):
    def ended(self):
        return len(Mortal.ended)


# 10.5 maps
def maps(ranks):
    m = Group(Backwards)
    for ndims in range(1, 7):
        indexes = list(itertools.product(range(2), repeat=ndims))
        want = [(i, (ranks - 1 - sum(i)) % ranks) for i in indexes]
        equal(Array(Cell, (2,) * ndims, map=m).where(ret=True).get(), want, f"dense, {ndims}-D")
        filled = Array(Cell, ndims=ndims, map=m)
        for index in indexes:
            filled.ckInsert(index)
        filled.ckDoneInserting()
        equal(filled.where(ret=True).get(), want, f"by insertion, {ndims}-D")
    for pe in range(ranks):
        a = Chare(MakesArrays, onPE=pe).make_with_map(ret=True).get()
        want = [((i,), (ranks - 1 - i - pe) % ranks) for i in range(6)]
        equal(a.where(ret=True).get(), want, "a map made just before, on any rank")
    a = Array(Cell, 3 * ranks, map=m)
    equal(
        a.where(ret=True).get(),
        [((i,), (ranks - 1 - i) % ranks) for i in range(3 * ranks)],
        "a map",
    )
    shifted = Group(Backwards, args=[1])
    b = Array(Cell, (2, 3), map=shifted)
    equal(
        b.where(ret=True).get(),
        [((i, j), (ranks - 2 - i - j) % ranks) for i in range(2) for j in range(3)],
        "a map with an argument, 2-D",
    )
    c = Array(Cell, ndims=2, map=m)
    for i in range(4):
        c.ckInsert((i, i))
    c.ckDoneInserting()
    equal(
        c.where(ret=True).get(),
        [((i, i), (ranks - 1 - 2 * i) % ranks) for i in range(4)],
        "a map for insertions",
    )
    equal(c[3, 3].where(ret=True).get(), ((3, 3), (ranks - 7) % ranks))
    raises(Charm4PyError, charm.awaitCreation, m, text="awaitCreation")


charm.start(main)
