# SPDX-License-Identifier: Apache-2.0
"""What a chare object is: attributes, construction, inheritance, names that users may choose freely."""

import dataclasses
import functools
import gc
import sys

from charm4py import *
from checks import check, equal, finish, raises


class Seen(Chare):
    """Looks at itself inside the constructor."""

    def __init__(self, a, b=2, *rest, key=3):
        self.in_init = (
            self.thisIndex,
            self.thisProxy,
            self._numthreads,
            getattr(self, "migratable", None),
        )
        self.args = (a, b, rest, key)

    def seen(self):
        index, proxy, threads, movable = self.in_init
        assert proxy == self.thisProxy and index == self.thisIndex
        return index, self.args, threads, movable, charm.myPe()

    def without_dict(self):
        """Attributes lie in the object, where Python's specialized instructions find them."""
        return not any(type(one) is dict for one in gc.get_referents(self))

    def own_element(self):
        return self.thisProxy[self.thisIndex]

    def set_migratable_off(self):
        self.setMigratable(False)
        return self.migratable


class Attributes(Chare):
    """Which of the attributes there are, inside the constructor."""

    NAMES = ("thisIndex", "thisProxy", "migratable", "_numthreads")

    def __init__(self):
        self.found = {name: getattr(self, name) for name in self.NAMES if hasattr(self, name)}

    def attributes(self):
        return self.found

    def set_migratable(self, flag):
        self.setMigratable(flag)
        self.also = self.migratable
        return self.migratable

    def is_migratable(self):
        return self.migratable

    @coro
    def count_released(self, release):
        before = self._numthreads
        release.wait_open(awaitable=True).get()
        return before

    def count_now(self):
        return self._numthreads

    # 6.3
    def give(self, callback, *args, **kwargs):
        return self.reduce(callback, *args, **kwargs)

    def contributes(self, *args, **kwargs):
        return self.contribute(*args, **kwargs)

    def allreduces_outside(self):
        self.allreduce()

    @coro
    def allreduces(self):
        by_name = self.allreduce(data=2, reducer=Reducer.sum).get()
        return by_name, self.allreduce(3, Reducer.max).get(), self.allreduce().get()

    def is_hook(self):
        return self.migrated()


class InConstructor(Chare):
    """Constructors may do everything."""

    def __init__(self, done, log, first=False):
        self.reduce(done, 1, Reducer.sum)
        log.note(charm.myPe())
        self.channel = Channel(self, self.thisProxy[self.thisIndex])

    @coro
    def through_channel(self):
        self.channel.send("through")
        return self.channel.recv()


class Log(Chare):
    def __init__(self):
        self.notes = []

    def note(self, what):
        self.notes.append(what)

    def get(self):
        return self.notes


class Maker(Chare):
    """Makes single chares on any rank, outside of coroutines and in them."""

    def make(self):
        return Chare(Seen, args=["made"], onPE=charm.myPe())

    @coro
    def make_and_await(self, pe):
        made = Chare(CoroInit, args=[0.001], onPE=pe)
        charm.awaitCreation(made)
        return made.get_steps(ret=True).get()[0]


made_here = []


class Single(Chare):
    def __init__(self):
        made_here.append(self.thisIndex)

    def same(self):
        return self.thisProxy == self.thisProxy[0]

    def gives(self, target):
        self.reduce(target, 7, Reducer.sum)


class CoroInit(Chare):
    @coro
    def __init__(self, pause):
        self.steps = ["begin"]
        charm.sleep(pause)
        self.steps.append("end")

    def get_steps(self):
        return self.steps, self._numthreads


class Base(Chare):
    def __init__(self, log):
        self.log = [*log, "Base"]

    def from_base(self):
        return "from_base"

    def overridden(self):
        return "Base"


class Middle(Base):
    def __init__(self, log):
        super().__init__([*log, "Middle"])

    def overridden(self):
        return "Middle then " + super().overridden()


class Leaf(Middle):
    def __init__(self, log, extra=0):
        super().__init__([*log, "Leaf"])
        self.extra = extra

    def get_log(self):
        return self.log, self.extra

    @coro
    def waits(self):
        self.wait("self.go")
        return "went"

    def set_go(self):
        self.go = True

    go = False


class Side(Base):
    def __init__(self, log):
        super().__init__([*log, "Side"])

    def overridden(self):
        return "Side then " + super().overridden()


class Mixin:
    def of_mixin(self):
        return self.thisIndex


class Diamond(Mixin, Middle, Side):
    def get_log(self):
        return self.log


@dataclasses.dataclass
class Data(Chare):
    x: int
    y: int = 2

    def total(self):
        return self.x + self.y


class NoSize(Chare):
    """Objects whose truth, size and equality mislead."""

    def __len__(self):
        return 0

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1

    def __getattr__(self, name):
        raise AttributeError(name)

    def index(self):
        return self.thisIndex


class NoParentCall(Base):
    """Does not call its parent's constructor; the runtime must not do so either."""

    def __init__(self):
        self.mine = True

    def has_log(self):
        return hasattr(self, "log"), self.mine


class CallsChareInit(Chare):
    def __init__(self):
        super().__init__()
        self.x = 1

    def get_x(self):
        return self.x


class Slotted(Chare):
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value


class OddState(Chare):
    """Programs may replace their __dict__ and define pickling as they like: no runtime state is in there."""

    def __init__(self):
        self.__dict__.clear()
        self.__dict__ = {"only": 1}

    def __getstate__(self):
        return {}

    def names(self):
        return sorted(self.__dict__)

    def index(self):
        return self.thisIndex


def free_function(*args):
    return ("free", args)


class OddNames(Chare):
    idx = 5
    part = functools.partial(free_function, 1)
    builtin = len
    lam = lambda self, x: x + 1  # noqa: E731
    data = {"not": "callable"}

    class Inner:
        pass

    def __init__(self):
        self.gid = "mine"

    def idx_method(self):
        return self.idx

    def _private(self, x):
        return x * 2

    @staticmethod
    def static(x):
        return ("static", x)

    @classmethod
    def klass(cls, x):
        return (cls.__name__, x)

    @property
    def prop(self):
        raise AssertionError("a property is no entry method and is not evaluated")

    def name(self):
        return "a method called name"

    def type(self):
        return "a method called type"

    def state(self):
        return self.gid

    def send(self, x):
        return x

    def get(self):
        return "get"


class LikeProxies(Chare):
    """Methods called as what proxies have."""

    def name_of(self):
        return "a method"

    gid = aid = elemIdx = ndims = issec = section = creation_future = name_of
    ckInsert = ckDoneInserting = ckLocalBranch = name_of

    def index(self):
        return self.thisIndex


class HasIdxMethod(Chare):
    def idx(self):
        return "idx"


class NewUser(Chare):
    def __new__(cls, *args):
        self = super().__new__(cls)
        self.by_new = True
        return self

    def __init__(self, x):
        self.x = x

    def both(self):
        return self.by_new, self.x


class Direct(Chare):
    def __init__(self):
        self.log = []

    def plain(self):
        self.helper(1)
        self.log.append("after direct call")
        return self.log

    @coro
    def helper(self, x):
        self.log.append(("helper", x, self._numthreads))

    @when("self.never")
    def guarded(self):
        return "direct calls ignore @when"

    def call_guarded(self):
        return self.guarded()


def attributes(ranks):
    """6.1"""
    last = ranks - 1
    a, c = Array(Attributes, (2, 2)), Chare(Attributes, onPE=last)
    g, some = Group(Attributes), Group(Attributes, onPEs=[0, last])
    members = sorted({0, last})
    plain = {"_numthreads": 0}
    want = [{**plain, "thisIndex": pe, "thisProxy": g} for pe in range(ranks)]
    equal(g.attributes(ret=True).get(), want, "of a group's element")
    want = [{**plain, "thisIndex": pe, "thisProxy": some} for pe in members]
    equal(some.attributes(ret=True).get(), want, "in a group on some ranks")
    want = [
        {**plain, "thisIndex": (i, j), "thisProxy": a, "migratable": True}
        for i in range(2)
        for j in range(2)
    ]
    equal(a.attributes(ret=True).get(), want, "of an array's element")
    want = {**plain, "thisIndex": (0,), "thisProxy": c, "migratable": True}
    equal(c.attributes(ret=True).get(), want, "of a single chare")
    line = Array(Attributes, 1)
    equal(line[0].attributes(ret=True).get()["thisIndex"], (0,), "a tuple in one dimension, too")
    equal(a[0, 0].set_migratable(False, ret=True).get(), False, "setMigratable")
    equal(a[0, 0].set_migratable(True, ret=True).get(), True, "setMigratable")
    a[0, 1].setMigratable(False, awaitable=True).get()
    equal(a.is_migratable(ret=True).get(), [True, False, True, True], "through a proxy")
    release = [Chare(Release), Chare(Release)]
    charm.awaitCreation(*release)
    element = a[1, 1]
    counts = [element.count_released(r, ret=True) for r in release]
    charm.waitQD()
    equal(element.count_now(ret=True).get(), 2, "coroutines that live on the object")
    for r in release:
        r.open()
    equal([count.get() for count in counts], [1, 2], "also seen by themselves")
    equal(element.count_now(ret=True).get(), 0, "none any more")


def methods(ranks):
    """6.3; AtSync and migrate belong to section 22."""
    last = ranks - 1
    g, a, c = Group(Attributes), Array(Attributes, 3), Chare(Attributes, onPE=last)
    for chares, number in ((g, ranks), (a, 3), (c, 1)):
        for call, want in (
            (lambda f, p=chares: p.give(f, 2, Reducer.sum), 2 * number),
            (lambda f, p=chares: p.give(f, data=2, reducer=Reducer.max, section=None), 2),
            (lambda f, p=chares: p.contributes(3, Reducer.sum, f), 3 * number),
            (lambda f, p=chares: p.contributes(data=3, reducer=Reducer.max, callback=f), 3),
            (lambda f, p=chares: p.give(f), None),
            (lambda f, p=chares: p.contributes(None, None, f), None),
        ):
            f = Future()
            call(f)
            equal(f.get(), want, "reduce, contribute")
        want = (2 * number, 3, None)
        got = chares.allreduces(ret=True).get()
        equal(got, want if chares is c else [want] * number, "allreduce: the result for everybody")
    equal(c.give(Future(), ret=True).get(), None, "reduce returns nothing")
    equal(c.contributes(1, Reducer.sum, Future(), ret=True).get(), None, "contribute, too")
    for bad in (None, 5, "text"):
        raises(AssertionError, c.give(bad, awaitable=True).get, text="callback")
        raises(TypeError, c.contributes(1, Reducer.sum, bad, awaitable=True).get, text="callback")
    error = raises(charm4py.threads.NotThreadedError, c.allreduces_outside(awaitable=True).get)
    equal("allreduces_outside" in str(error), True, "which method it is")
    equal(c.is_hook(ret=True).get(), None, "migrated() does nothing by itself")


def single_chares(ranks):
    """6.4"""
    last = ranks - 1
    c = Chare(Single, (), 0)
    equal(made_here, [(0,)], "on the own rank the constructor runs at once")
    equal((c.elemIdx, c.ndims, c.issec, c[0] == c), ((0,), 1, False, True), "its proxy")
    equal(c.same(ret=True).get(), True, "thisProxy == thisProxy[0]")
    target = Future()
    c.gives(target)
    equal(target.get(), 7, "a reduction of one")
    for maker in Group(Maker), Array(Maker, ranks):
        for pe in range(ranks):
            made = maker[pe].make(ret=True).get()
            equal(made.seen(ret=True).get()[4], pe, "made on any rank")
            steps = maker[pe].make_and_await(last, ret=True).get()
            equal(steps, ["begin", "end"], "and waited for")
    log = Chare(Log, onPE=last)
    done = Future()
    g = Group(InConstructor, args=[done, log])
    equal(done.get(), ranks, "a constructor contributes")
    charm.waitQD()
    equal(sorted(log.get(ret=True).get()), list(range(ranks)), "and calls")
    equal(g.through_channel(ret=True).get(), ["through"] * ranks, "and opens channels")


def like_proxies(ranks):
    group, array = Group(LikeProxies), Array(LikeProxies, (2, 2))
    charm.awaitCreation(group, array)
    for (
        name
    ) in "gid aid elemIdx ndims issec section creation_future ckInsert ckLocalBranch".split():
        for element in (group[0], array[1, 1], Chare(LikeProxies, onPE=ranks - 1)):
            equal(getattr(element, name)(ret=True).get(), "a method", name)
    equal(array[0:2, 1:2].index(ret=True).get(), [(0, 1), (1, 1)], "slices")
    equal(array[0:2, 1:2][0, 1].index(ret=True).get(), (0, 1))
    part = charm.split(array, 1, elems=[(1, 0)])[0]
    equal(part.index(ret=True).get(), [(1, 0)], "charm.split")
    order = sorted([(1, 0), *((i,) for i in range(ranks))])  # by index
    answers = charm.combine(part, group).index(ret=True).get()
    equal(answers, [i if len(i) > 1 else i[0] for i in order])


class Release(Chare):
    def __init__(self):
        self.is_open = False

    def open(self):
        self.is_open = True

    @coro
    def wait_open(self):
        self.wait("self.is_open")


def main(args):
    ranks = charm.numPes()

    g = Group(Seen, args=[1])
    values = g.seen(ret=True).get()
    equal(values, [(pe, (1, 2, (), 3), 0, None, pe) for pe in range(ranks)], "group elements")
    equal(type(values[0][0]), int, "index of a group element")
    attributes(ranks)
    methods(ranks)
    single_chares(ranks)
    # 6.1, 6.2 group elements, array elements
    equal(g[ranks - 1].own_element(ret=True).get(), g[ranks - 1], "own element proxy")
    if sys.version_info >= (3, 11):
        check(all(g.without_dict(ret=True).get()), "no dict before it is asked for")

    a = Array(Seen, 5, args=(1, 4, 5, 6))
    values = a.seen(ret=True).get()
    equal(
        [v[:4] for v in values],
        [((i,), (1, 4, (5, 6), 3), 0, True) for i in range(5)],
        "array elements",
    )
    equal(a[3].own_element(ret=True).get(), a[3], "own element proxy")
    equal(a[2].set_migratable_off(ret=True).get(), False, "setMigratable")

    for pe in range(ranks):
        c = Chare(Seen, args=["x"], onPE=pe)
        equal(c.seen(ret=True).get(), ((0,), ("x", 2, (), 3), 0, True, pe), "single chare")
        equal(c.own_element(ret=True).get(), c, "thisProxy[0] of a single chare is its proxy")
        equal(type(c).__name__, "SeenArrayProxy", "proxy type of a single chare")
    placed = [Chare(Seen, args=[0]).seen(ret=True).get()[4] for _ in range(ranks)]
    equal(len(set(placed)), ranks, "without onPE single chares go round")

    # 6.2 construction
    c = Group(CoroInit, args=[0.02])
    charm.awaitCreation(c)
    equal(c.get_steps(ret=True).get(), [(["begin", "end"], 0)] * ranks, "constructors that wait")

    leaf = Chare(Leaf, args=[["start"]], onPE=ranks - 1)
    equal(
        leaf.get_log(ret=True).get(),
        (["start", "Leaf", "Middle", "Base"], 0),
        "one constructor, the most derived",
    )
    equal(leaf.from_base(ret=True).get(), "from_base", "inherited entry method")
    equal(leaf.overridden(ret=True).get(), "Middle then Base", "overridden entry method")
    waiting = leaf.waits(ret=True)
    leaf.set_go()
    equal(waiting.get(), "went", "runtime state in a class three levels deep")
    diamond = Array(Diamond, 2, args=[[]])
    logs = diamond.get_log(ret=True).get()
    equal(logs, [["Middle", "Side", "Base"]] * 2, "a constructor found by the order of bases")
    equal(diamond.of_mixin(ret=True).get(), [(0,), (1,)], "methods of a class that is no chare")
    overridden = diamond[1].overridden(ret=True).get()
    equal(overridden, "Middle then Side then Base", "each base's in its turn")
    equal(Array(Data, 2, args=[5]).total(ret=True).get(), [7, 7], "a dataclass")
    equal(Array(NoSize, 3).index(ret=True).get(), [(0,), (1,), (2,)], "special methods of objects")
    none = Chare(NoParentCall)
    equal(none.has_log(ret=True).get(), (False, True), "the parent's constructor is not called")
    equal(none.overridden(ret=True).get(), "Base", "entry method of the parent")
    equal(Chare(CallsChareInit).get_x(ret=True).get(), 1, "super().__init__() is harmless")
    equal(Chare(Slotted, args=[7]).get(ret=True).get(), 7, "__slots__")
    odd = Array(OddState, 3)
    equal(odd.names(ret=True).get(), [["only"]] * 3, "the __dict__ is the program's alone")
    equal(odd[2].index(ret=True).get(), (2,), "the index is not in the __dict__")
    equal(Chare(NewUser, args=[3]).both(ret=True).get(), (True, 3), "__new__ of the class")

    # 2.3, defects 21, 22: what an entry method is
    o = Chare(OddNames, onPE=ranks - 1)
    equal(o.idx_method(ret=True).get(), 5, "attribute idx")
    equal(o.part(2, ret=True).get(), ("free", (1, 2)), "a partial as method")
    equal(o.builtin([1, 2, 3], ret=True).get(), 3, "a builtin as method")
    equal(o.lam(4, ret=True).get(), 5, "a lambda as method")
    equal(o._private(4, ret=True).get(), 8, "single underscore")
    equal(o.static(1, ret=True).get(), ("static", 1), "static method")
    equal(o.klass(1, ret=True).get(), ("OddNames", 1), "class method")
    equal(o.state(ret=True).get(), "mine", "attribute gid")
    equal(o.send(9, ret=True).get(), 9, "method called send")
    equal(o.get(ret=True).get(), "get", "method called get")
    equal(o.name(ret=True).get(), "a method called name")
    equal(o.type(ret=True).get(), "a method called type")
    equal(Chare(HasIdxMethod).idx(ret=True).get(), "idx", "method called idx")
    like_proxies(ranks)
    for name in (
        "data",
        "prop",
        "Inner",
        "nosuch",
        "__init__x",
        "wait",
        "contribute",
        "reduce",
        "allreduce",
        "migrated",
    ):
        raises(AttributeError, getattr, o, name)
    raises(AttributeError, getattr, Group(OddNames), "AtSync")
    equal(
        [hasattr(Array(OddNames, 1), n) for n in ("migrate", "setMigratable", "AtSync")], [True] * 3
    )

    # 6.3 direct calls
    d = Chare(Direct)
    equal(
        d.plain(ret=True).get(),
        [("helper", 1, 0), "after direct call"],
        "a direct call is an ordinary call",
    )
    equal(d.call_guarded(ret=True).get(), "direct calls ignore @when")

    # 6.5 errors at use
    raises(charm4py.Charm4PyError, Group, int, text="not a chare class")
    raises(charm4py.Charm4PyError, Array, 5, 3, text="not a chare class")
    raises(charm4py.Charm4PyError, Chare, str, text="not a chare class")

    class Late(Chare):
        pass

    raises(charm4py.Charm4PyError, Group, Late, text="not registered")
    raises(charm4py.Charm4PyError, Array, Late, 3, text="not registered")
    raises(charm4py.Charm4PyError, Chare, Late, text="not registered")
    raises(TypeError, Group, Seen, 5, text="args must be a list or tuple")
    raises(IndexError, Chare, Seen, [1], ranks, text="no rank")
    raises(TypeError, Chare, Seen, [1], "0", text="onPE")
    raises(charm4py.Charm4PyError, Seen, 1, text="not made by calling their class")
    finish(110)


import charm4py  # noqa: E402

charm.start(main)
